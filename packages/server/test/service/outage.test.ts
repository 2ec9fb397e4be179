import { describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../src/core/limits.ts";
import { CodedError } from "../../src/core/errors.ts";
import { createDatabaseGate } from "../../src/service/cache/database-gate.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { HOUR, manualClock, MINUTE, SECOND } from "../support/clock.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "../support/server.ts";

const fail = (): Promise<never> => Promise.reject(new CodedError("database_unavailable"));

describe("reading from a database that may be down", () => {
  const open = () => {
    const clock = manualClock();
    const log = vi.fn<(line: string) => void>();
    return { clock, log, gate: createDatabaseGate({ clock, limits: LIMITS, log: createLog("warn", log) }) };
  };

  it("retries once before it treats a broken connection as an outage", async () => {
    const { gate, log } = open();
    const action = vi.fn<() => Promise<string>>().mockImplementationOnce(fail).mockResolvedValue("row");
    expect(await gate.read(action)).toBe("row");
    expect(log).not.toHaveBeenCalled();
  });

  it("rejects all reads at once during an outage, except one per second that tests the database", async () => {
    const { gate, clock } = open();
    const action = vi.fn<() => Promise<string>>(fail);
    await expect(gate.read(action)).rejects.toMatchObject({ code: "database_unavailable" });
    expect(action).toHaveBeenCalledTimes(2);
    await Promise.allSettled(Array.from({ length: 1_000 }, () => gate.read(action)));
    expect(action).toHaveBeenCalledTimes(2);
    await clock.advance(SECOND);
    await Promise.allSettled(Array.from({ length: 1_000 }, () => gate.read(action)));
    expect(action).toHaveBeenCalledTimes(3);
  });

  it("waits less than a second for a database that does not answer", async () => {
    const { gate, clock } = open();
    const pending = gate.read(() => new Promise<string>(() => {})).catch((error: unknown) => error);
    await clock.advance(900);
    expect(await pending).toMatchObject({ code: "database_unavailable" });
  });

  it("keeps waiting for a busy database while it answers other reads", async () => {
    const { gate, clock } = open();
    const slow = Promise.withResolvers<string>();
    const pending = gate.read(() => slow.promise);
    for (let steps = 0; steps < 20; steps += 1) {
      await gate.read(() => Promise.resolve("other row"));
      await clock.advance(100);
    }
    slow.resolve("row");
    expect(await pending).toBe("row");
  });

  it("logs the beginning and the end of an outage, once each", async () => {
    const { gate, clock, log } = open();
    for (let tries = 0; tries < 3; tries += 1) {
      await gate.read(fail).catch(() => {});
      await clock.advance(SECOND);
    }
    await gate.read(() => Promise.resolve("row"));
    await gate.read(() => Promise.resolve("row"));
    const events = log.mock.calls.map(([line]) => /"event":"(\w+)"/.exec(line)?.[1]);
    expect(events).toEqual(["database_away", "database_back"]);
  });

  it("does not treat a missing row, or any other error, as an outage", async () => {
    const { gate } = open();
    const missing = new CodedError("not_connected");
    await expect(gate.read(() => Promise.reject(missing))).rejects.toBe(missing);
    expect(gate.isOpen()).toBe(true);
  });
});

describe("F17: while the database is down", () => {
  /** Serves a connection's token, then begins an outage. */
  async function cutOff(options: TestServerOptions = {}): Promise<{ holdfast: TestServer; served: string }> {
    const holdfast = await startTestServer(options);
    await holdfast.connect("googlecalendar");
    const served = await holdfast.accessToken("googlecalendar");
    const { store } = holdfast.installation;
    for (const name of ["findConnection", "getServiceToken", "getConnection", "claimRefresh"] as const)
      vi.spyOn(store, name).mockImplementation(fail);
    return { holdfast, served };
  }

  it("serves a token from memory, marked as stale once it should have been read again", async () => {
    const { holdfast, served } = await cutOff();
    const fresh = await holdfast.token("googlecalendar");
    expect([fresh.json["access_token"], fresh.headers.get("x-stale")]).toEqual([served, null]);
    holdfast.installation.cache.markStale();
    holdfast.installation.credentials.markStale();
    const stale = await holdfast.token("googlecalendar");
    expect([stale.json["access_token"], stale.headers.get("x-stale")]).toEqual([served, "1"]);
  });

  it("serves stale tokens for five minutes and no longer", async () => {
    const { holdfast, served } = await cutOff();
    holdfast.installation.cache.markStale();
    await holdfast.clock.jump(5 * MINUTE - 1);
    expect(await holdfast.accessToken("googlecalendar")).toBe(served);
    await holdfast.clock.jump(1);
    const refused = await holdfast.token("googlecalendar");
    expect([refused.status, refused.code, refused.headers.get("retry-after")]).toEqual([
      503,
      "database_unavailable",
      "1",
    ]);
  });

  it("serves no expired token, and sends nothing to the provider", async () => {
    const { holdfast } = await cutOff({ limits: { outage_grace_s: 86_400 } });
    holdfast.installation.cache.markStale();
    await holdfast.clock.jump(2 * HOUR);
    expect((await holdfast.token("googlecalendar")).code).toBe("database_unavailable");
    expect(holdfast.refreshes()).toHaveLength(0);
  });

  it("serves no stale token when the grace period is 0", async () => {
    const { holdfast } = await cutOff({ limits: { outage_grace_s: 0 } });
    holdfast.installation.cache.markStale();
    expect((await holdfast.token("googlecalendar")).code).toBe("database_unavailable");
  });

  it("rejects a connection that it never served, and a token that was revoked on this node", async () => {
    const { holdfast } = await cutOff();
    expect((await holdfast.token("slack")).code).toBe("database_unavailable");
    holdfast.installation.credentials.clear();
    expect((await holdfast.token("googlecalendar")).code).toBe("database_unavailable");
  });
});
