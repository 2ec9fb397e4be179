/** The access token of a connection: taken by the API, and served whatever its answer said of its life. */
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../../src/core/secret.ts";
import { outcomeOfAnswer } from "../../../src/oauth/outcome.ts";
import { MINUTE, SECOND } from "../../support/clock.ts";
import { note } from "../capability-table.ts";
import { declaredModes, expectHarmlessConfig, renewsItself, type Subject } from "../subject.ts";

/** A token whose life is unclear counts as living a minute at least, and is renewed when three quarters of that are over. */
const LEAST_GAP_MS = 45 * SECOND;
const READ_EVERY_MS = 15 * SECOND;

async function expectNoStorm(subject: Subject, modes: readonly string[]): Promise<void> {
  const { clock } = subject.holdfast;
  const link = await subject.connect("odd", modes);
  for (let read = 0; read < 12; read += 1) {
    expect((await link.ask()).status).toBe(200);
    await clock.jump(READ_EVERY_MS);
  }
  const times = link.requests("refresh").map(({ at }) => at);
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(gaps.filter((gap_ms) => gap_ms < LEAST_GAP_MS)).toEqual([]);
}

export function describeToken(get: () => Subject): void {
  describe("the access token", () => {
    it("is taken by the vendor's API, and its config gives nothing away", async () => {
      const subject = get();
      const { provider, simulator, first } = subject;
      expect(await first.health()).toBe("alive");
      const { access_tokens } = simulator.ledger();
      expect(access_tokens[sha256Hex(await first.accessToken())]).toMatchObject({ status: "current" });
      await expectHarmlessConfig(subject, first);
      note(provider.id, "health", "yes");
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
     * A token announced with no life left is used for a minute. Where a new one cannot be had at that age it is then over, and
     * a dead-looking token is never served: without a refresh token a person must reconnect, else the vendor is asked again.
     */
    it("is used for a minute when its answer gives it no life", async () => {
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
      expect((await link.ask()).status).toBe(200);
      expect(link.requests("refresh")).toEqual([]);
      await holdfast.clock.jump(MINUTE);
      expect((await link.ask()).code).toBe(refresh.kind === "none" ? "connection_expired" : "provider_unavailable");
    });

    it("is refused for good by each error name of the definition, and by no other", async () => {
      const subject = get();
      const { provider } = subject;
      const kindOf = (error: string): string | undefined =>
        outcomeOfAnswer(provider, { status: 400, body: { error } }, null)?.kind;
      const { refused, misconfigured, transient } = provider.errors;
      for (const name of refused) expect([name, kindOf(name)]).toEqual([name, "refused"]);
      for (const name of misconfigured) expect([name, kindOf(name)]).toEqual([name, "misconfigured"]);
      for (const name of transient) expect([name, kindOf(name)]).toEqual([name, "retry_later"]);
    });
  });
}
