/** Refresh: once per expiry, with rotation and reuse as declared, or not at all. */
import { describe, expect, it } from "vitest";
import { rotationClass, type RotationClass } from "../../../src/providers/provider.ts";
import { DAY, SECOND } from "../../support/clock.ts";
import { recordCapability } from "../capability-table.ts";
import {
  declaredModes,
  readAfterExpiry,
  reportRejected,
  renewsItself,
  replacesRefreshToken,
  type Link,
  type Subject,
} from "../subject.ts";

/**
 * The outcomes for a refresh token that is sent, sent again at once, and sent again after any grace
 * period.
 */
const SENT_THRICE = {
  none: ["ok", "ok", "ok"],
  grace: ["ok", "ok", "refused"],
  strict: ["ok", "refused", "refused"],
} as const satisfies Record<RotationClass, readonly string[]>;

async function expectOneRefresh(subject: Subject, link: Link, renew: typeof readAfterExpiry): Promise<void> {
  const before = await link.row();
  const since = subject.latest();
  const old = await link.accessToken();
  const reply = await renew(subject, link);
  expect([reply.status, reply.code]).toEqual([200, null]);
  expect(link.requests("refresh", since)).toMatchObject([{ outcome: "ok" }]);
  expect(reply.json["access_token"]).not.toBe(old);
  expect(await link.health()).toBe("alive");
  expect((await link.row()).generation).toBe(before.generation + 1);
}

export function describeRefresh(get: () => Subject): void {
  describe("refresh", () => {
    it("happens exactly once each time the token expires", async () => {
      const subject = get();
      const { provider, profile, simulator } = subject;
      const modes = declaredModes(provider);
      const link = await subject.connect("refresh", modes);
      const renewals = renewsItself(provider)
        ? [readAfterExpiry, readAfterExpiry, readAfterExpiry]
        : [readAfterExpiry, readAfterExpiry, reportRejected];
      const fingerprints = [(await link.row()).rt_fp];
      for (const renew of renewals) {
        await expectOneRefresh(subject, link, renew);
        fingerprints.push((await link.row()).rt_fp);
      }
      expect(new Set(fingerprints).size).toBe(replacesRefreshToken(subject, modes) ? 4 : 1);
      expect(simulator.ledger().max_concurrent_refreshes).toBeLessThanOrEqual(1);
      recordCapability(provider.id, "refresh", "yes");
      // Rotation that only the mode enables proves nothing about the vendor. See the defaults
      // below.
      const { supported } = profile.capabilities.rotate;
      if (supported || modes.length === 0) recordCapability(provider.id, "rotate", supported ? "yes" : "none (vendor)");
    });

    it("can be repeated with a used refresh token if and only if the definition allows it", async () => {
      const subject = get();
      const { provider, holdfast, oauth, client_id } = subject;
      const { refresh } = provider.lifetime;
      const link = await subject.connect("reuse", declaredModes(provider));
      const { refresh_at, config, scopes_requested, oauth_client_id } = await link.row();
      if (refresh_at !== null) await holdfast.clock.jump(refresh_at - holdfast.clock.now());
      const client = await holdfast.installation.clients.open(oauth_client_id);
      if (client === null) throw new Error(`The client ${client_id} was not found.`);
      const refresh_token = await link.refreshToken();
      const send = () =>
        oauth.refresh({
          provider,
          config: config ?? {},
          client,
          refresh_token,
          scopes: scopes_requested,
          deadline_ms: 10 * SECOND,
        });

      const outcomes = [await send(), await send()];
      const grace_s = refresh.kind === "rotates" && refresh.reuse === "grace" ? refresh.grace_s : 0;
      await holdfast.clock.jump(grace_s * SECOND);
      outcomes.push(await send());
      expect(outcomes.map(({ kind }) => kind)).toEqual(SENT_THRICE[rotationClass(provider)]);
    });
  });
}

async function expectRenewable(subject: Subject, link: Link): Promise<void> {
  const { supported } = subject.profile.capabilities.rotate;
  const { rt_fp } = await link.row();
  for (const renew of [readAfterExpiry, reportRejected]) await expectOneRefresh(subject, link, renew);
  if (supported) return;
  expect((await link.row()).rt_fp).toBe(rt_fp);
  recordCapability(subject.provider.id, "rotate", "none (vendor)");
}

async function expectEndless({ holdfast, latest }: Subject, link: Link): Promise<void> {
  const token = await link.accessToken();
  const since = latest();
  await holdfast.clock.jump(400 * DAY);
  expect(await link.accessToken()).toBe(token);
  expect(link.requests("refresh", since)).toEqual([]);
}

export function describeDefaults(get: () => Subject): void {
  describe("refresh", () => {
    /**
     * At many vendors rotation is a setting of the OAuth client, and at some it is off by default.
     */
    it("also works with the vendor's defaults", async () => {
      const subject = get();
      const link = await subject.connect("defaults");
      const { sealed_refresh } = await link.row();
      await (sealed_refresh === null ? expectEndless(subject, link) : expectRenewable(subject, link));
      expect(await link.health()).toBe("alive");
    });
  });
}

export function describeNoRefresh(get: () => Subject): void {
  describe("refresh", () => {
    it("is not needed: the token is served until its API rejects it", async () => {
      const subject = get();
      const { provider, simulator, client_id, holdfast } = subject;
      const link = await subject.connect("endless");
      const token = await link.accessToken();
      const row = await link.row();
      expect([row.sealed_refresh, row.rt_fp, row.expires_at]).toEqual([null, null, null]);
      await holdfast.clock.jump(400 * DAY);
      expect(await link.accessToken()).toBe(token);
      // A false report: the API still accepts the token.
      expect((await reportRejected(subject, link)).json["access_token"]).toBe(token);
      expect(simulator.revokeGrants({ client_id, account: link.account })).toBe(1);
      expect(await reportRejected(subject, link)).toMatchObject({
        code: "connection_expired",
        extra: { reason: "rejected_by_api" },
      });
      expect(subject.requests("refresh")).toEqual([]);
      recordCapability(provider.id, "refresh", "none (vendor)");
      recordCapability(provider.id, "rotate", "none (vendor)");
    });
  });
}
