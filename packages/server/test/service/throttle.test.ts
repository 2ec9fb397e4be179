import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS, type Limits } from "../../src/core/limits.ts";
import { newOAuthClientId } from "../../src/core/ids.ts";
import type { TokenOutcome } from "../../src/oauth/outcome.ts";
import {
  createThrottle,
  type Entry,
  type Permit,
  type Target,
  type Throttle,
} from "../../src/service/refresh/throttle.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { manualClock, MINUTE, SECOND, type ManualClock } from "../support/clock.ts";

const REFUSED: TokenOutcome = { kind: "refused", error: "invalid_grant" };
const DOWN: TokenOutcome = { kind: "unknown", error: "http_503" };
const UNREACHABLE: TokenOutcome = { kind: "retry_later", sent: false, retry_after_ms: null, error: "connect_failed" };
const OTHER_4XX: TokenOutcome = { kind: "retry_later", sent: true, retry_after_ms: null, error: "http_404" };
/** The process was paused between claim and send. The provider was not involved. */
const GAVE_UP: TokenOutcome = { kind: "retry_later", sent: false, retry_after_ms: null, error: "gave_up" };
const WAIT_7_S: TokenOutcome = { kind: "retry_later", sent: true, retry_after_ms: 7_000, error: "http_429" };

const target = (integration_type = "slack"): Target => ({ integration_type, oauth_client_id: newOAuthClientId() });

function open(change: Partial<Limits> = {}) {
  const clock = manualClock();
  const limits = { ...LIMITS, ...change };
  return { clock, limits, throttle: createThrottle({ clock, limits, log: silentLog }) };
}

function permitOf(entry: Entry): Permit {
  if (entry.kind !== "go") throw new Error(`Put off for ${entry.retry_after_ms} ms.`);
  return entry.permit;
}

/**
 * Sends a background request that ends at once, if it can be sent now. Reports whether it was sent.
 */
async function send(throttle: Throttle, to: Target, outcome = REFUSED, caller: "reader" | "background" = "background") {
  const entry = await throttle.enter(to, caller, false);
  if (entry.kind === "go") entry.permit.ended(outcome);
  return entry.kind === "go";
}

/** Returns by how many requests the worst window exceeds the rate. `times`: ascending. */
function excess(times: readonly number[], { provider_burst, provider_requests_per_s }: Limits): number {
  // A window begins at a request. One pass is enough, because an earlier window's allowance only
  // grows.
  let worst = -Infinity;
  let least = Infinity;
  for (const [index, at] of times.entries()) {
    const score = index - (at * provider_requests_per_s) / SECOND;
    least = Math.min(least, score);
    worst = Math.max(worst, score - least + 1 - provider_burst);
  }
  return worst;
}

describe("the rate", () => {
  it("is never exceeded in any window, with any mix and order of callers, and is used up", async () => {
    const step = fc.record({
      wait_ms: fc.integer({ min: 0, max: 1_500 }),
      callers: fc.array(fc.constantFrom("reader", "background", "given back"), { maxLength: 12 }),
    });
    const rate = fc.record({
      provider_requests_per_s: fc.integer({ min: 1, max: 20 }),
      provider_burst: fc.integer({ min: 1, max: 10 }),
    });
    await fc.assert(
      fc.asyncProperty(rate, fc.array(step, { maxLength: 30 }), async (change, steps) => {
        const { clock, limits, throttle } = open({ ...change, provider_concurrency: 1_000 });
        const to = target();
        const sent: number[] = [];
        for (const { wait_ms, callers } of steps) {
          await clock.jump(wait_ms);
          for (const caller of callers) {
            const entry = await throttle.enter(to, caller === "background" ? caller : "reader", false);
            if (entry.kind === "put_off") continue;
            if (caller === "given back") entry.permit.unused();
            else sent.push(clock.monotonic_ms());
          }
        }
        expect(excess(sent, limits)).toBeLessThan(1e-6);
        await clock.jump((limits.provider_burst / limits.provider_requests_per_s) * SECOND + 1);
        for (let count = 0; count < limits.provider_burst; count += 1)
          permitOf(await throttle.enter(to, "reader", false));
        expect((await throttle.enter(to, "reader", false)).kind).toBe("put_off");
      }),
      { numRuns: 60 },
    );
  });

  it("leaves a share to readers, which go before background work", async () => {
    const { clock, throttle } = open({ provider_requests_per_s: 1, provider_burst: 8, provider_concurrency: 100 });
    const to = target();
    let sent = 0;
    while (await send(throttle, to)) sent += 1;
    expect(sent).toBe(6);
    for (let count = 0; count < 2; count += 1) permitOf(await throttle.enter(to, "reader", false)).ended(REFUSED);

    const order: string[] = [];
    const waiting = throttle.enter(to, "reader", true).then(() => order.push("reader"));
    expect(throttle.busy()).toContain(to.oauth_client_id);
    for (let time_ms = 0; time_ms < 5 * SECOND; time_ms += 100) {
      await clock.advance(100);
      if (await send(throttle, to)) order.push("background");
    }
    await waiting;
    expect(order).toEqual(["reader", "background", "background"]);
  });

  it("serves the reader in line, not a caller that arrives at the instant when one more is allowed", async () => {
    const { clock, throttle } = open({ provider_requests_per_s: 1, provider_burst: 1 });
    const to = target();
    await throttle.enter(to, "reader", true);
    const late: Promise<Entry>[] = [];
    clock.after(SECOND, () => late.push(throttle.enter(to, "background", false), throttle.enter(to, "reader", false)));
    const waiting = throttle.enter(to, "reader", true);
    await clock.advance(SECOND);
    expect((await waiting).kind).toBe("go");
    expect((await Promise.all(late)).map(({ kind }) => kind)).toEqual(["put_off", "put_off"]);
  });

  it("reports a client as busy as long as a reader waits in line", async () => {
    const { clock, throttle } = open({ provider_requests_per_s: 1, provider_burst: 1 });
    const to = target();
    permitOf(await throttle.enter(to, "reader", true)).ended(REFUSED);
    const reports: boolean[] = [];
    clock.after(SECOND, () => reports.push(throttle.busy().has(to.oauth_client_id)));
    const waiting = throttle.enter(to, "reader", true);
    await clock.advance(SECOND);
    permitOf(await waiting).ended(REFUSED);
    await clock.advance(SECOND);
    expect([...reports, throttle.busy().has(to.oauth_client_id)]).toEqual([true, false]);
  });

  it("caps requests in flight, and lets the next reader go when one ends", async () => {
    const { throttle } = open({ provider_concurrency: 2 });
    const to = target();
    const first = permitOf(await throttle.enter(to, "reader", true));
    await throttle.enter(to, "reader", true);
    const third = throttle.enter(to, "reader", true);
    expect((await throttle.enter(to, "background", false)).kind).toBe("put_off");
    first.ended(REFUSED);
    expect((await third).kind).toBe("go");
  });

  it("puts off readers that would wait longer than the line lasts, and returns when to retry", async () => {
    const { clock, throttle } = open({ provider_requests_per_s: 2, provider_burst: 1, provider_line_ms: 2_000 });
    const to = target();
    const entries = Array.from({ length: 7 }, () => throttle.enter(to, "reader", true));
    expect([await entries[5], await entries[6]]).toEqual([
      { kind: "put_off", cause: "provider", retry_after_ms: 2_000 },
      { kind: "put_off", cause: "provider", retry_after_ms: 2_000 },
    ]);
    await clock.advance(2 * SECOND);
    const kinds = await Promise.all(entries.slice(0, 5).map(async (entry) => (await entry).kind));
    expect(kinds).toEqual(["go", "go", "go", "go", "go"]);
  });

  it("does not let a reader wait forever behind requests that hang", async () => {
    const { clock, throttle } = open({ provider_concurrency: 1 });
    const to = target();
    await throttle.enter(to, "reader", true);
    const second = throttle.enter(to, "reader", true);
    await clock.advance(LIMITS.provider_line_ms);
    expect((await second).kind).toBe("put_off");
  });
});

describe("Retry-After", () => {
  it("stops all requests of the same service and OAuth client until then, and no others", async () => {
    const { clock, throttle } = open();
    const to = target();
    const others = [{ ...to, integration_type: "github" }, target()];
    expect(await send(throttle, to, WAIT_7_S)).toBe(true);
    for (const wait_ms of [0, 6_999]) {
      await clock.jump(wait_ms);
      expect(await throttle.enter(to, "reader", true)).toEqual({
        kind: "put_off",
        cause: "provider",
        retry_after_ms: 7_000 - wait_ms,
      });
      expect(await send(throttle, to)).toBe(false);
      for (const other of others) expect(await send(throttle, other)).toBe(true);
    }
    await clock.jump(1);
    expect(await send(throttle, to)).toBe(true);
  });

  it("puts off the readers in line", async () => {
    const { throttle } = open({ provider_concurrency: 1 });
    const to = target();
    const first = permitOf(await throttle.enter(to, "reader", true));
    const second = throttle.enter(to, "reader", true);
    first.ended(WAIT_7_S);
    expect(await second).toEqual({ kind: "put_off", cause: "provider", retry_after_ms: 7_000 });
  });
});

describe("the circuit breaker", () => {
  async function requests(throttle: Throttle, to: Target, clock: ManualClock, outcomes: readonly TokenOutcome[]) {
    for (const outcome of outcomes) {
      await clock.jump(SECOND);
      expect(await send(throttle, to, outcome)).toBe(true);
    }
  }
  const times = (count: number, outcome: TokenOutcome) => Array.from({ length: count }, () => outcome);

  it.for([
    ["20 of 20 without a connection", times(20, UNREACHABLE), true],
    ["10 of 20 with a 5xx", [...times(10, REFUSED), ...times(10, DOWN)], true],
    ["19 of 19", times(19, DOWN), false],
    ["9 of 20", [...times(11, REFUSED), ...times(9, DOWN)], false],
    ["refusals only", times(25, REFUSED), false],
    ["other responses below 500 only", times(25, OTHER_4XX), false],
    ["responses whose error is named like a failed connection", times(25, { ...UNREACHABLE, sent: true }), false],
    ["requests that this server gave up", times(25, GAVE_UP), false],
  ] as const)("after %s", async ([, outcomes, opens]) => {
    const { clock, throttle } = open();
    const to = target();
    await requests(throttle, to, clock, outcomes);
    expect(await send(throttle, to)).toBe(!opens);
    expect(await send(throttle, target())).toBe(true);
  });

  it("does not count failures older than thirty seconds", async () => {
    const { clock, throttle } = open();
    const to = target();
    await requests(throttle, to, clock, times(19, DOWN));
    await clock.jump(30 * SECOND);
    await requests(throttle, to, clock, times(1, DOWN));
    expect(await send(throttle, to)).toBe(true);
  });

  it("lets one background request in ten seconds and one reader a second through, until one succeeds", async () => {
    const { clock, throttle } = open();
    const to = target();
    await requests(throttle, to, clock, times(20, DOWN));
    const sent = { reader: 0, background: 0 };
    for (let time_ms = 0; time_ms < MINUTE; time_ms += 250) {
      await clock.jump(250);
      for (const caller of ["reader", "background"] as const) {
        if (await send(throttle, to, time_ms % 500 === 0 ? DOWN : OTHER_4XX, caller)) sent[caller] += 1;
      }
    }
    expect(sent).toEqual({ reader: 60, background: 6 });

    await clock.jump(SECOND);
    expect(await send(throttle, to, REFUSED, "reader")).toBe(true);
    for (let count = 0; count < 5; count += 1) expect(await send(throttle, to)).toBe(true);
  });

  it("gives the probe back when nothing was sent", async () => {
    const { clock, throttle } = open();
    const to = target();
    await requests(throttle, to, clock, times(20, DOWN));
    await clock.jump(10 * SECOND);
    permitOf(await throttle.enter(to, "background", false)).unused();
    expect(await send(throttle, to, DOWN)).toBe(true);
    expect(await send(throttle, to, DOWN)).toBe(false);
  });
});

describe("memory", () => {
  it("is bounded, and idle lanes are dropped first", async () => {
    const { clock, throttle } = open({ provider_buckets: 10 });
    const paused = target();
    await send(throttle, paused, { ...WAIT_7_S, retry_after_ms: 10 * MINUTE });
    for (let count = 0; count < 100; count += 1) {
      await clock.jump(SECOND);
      permitOf(await throttle.enter(target(), "reader", false)).unused();
    }
    expect(await send(throttle, paused)).toBe(false);
  });
});

describe("ten thousand tokens that expire in the same minute", () => {
  it("are all renewed within the rate. Readers of expired ones wait at most two seconds, others never", async () => {
    const { clock, limits, throttle } = open();
    const to = target();
    const sent: number[] = [];
    const due = new Set(Array.from({ length: 10_000 }, (_, index) => index));
    const waits: number[] = [];
    const waits_of_others: number[] = [];
    const readers: Promise<void>[] = [];
    const end_ms = 10 * MINUTE;

    async function renew(entering: Promise<Entry>, one: number): Promise<boolean> {
      const entry = await entering;
      if (entry.kind === "put_off") return false;
      sent.push(clock.monotonic_ms());
      due.delete(one);
      entry.permit.ended(REFUSED);
      return true;
    }
    async function read(one: number): Promise<void> {
      const started = clock.monotonic_ms();
      const expired = started >= end_ms && due.has(one);
      const renewed = await renew(throttle.enter(to, "reader", expired), one);
      // A reader of a valid token can be put off: it gets the old token.
      expect(renewed || !expired).toBe(true);
      (expired ? waits : waits_of_others).push(clock.monotonic_ms() - started);
    }

    for (let second = 0; due.size > 0 && second < 3_600; second += 1) {
      const [first = 0] = due;
      for (let count = 0; count < 3; count += 1) readers.push(read((first + count * 101) % 10_000));
      // Lets requests that were sent at once end before time passes.
      await clock.jump(0);
      for (const one of second % 3 === 0 ? [...due] : []) {
        if (throttle.busy().has(to.oauth_client_id)) break;
        await renew(throttle.enter(to, "background", false), one);
      }
      await clock.advance(SECOND);
    }
    await Promise.all(readers);
    expect(due.size).toBe(0);
    expect(excess(sent, limits)).toBeLessThan(1e-6);
    // Nearly the whole rate is used.
    expect(clock.monotonic_ms()).toBeLessThan((10_000 / limits.provider_requests_per_s) * SECOND * 1.3);
    expect([Math.min(waits.length, 100), Math.max(...waits) <= 2 * SECOND]).toEqual([100, true]);
    expect(new Set(waits_of_others)).toEqual(new Set([0]));
  });
});
