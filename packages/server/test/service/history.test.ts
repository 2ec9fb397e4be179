/**
 * Invariants that hold in any history of readers, time, restarts, faults and users. Each step runs
 * against a real server and simulator. A history that fails is printed with its seed.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { sha256, startTestServer, type TestServer } from "../support/server.ts";

/** `npm test` does one trip of each heavy suite. */
const RUNS = process.env["TESTS"] === "all" ? 20 : 5;

const STEPS = [
  "read",
  "read_many",
  "reject",
  "sweep",
  "wait",
  "age",
  "outage",
  "garbage",
  "repair",
  "restart",
  "disconnect",
  "consent",
  "revoke",
] as const;
type Step = (typeof STEPS)[number];

/** The only errors that a reader can get. */
const READER_ERRORS = new Set([
  "not_connected",
  "connection_expired",
  "connection_disconnected",
  "provider_unavailable",
  "refresh_pending",
  "refresh_too_soon",
]);

interface World {
  holdfast: TestServer;
  generation: number;
  revoked: boolean;
  last: string | null;
}

async function read(world: World, count: number, rejected?: string): Promise<void> {
  const { holdfast } = world;
  const options = rejected === undefined ? {} : { rejected };
  const replies = await Promise.all(Array.from({ length: count }, () => holdfast.token("salesforce", options)));
  const { access_tokens } = holdfast.simulator.ledger();
  for (const { status, code, json } of replies) {
    if (status !== 200) {
      expect(READER_ERRORS).toContain(code);
      continue;
    }
    world.last = String(json["access_token"]);
    const state = access_tokens[sha256(world.last)]?.status;
    // The provider does not announce a revocation. The server knows everything else about a token.
    if (!world.revoked) expect(state).toBe("current");
    expect(state).not.toBe("expired");
  }
}

async function perform(world: World, step: Step): Promise<void> {
  const { holdfast } = world;
  switch (step) {
    case "read":
      return read(world, 1);
    case "read_many":
      return read(world, 10);
    case "reject":
      return read(world, 3, world.last ?? "none");
    case "sweep":
      return holdfast.server.sweeper.tick();
    case "wait":
      return holdfast.clock.jump(30 * SECOND);
    case "age":
      return holdfast.clock.jump(HOUR + 40 * MINUTE);
    case "outage":
      return holdfast.simulator.setModes({ host: "login.salesforce.com", modes: ["outage-503"] });
    case "garbage":
      return holdfast.simulator.setModes({ host: "login.salesforce.com", modes: ["html"] });
    case "repair":
      return holdfast.simulator.setModes({ host: "login.salesforce.com", modes: [] });
    case "restart":
      world.holdfast = await holdfast.restart();
      return undefined;
    case "disconnect":
      await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/salesforce`);
      return undefined;
    case "consent":
      holdfast.simulator.setModes({ host: "login.salesforce.com", modes: [] });
      await holdfast.connect("salesforce");
      world.revoked = false;
      return undefined;
    case "revoke":
      holdfast.simulator.revokeGrants({});
      world.revoked = true;
      return undefined;
  }
}

async function check(world: World): Promise<void> {
  const { holdfast } = world;
  const ledger = holdfast.simulator.ledger();
  // No refresh token was used twice, neither at once nor in sequence.
  expect(ledger.families_revoked).toEqual([]);
  expect(ledger.max_concurrent_refreshes).toBeLessThanOrEqual(1);
  const row = await holdfast.row("salesforce");
  expect(row.generation).toBeGreaterThanOrEqual(world.generation);
  world.generation = row.generation;
  // A stored token can be refreshed, or the status says that it cannot.
  const is_accepted = ledger.valid_refresh_tokens.length > 0;
  expect(row.status !== "active" || is_accepted || world.revoked).toBe(true);
  // Each incident has one event: connected, ended, connected, ended, ...
  const events = await holdfast.events();
  const ends = events.filter((type) => type === "connection.needs_reconnect").length;
  const begins = events.filter((type) => type === "connection.connected" || type === "connection.recovered").length;
  expect(ends).toBeLessThanOrEqual(begins);
  expect(row.status === "expired" ? ends : 1).toBeGreaterThan(0);
  expect(holdfast.log.filter(({ event }) => event === "internal_error")).toEqual([]);
}

it("never serves a dead token, never uses a refresh token twice, never loses one, in any history", async () => {
  const histories = fc.array(fc.constantFrom(...STEPS), { minLength: 8, maxLength: 16 });
  const property = fc.asyncProperty(histories, async (steps) => {
    const holdfast = await startTestServer();
    await holdfast.setClient("salesforce", ["rotate"]);
    await holdfast.connect("salesforce");
    const world: World = { holdfast, generation: 1, revoked: false, last: null };
    for (const step of steps) {
      await perform(world, step);
      await check(world);
    }
    await holdfast.close();
  });
  await expect(fc.assert(property, { numRuns: RUNS })).resolves.toBeUndefined();
}, 60_000);
