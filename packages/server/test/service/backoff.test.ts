import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/core/limits.ts";
import { backoff_ms } from "../../src/core/backoff.ts";
import type { RotationClass } from "../../src/providers/provider.ts";
import { nextAttempt_ms, type FailedAttempt } from "../../src/service/refresh/schedule.ts";
import { HOUR, SECOND } from "../support/clock.ts";

const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("the wait after a failure", () => {
  it("is always a random share of 2 s * 2^n, from one second up to one hour", () => {
    fc.assert(
      fc.property(fc.nat(10_000), share, (failures, random) => {
        const ceiling = Math.min(HOUR, 2 * SECOND * 2 ** Math.min(failures, 40));
        const wait_ms = backoff_ms(failures, LIMITS, random);
        expect(wait_ms).toBeGreaterThanOrEqual(SECOND);
        expect(wait_ms).toBeLessThanOrEqual(ceiling);
        expect(Math.abs(wait_ms - Math.max(SECOND, ceiling * random))).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("spreads connections that failed together over the whole range", () => {
    const waits = Array.from({ length: 100 }, (_, index) => backoff_ms(20, LIMITS, index / 100));
    expect(new Set(waits).size).toBe(100);
    expect([Math.min(...waits), Math.max(...waits)]).toEqual([SECOND, 0.99 * HOUR]);
  });

  it("is 1, 3 and 10 s at first if the outcome is unknown, then grows like any other", () => {
    expect(waitsAfterUnknown("grace")).toEqual([1_000, 3_000, 10_000, 8_000, HOUR / 2]);
    expect(waitsAfterUnknown("none")).toEqual(waitsAfterUnknown("grace"));
  });

  it("is at most a twentieth of the rest of a grace period, and then 10 s, for a token that may be used", () => {
    const waits = (grace_left_ms: number) => waitsAfterUnknown("grace", { fail_class: "not_sent", grace_left_ms });
    expect(waits(HOUR)).toEqual([1_000, 2_000, 4_000, 8_000, HOUR / 20]);
    expect(waits(1)).toEqual([1_000, 2_000, 4_000, 8_000, 10_000]);
    expect(waits(0)).toEqual([1_000, 2_000, 4_000, 8_000, HOUR / 2]);
  });

  it("gives the first request with a single-use token time to end before the second", () => {
    expect(waitsAfterUnknown("strict").slice(0, 2)).toEqual([10_000, 2_000]);
  });
});

function waitsAfterUnknown(rotation: RotationClass, change: Partial<FailedAttempt> = {}): readonly number[] {
  const failed = { fail_class: "unknown", rotation, retry_after_ms: null, grace_left_ms: 0, ...change } as const;
  return [0, 1, 2, 3, 30].map((failures) => nextAttempt_ms({ ...failed, failures }, LIMITS, 0.5));
}
