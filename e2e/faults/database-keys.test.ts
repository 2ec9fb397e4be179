/** The master key is changed while connections are being refreshed as fast as they can be (F58). */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { holdfast } from "../support/holdfast.ts";
import { parseJson } from "../support/json.ts";
import { getConnection, startConnected, startSimulated, type TokenReply } from "../support/server.ts";
import { openStored } from "../support/stored.ts";
import { FULL, refreshes } from "./support/postgres-server-nodes.ts";

const ROTATIONS = FULL ? 10 : 2;
const SERVICES = ["github", "slack", "notion", "googlecalendar"] as const;
const LIMITS = {
  HOLDFAST_FORCED_REFRESH_INTERVAL_MS: "1",
  HOLDFAST_PROVIDER_REQUESTS_PER_S: "1000",
  HOLDFAST_LOG_LEVEL: "warn",
};

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

it("F58: while the master key is changed and the old one dropped, over and over, no read of a storm of refreshes fails", async () => {
  const simulator = await startSimulated();
  const { site, app } = await startConnected(simulator.url, {
    services: SERVICES,
    clientIdOf: () => "sim-rotate+slow-20ms",
    env: LIMITS,
  });
  const stopping = new AbortController();
  const replies: TokenReply[] = [];
  const storm = SERVICES.map(async (service) => {
    while (!stopping.signal.aborted) {
      const read = await getConnection(site, app, service);
      // "The API refused this one": the next read refreshes.
      const rejected = read.access_token === null ? undefined : hash(read.access_token);
      replies.push(read, await getConnection(site, app, service, rejected));
      // Leaves the commands a processor.
      await delay(30);
    }
  });
  const ids = new Set<string>();
  for (let rotation = 0; rotation < ROTATIONS; rotation += 1) {
    for (const command of ["rotate", "retire"]) {
      const { exit_code, stdout, stderr } = await holdfast(
        ["keys", command, "--data-dir", site.data_dir, "--json"],
        site,
      );
      expect({ exit_code, stderr }).toEqual({ exit_code: 0, stderr: "" });
      if (command === "rotate") ids.add(parseJson(stdout).text("kek_id"));
    }
  }
  stopping.abort();
  await Promise.all(storm);
  const count = refreshes(simulator).length;
  console.info(`F58: ${ids.size} keys, ${replies.length} reads, ${count} refreshes`);
  expect(ids.size).toBe(ROTATIONS);
  expect(count).toBeGreaterThan(ROTATIONS * SERVICES.length);
  expect(
    replies.filter(({ status }) => status !== 200).map(({ status, body }) => `${status} ${body.text("code")}`),
  ).toEqual([]);
  expect(simulator.ledger().families_revoked).toEqual([]);
  const stored = await openStored(site.data_dir);
  expect(
    stored.map(({ refresh_token }) => simulator.ledger().refresh_tokens[hash(refresh_token ?? "")]?.status),
  ).toEqual(SERVICES.map(() => "current"));
});
