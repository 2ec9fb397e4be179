/** Refresh: once each time, rotation as declared, reuse as declared; or none at all. */
import { describe, expect, it } from "vitest";
import { rotationClass, type RotationClass } from "../../../src/providers/provider.ts";
import { parseConfig, parseList } from "../../../src/service/grants/grant.ts";
import { DAY, SECOND } from "../../support/clock.ts";
import { note } from "../capability-table.ts";
import {
  declaredModes,
  outlive,
  refuse,
  renewsItself,
  replacesRefreshToken,
  type Link,
  type Subject,
} from "../subject.ts";

/** What becomes of one refresh token that is sent, sent again at once, and again when any grace is over. */
const SENT_THRICE = {
  none: ["ok", "ok", "ok"],
  grace: ["ok", "ok", "refused"],
  strict: ["ok", "refused", "refused"],
} as const satisfies Record<RotationClass, readonly string[]>;

async function expectOneRefresh(subject: Subject, link: Link, renew: typeof outlive): Promise<void> {
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
    it("happens once each time the token is over", async () => {
      const subject = get();
      const { provider, profile, simulator } = subject;
      const modes = declaredModes(provider);
      const link = await subject.connect("refresh", modes);
      const renewals = renewsItself(provider) ? [outlive, outlive, outlive] : [outlive, outlive, refuse];
      const fingerprints = [(await link.row()).rt_fp];
      for (const renew of renewals) {
        await expectOneRefresh(subject, link, renew);
        fingerprints.push((await link.row()).rt_fp);
      }
      expect(new Set(fingerprints).size).toBe(replacesRefreshToken(subject, modes) ? 4 : 1);
      expect(simulator.ledger().max_concurrent_refreshes).toBeLessThanOrEqual(1);
      note(provider.id, "refresh", "yes");
      // Rotation that only the mode brings about says nothing of the vendor: see the defaults below.
      const { supported } = profile.capabilities.rotate;
      if (supported || modes.length === 0) note(provider.id, "rotate", supported ? "yes" : "none (vendor)");
    });

    it("may be repeated with a used refresh token exactly where the definition says so", async () => {
      const subject = get();
      const { provider, holdfast, oauth, client_id } = subject;
      const { refresh } = provider.lifetime;
      const link = await subject.connect("reuse", declaredModes(provider));
      const { refresh_at, config, scopes_requested, oauth_client_id } = await link.row();
      if (refresh_at !== null) await holdfast.clock.jump(refresh_at - holdfast.clock.now());
      const client = await holdfast.installation.clients.open(oauth_client_id);
      if (client === null) throw new Error(`The client ${client_id} is gone.`);
      const refresh_token = await link.refreshToken();
      const send = () =>
        oauth.refresh({
          provider,
          config: parseConfig(config),
          client,
          refresh_token,
          scopes: parseList(scopes_requested),
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
  for (const renew of [outlive, refuse]) await expectOneRefresh(subject, link, renew);
  if (supported) return;
  expect((await link.row()).rt_fp).toBe(rt_fp);
  note(subject.provider.id, "rotate", "none (vendor)");
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
    /** Rotation is a setting of the OAuth client at many vendors, and off at some unless asked for. */
    it("works with the vendor's defaults, too", async () => {
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
    it("is not needed: the token is served until its API refuses it", async () => {
      const subject = get();
      const { provider, simulator, client_id, holdfast } = subject;
      const link = await subject.connect("endless");
      const token = await link.accessToken();
      const row = await link.row();
      expect([row.sealed_refresh, row.rt_fp, row.expires_at]).toEqual([null, null, null]);
      await holdfast.clock.jump(400 * DAY);
      expect(await link.accessToken()).toBe(token);
      // A wrong report: the API takes the token after all.
      expect((await refuse(subject, link)).json["access_token"]).toBe(token);
      expect(simulator.revokeGrants({ client_id, account: link.account })).toBe(1);
      expect(await refuse(subject, link)).toMatchObject({
        code: "connection_expired",
        extra: { reason: "rejected_by_api" },
      });
      expect(subject.requests("refresh")).toEqual([]);
      note(provider.id, "refresh", "none (vendor)");
      note(provider.id, "rotate", "none (vendor)");
    });
  });
}
