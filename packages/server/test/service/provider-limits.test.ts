import { describe, expect, it } from "vitest";
import type { Limits } from "../../src/core/limits.ts";
import { DAY, HOUR, MINUTE, SECOND, until } from "../support/clock.ts";
import { startTestServer, type TestApp, type TestServer } from "../support/server.ts";

const GOOGLE = "oauth2.googleapis.com";
const GITHUB = "github.com";

/**
 * Returns apps that connected googlecalendar through one OAuth client. The first one also connected
 * github.
 */
async function connected(count: number, limits: Partial<Limits> = {}, random = () => 0.5) {
  const holdfast = await startTestServer({ limits, random });
  await holdfast.setClient("github", ["rotate"]);
  const browser = await holdfast.signedIn();
  const apps: TestApp[] = [holdfast.app];
  while (apps.length < count) apps.push(await holdfast.createApp(`app${apps.length}`));
  for (const app of apps) await holdfast.connect("googlecalendar", { app, browser });
  await holdfast.connect("github", { browser });
  return { holdfast, apps };
}

const read = (holdfast: TestServer, apps: readonly TestApp[]) =>
  Promise.all(apps.map((app) => holdfast.token("googlecalendar", { app })));
const statuses = async (replies: Promise<readonly { readonly status: number }[]>) =>
  (await replies).map(({ status }) => status);

describe("a 429 of one connection", () => {
  it("stops other requests of its provider and OAuth client until Retry-After, and no other provider's", async () => {
    const { holdfast, apps } = await connected(2);
    holdfast.simulator.setModes({ host: GOOGLE, modes: ["429-7s"] });
    await holdfast.clock.jump(9 * HOUR);
    const [first] = await read(holdfast, apps.slice(0, 1));
    expect([first?.status, first?.headers.get("retry-after")]).toEqual([503, "7"]);
    holdfast.simulator.setModes({ host: GOOGLE, modes: [] });

    await holdfast.clock.jump(5 * SECOND);
    const [second] = await read(holdfast, apps.slice(1));
    expect([second?.status, second?.code, second?.headers.get("retry-after")]).toEqual([
      503,
      "provider_unavailable",
      "2",
    ]);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes(GOOGLE)).toHaveLength(1);
    expect(await holdfast.row("googlecalendar", apps[1])).toMatchObject({ attempt: 0, intent_at: null, failures: 0 });
    expect((await holdfast.token("github")).status).toBe(200);

    await holdfast.clock.jump(2 * SECOND);
    expect(await statuses(read(holdfast, apps))).toEqual([200, 200]);
  });
});

describe("a reader that is put off", () => {
  /** Returns two apps. `stop` stops the service and OAuth client of both by a 429 of the first. */
  async function stopped() {
    const { holdfast, apps } = await connected(2);
    const stop = async (): Promise<void> => {
      holdfast.simulator.setModes({ host: GOOGLE, modes: ["429-7s"] });
      await holdfast.clock.jump(2 * HOUR);
      expect(await statuses(read(holdfast, apps.slice(0, 1)))).toEqual([503]);
    };
    return { holdfast, second: apps[1] ?? holdfast.app, stop };
  }

  it("gets the tokens that another refresh stored meanwhile", async () => {
    const { holdfast, second, stop } = await stopped();
    const seen = await holdfast.row("googlecalendar", second);
    await holdfast.clock.jump(2 * HOUR);
    await holdfast.accessToken("googlecalendar", second);
    await stop();
    const result = await holdfast.installation.refresher.refresh(seen, "reader");
    expect(result).toMatchObject({ kind: "current", row: { generation: 2 } });
  });

  it("still gets the error that the OAuth client is rejected", async () => {
    const { holdfast, second, stop } = await stopped();
    holdfast.simulator.setModes({ host: GOOGLE, modes: ["invalid-client"] });
    await holdfast.clock.jump(2 * HOUR);
    await holdfast.token("googlecalendar", { app: second });
    await stop();
    expect((await holdfast.token("googlecalendar", { app: second })).code).toBe("oauth_client_rejected");
  });

  it("uses up no permit, and neither does a reader that comes before the next attempt is allowed", async () => {
    const { holdfast, apps } = await connected(1, { provider_concurrency: 1 });
    await holdfast.clock.jump(2 * HOUR);
    holdfast.simulator.setModes({ host: GOOGLE, modes: ["500"] });
    for (let count = 0; count < 3; count += 1) expect(await statuses(read(holdfast, apps))).toEqual([503]);
    expect(holdfast.refreshes(GOOGLE)).toHaveLength(1);
    holdfast.simulator.setModes({ host: GOOGLE, modes: [] });
    await holdfast.clock.jump(SECOND);
    expect(await statuses(read(holdfast, apps))).toEqual([200]);
  });
});

describe("many tokens due at once", () => {
  const LOW = { provider_requests_per_s: 2, provider_burst: 4, provider_line_ms: 2_000 };

  it("are renewed within the rate, and no reader of a valid token waits", async () => {
    const { holdfast, apps } = await connected(20, LOW);
    await holdfast.clock.jump(56 * MINUTE);
    const before = holdfast.clock.monotonic_ms();
    expect(new Set(await statuses(read(holdfast, apps)))).toEqual(new Set([200]));
    expect(holdfast.clock.monotonic_ms()).toBe(before);

    let ticks = 0;
    for (; holdfast.refreshes(GOOGLE).length < 20 && ticks < 30; ticks += 1) {
      await holdfast.server.sweeper.tick();
      expect(holdfast.refreshes(GOOGLE).length).toBeLessThanOrEqual(4 + 2 * 3 * ticks);
      await holdfast.clock.jump(3 * SECOND);
    }
    expect(holdfast.refreshes(GOOGLE)).toHaveLength(20);
    expect(holdfast.simulator.ledger().families_revoked).toEqual([]);
    expect(new Set(await statuses(read(holdfast, apps)))).toEqual(new Set([200]));
  });

  it("do not hide tokens of another service from the sweeper, in any number", async () => {
    const { holdfast } = await connected(8, { ...LOW, sweep_batch: 3 });
    // Google's tokens have been due for hours, GitHub's only now.
    await holdfast.clock.jump(7.5 * HOUR);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes(GOOGLE).length).toBeLessThanOrEqual(4);
    expect(holdfast.refreshes(GITHUB)).toHaveLength(1);
  });

  it("let readers of expired ones through in order, and put off readers that would wait too long", async () => {
    const { holdfast, apps } = await connected(12, LOW);
    await holdfast.clock.jump(2 * HOUR);
    const pending = read(holdfast, apps);
    const state = { answered: false };
    void pending.finally(() => (state.answered = true));
    await until("all have a reply", async () => {
      await holdfast.clock.advance(1);
      return state.answered;
    });
    const replies = await pending;
    const put_off = replies.filter(({ status }) => status === 503);
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(12 - put_off.length);
    expect(put_off.every(({ code, headers }) => code === "provider_unavailable" && headers.has("retry-after"))).toBe(
      true,
    );
    expect(put_off.length).toBeGreaterThan(0);
    const sent = holdfast.refreshes(GOOGLE).map(({ at }) => at);
    expect(sent).toHaveLength(12 - put_off.length);
    expect(sent.length).toBeLessThanOrEqual(5 + (2 * (Math.max(...sent) - Math.min(...sent))) / SECOND);
  });
});

describe("a connection that always fails", () => {
  it("is retried less and less often, at last once an hour, and needs a new consent after four days", async () => {
    const { holdfast, apps } = await connected(1, {}, () => 0.999);
    await holdfast.clock.jump(54 * MINUTE);
    holdfast.simulator.setModes({ host: GOOGLE, modes: ["try-later"] });
    const waits: number[] = [];
    for (let tries = 0; tries < 120; tries += 1) {
      await holdfast.server.sweeper.tick();
      const row = await holdfast.row("googlecalendar", apps[0]);
      if (row.next_attempt_at === null || row.status !== "active") break;
      const wait_ms = row.next_attempt_at - holdfast.clock.now();
      waits.push(wait_ms);
      await holdfast.clock.jump(wait_ms);
    }
    expect(waits.slice(0, 5)).toEqual([1_000, 3_000, 10_000, 15_984, 31_968]);
    expect(Math.max(...waits)).toBe(0.999 * HOUR);
    expect(waits.filter((wait_ms) => wait_ms < 0.9 * HOUR).length).toBeLessThan(15);
    const spent_ms = waits.reduce((sum, wait_ms) => sum + wait_ms, 0);
    expect(spent_ms).toBeGreaterThan(4 * DAY);
    expect(spent_ms).toBeLessThan(4 * DAY + 2 * HOUR);
    expect(await holdfast.row("googlecalendar", apps[0])).toMatchObject({
      status: "expired",
      reason: "failing_too_long",
    });
  });
});

describe("a provider that is down", () => {
  it("gets one reader's request a second and one background request in ten, and serves all readers one second after it is back", async () => {
    const { holdfast, apps } = await connected(6);
    await holdfast.clock.jump(9 * HOUR);
    holdfast.simulator.setModes({ host: GOOGLE, modes: ["outage-503"] });
    for (let second = 0; second < 4; second += 1) {
      expect(new Set(await statuses(read(holdfast, apps)))).toEqual(new Set([503]));
      await holdfast.clock.jump(SECOND);
    }
    expect(holdfast.log.filter(({ event, outcome }) => event === "provider_throttle" && outcome === "opened")).toEqual([
      expect.objectContaining({ integration_type: "googlecalendar" }),
    ]);

    const before_readers = holdfast.refreshes(GOOGLE).length;
    for (let second = 0; second < 10; second += 1) {
      const replies = await read(holdfast, apps);
      expect(new Set(replies.map(({ code }) => code))).toEqual(new Set(["provider_unavailable"]));
      expect(replies.every(({ headers }) => headers.has("retry-after"))).toBe(true);
      await holdfast.clock.jump(SECOND);
    }
    expect(holdfast.refreshes(GOOGLE).length - before_readers).toBe(10);

    const before_sweeps = holdfast.refreshes(GOOGLE).length;
    for (let second = 0; second < 60; second += 1) {
      await holdfast.server.sweeper.tick();
      await holdfast.clock.jump(SECOND);
    }
    const probes = holdfast.refreshes(GOOGLE).slice(before_sweeps);
    expect(probes.length).toBeGreaterThanOrEqual(1);
    expect(probes.every(({ at }, index) => index === 0 || at - (probes[index - 1]?.at ?? 0) >= 10 * SECOND)).toBe(true);
    expect(holdfast.refreshes(GITHUB)).toHaveLength(1);
    expect((await holdfast.token("github")).status).toBe(200);

    holdfast.simulator.setModes({ host: GOOGLE, modes: [] });
    await holdfast.clock.jump(SECOND);
    expect(await statuses(read(holdfast, apps.slice(0, 1)))).toEqual([200]);
    expect(new Set(await statuses(read(holdfast, apps)))).toEqual(new Set([200]));
  });
});
