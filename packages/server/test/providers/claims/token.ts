/**
 * The access token of a connection: the API accepts it, and it is served regardless of the lifetime
 * the response states.
 */
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../../src/core/secret.ts";
import { outcomeOfResponse } from "../../../src/oauth/outcome.ts";
import { MINUTE, SECOND } from "../../support/clock.ts";
import { recordCapability } from "../capability-table.ts";
import { declaredModes, expectHarmlessConfig, renewsItself, type Subject } from "../subject.ts";

/**
 * A token of unclear lifetime counts as valid for at least a minute. It is renewed after three
 * quarters of that.
 */
const LEAST_GAP_MS = 45 * SECOND;
const READ_EVERY_MS = 15 * SECOND;

async function expectNoStorm(subject: Subject, modes: readonly string[]): Promise<void> {
  const { clock } = subject.holdfast;
  const link = await subject.connect("odd", modes);
  for (let read = 0; read < 12; read += 1) {
    expect((await link.getConnection()).status).toBe(200);
    await clock.jump(READ_EVERY_MS);
  }
  const times = link.requests("refresh").map(({ at }) => at);
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(gaps.filter((gap_ms) => gap_ms < LEAST_GAP_MS)).toEqual([]);
}

export function describeToken(get: () => Subject): void {
  describe("the access token", () => {
    it("is accepted by the vendor's API, and its config reveals no secret", async () => {
      const subject = get();
      const { provider, simulator, first } = subject;
      expect(await first.health()).toBe("alive");
      const { access_tokens } = simulator.ledger();
      expect(access_tokens[sha256Hex(await first.accessToken())]).toMatchObject({ status: "current" });
      await expectHarmlessConfig(subject, first);
      recordCapability(provider.id, "health", "yes");
    });

    it.each(["expires-as-string", "expires-junk", "no-expires-in"])(
      "is served without a storm of refreshes: %s",
      async (mode) => {
        const subject = get();
        await expectNoStorm(subject, [...declaredModes(subject.provider), mode]);
        expect(subject.simulator.ledger().max_concurrent_refreshes).toBeLessThanOrEqual(1);
      },
    );

    /**
     * A token announced with no lifetime is used for a minute. If it cannot be replaced at that
     * age, it counts as expired, and an expired token is never served. Without a refresh token the
     * user must reconnect. Otherwise the refresh is retried.
     */
    it("is used for a minute if the response gives it no lifetime", async () => {
      const subject = get();
      const { provider, holdfast } = subject;
      const { refresh } = provider.lifetime;
      const modes = [...declaredModes(provider), "expires-0"];
      if (refresh.kind !== "none" && !renewsItself(provider)) {
        await expectNoStorm(subject, modes);
        return;
      }
      const link = await subject.connect("lifeless", modes);
      const { expires_at, refresh_at } = await link.row();
      await holdfast.clock.jump(
        Math.min(refresh_at ?? Infinity, expires_at ?? Infinity) - holdfast.clock.now() - SECOND,
      );
      expect((await link.getConnection()).status).toBe(200);
      expect(link.requests("refresh")).toEqual([]);
      await holdfast.clock.jump(MINUTE);
      expect((await link.getConnection()).code).toBe(
        refresh.kind === "none" ? "connection_expired" : "provider_unavailable",
      );
    });

    it("is permanently refused by each refusal name of the definition, and by no other", async () => {
      const subject = get();
      const { provider } = subject;
      const kindOf = (error: string): string | undefined =>
        outcomeOfResponse(provider, { status: 400, body: { error } }, null)?.kind;
      const { refused, misconfigured, transient } = provider.errors;
      for (const name of refused) expect([name, kindOf(name)]).toEqual([name, "refused"]);
      for (const name of misconfigured) expect([name, kindOf(name)]).toEqual([name, "misconfigured"]);
      for (const name of transient) expect([name, kindOf(name)]).toEqual([name, "retry_later"]);
    });
  });
}
