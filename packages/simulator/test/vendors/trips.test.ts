/**
 * The whole flow at every service: consent, exchange, calls, refreshes, reuse, revocation, refusal.
 */
import { describe, expect, it } from "vitest";
import type { Reply } from "../application.ts";
import type { Service } from "./service.ts";
import {
  heldFrom,
  serviceIds,
  serviceTable,
  appFor,
  type Held,
  type ServiceId,
  type ServiceApp,
} from "./service-app.ts";

/** Reports whether a reply is a success, by its status and by the vendor's flag in its body. */
function isSuccess({ status, json }: Reply): boolean {
  const error = json["error"];
  const has_ok_code = typeof error === "object" && error !== null && "code" in error ? error.code === "ok" : undefined;
  return status < 300 && json["ok"] !== false && json["active"] !== false && (has_ok_code ?? error === undefined);
}

const works = async ({ call, service }: ServiceApp, held: Held): Promise<boolean> =>
  isSuccess(await call(service.resource, held)) &&
  (service.identity === null || isSuccess(await call(service.identity, held)));

const rule = (id: ServiceId): Service["refresh"] => serviceTable[id].refresh;
const refreshing = serviceIds.filter((id) => rule(id) !== "none" && rule(id) !== "custom");
const revocable = serviceIds.filter((id) => serviceTable[id].revoke !== null);
const identified = serviceIds.filter((id) => serviceTable[id].identity !== null);

describe.each(serviceIds)("%s", (id) => {
  it("issues tokens for a consent, and accepts them at its API", async () => {
    const app = await appFor(id);
    const callback = await app.consent();
    expect(callback.get("state")).toBe("state-of-at-least-16");
    const reply = await app.exchange(callback);
    expect(reply.status).toBe(200);
    const held = heldFrom(reply, Object.fromEntries(callback));
    expect(held.access).not.toBe("");
    expect(held.refresh !== "").toBe(refreshing.includes(id) && rule(id) !== "reissue");
    expect(await works(app, held)).toBe(true);
    const unknown = { ...held, access: "no-such-token", refresh: "no-such-token" };
    expect(isSuccess(await app.call(app.service.resource, unknown))).toBe(false);
  });

  it("returns a denied consent with its state, and without a grant", async () => {
    const app = await appFor(id);
    const callback = await app.consent({ decision: "deny" });
    expect(callback.get("error")).toMatch(/^(access_denied|user_cancelled_authorize)$/);
    expect(callback.get("state")).toBe("state-of-at-least-16");
    expect([callback.has("code"), callback.has("instanceId")]).toEqual([false, false]);
  });

  it("rejects a grant that the user revoked at the vendor", async () => {
    const app = await appFor(id);
    const held = await app.connect({ account: "bob" });
    expect(app.simulator.revokeGrants({ account: "bob" })).toBeGreaterThan(0);
    expect(await works(app, held)).toBe(false);
    expect(isSuccess(await app.refresh(held))).toBe(false);
  });

  it("refuses a wrong secret, a used code, an unknown refresh token", async () => {
    const app = await appFor(id);
    const callback = await app.consent();
    expect(isSuccess(await app.exchange(callback, { client_secret: "wrong" }))).toBe(false);
    expect(app.simulator.ledger().requests.at(-1)?.outcome).toBe("bad_secret");
    expect(isSuccess(await app.exchange(callback))).toBe(true);
    // An installation's id is not a code: it is valid for any number of tokens.
    expect(isSuccess(await app.exchange(callback))).toBe(rule(id) === "reissue");
    const unknown = { access: "", refresh: "no-such-token", values: { instanceId: "no-such-installation" } };
    expect(isSuccess(await app.refresh(unknown))).toBe(false);
  });
});

describe.each(identified)("%s", (id) => {
  it("identifies the user, and distinguishes two users", async () => {
    const app = await appFor(id);
    const [ada, bob] = [await app.connect(), await app.connect({ account: "bob@globex" })];
    const spec = app.service.identity ?? app.service.resource;
    const first = await app.call(spec, ada);
    expect(first.text.toLowerCase()).toMatch(/ada|acme|holdfast/);
    expect((await app.call(spec, bob)).text).not.toBe(first.text);
  });
});

describe.each(refreshing)("%s", (id) => {
  it("refreshes three times, and follows its own rule of rotation and reuse", async () => {
    const app = await appFor(id);
    const first = await app.connect();
    let held: Held = first;
    for (let round = 1; round <= 3; round += 1) {
      const reply = await app.refresh(held);
      expect(isSuccess(reply)).toBe(true);
      const next = heldFrom(reply, {}, held);
      expect(next.access).not.toBe(held.access);
      expect(next.refresh === held.refresh).toBe(rule(id) === "stays" || rule(id) === "reissue");
      expect(await works(app, next)).toBe(true);
      held = next;
    }
    const reused = isSuccess(await app.refresh(first));
    expect(reused).toBe(rule(id) === "stays" || rule(id) === "reissue" || rule(id) === "grace");
    // Whether the grant survived the reuse.
    expect(isSuccess(await app.refresh(held))).toBe(rule(id) !== "family");
    expect(app.simulator.ledger().families_revoked).toHaveLength(rule(id) === "family" ? 1 : 0);
  });
});

describe.each(revocable)("%s", (id) => {
  it("ends the revoked tokens, and does not affect other users", async () => {
    const app = await appFor(id);
    const { revoke, resource, revokes } = app.service;
    const [held, other] = [await app.connect(), await app.connect({ account: "bob" })];
    expect(isSuccess(await app.call(revoke ?? resource, held))).toBe(true);
    expect(await works(app, held)).toBe(revokes === "refresh");
    expect(isSuccess(await app.refresh(held))).toBe(revokes === "access");
    expect(await works(app, other)).toBe(true);
  });
});
