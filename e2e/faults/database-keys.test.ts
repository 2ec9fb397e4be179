/** Replaces the master key while connections refresh as fast as possible (F58). */
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

it("F58: while the master key is replaced and the old one removed, repeatedly, no read fails during a storm of refreshes", async () => {
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
      const first = await getConnection(site, app, service);
      // "The API rejected this token": the next read refreshes.
      const rejected = first.access_token === null ? undefined : hash(first.access_token);
      replies.push(first, await getConnection(site, app, service, rejected));
      // Leaves a processor for the commands.
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
