/** The whole trip at every service there is: consent, exchange, calls, refreshes, reuse, revocation, refusal. */
import { describe, expect, it } from "vitest";
import type { Reply } from "../application.ts";
import type { Service } from "./service.ts";
import { holding, serviceIds, table, visit, type Held, type ServiceId, type Visit } from "./visit.ts";

/** A yes by status and by whatever flag the vendor has in its body. */
function isYes({ status, json }: Reply): boolean {
  const error = json["error"];
  const named = typeof error === "object" && error !== null && "code" in error ? error.code === "ok" : undefined;
  return status < 300 && json["ok"] !== false && json["active"] !== false && (named ?? error === undefined);
}

const works = async ({ call, service }: Visit, held: Held): Promise<boolean> =>
  isYes(await call(service.resource, held)) && (service.identity === null || isYes(await call(service.identity, held)));

const rule = (id: ServiceId): Service["refresh"] => table[id].refresh;
const refreshing = serviceIds.filter((id) => rule(id) !== "none" && rule(id) !== "own");
const revocable = serviceIds.filter((id) => table[id].revoke !== null);
const identified = serviceIds.filter((id) => table[id].identity !== null);

describe.each(serviceIds)("%s", (id) => {
  it("gives tokens for a consent, and honours them at its API", async () => {
    const app = await visit(id);
    const callback = await app.consent();
    expect(callback.get("state")).toBe("state-of-at-least-16");
    const reply = await app.exchange(callback);
    expect(reply.status).toBe(200);
    const held = holding(reply, Object.fromEntries(callback));
    expect(held.access).not.toBe("");
    expect(held.refresh !== "").toBe(refreshing.includes(id) && rule(id) !== "remint");
    expect(await works(app, held)).toBe(true);
    const nobody = { ...held, access: "no-such-token", refresh: "no-such-token" };
    expect(isYes(await app.call(app.service.resource, nobody))).toBe(false);
  });

  it("takes a refusal back with its state, and no grant", async () => {
    const app = await visit(id);
    const callback = await app.consent({ decision: "deny" });
    expect(callback.get("error")).toMatch(/^(access_denied|user_cancelled_authorize)$/);
    expect(callback.get("state")).toBe("state-of-at-least-16");
    expect([callback.has("code"), callback.has("instanceId")]).toEqual([false, false]);
  });

  it("ends what the person ends there", async () => {
    const app = await visit(id);
    const held = await app.connect({ account: "bob" });
    expect(app.simulator.revokeGrants({ account: "bob" })).toBeGreaterThan(0);
    expect(await works(app, held)).toBe(false);
    expect(isYes(await app.refresh(held))).toBe(false);
  });

  it("refuses a wrong secret, a used code, an unknown refresh token", async () => {
    const app = await visit(id);
    const callback = await app.consent();
    expect(isYes(await app.exchange(callback, { client_secret: "wrong" }))).toBe(false);
    expect(app.simulator.ledger().requests.at(-1)?.outcome).toBe("bad_secret");
    expect(isYes(await app.exchange(callback))).toBe(true);
    // An installation's id is no code: it is good for as many tokens as wanted.
    expect(isYes(await app.exchange(callback))).toBe(rule(id) === "remint");
    const nobody = { access: "", refresh: "no-such-token", values: { instanceId: "no-such-installation" } };
    expect(isYes(await app.refresh(nobody))).toBe(false);
  });
});

describe.each(identified)("%s", (id) => {
  it("says who it is, and tells two people apart", async () => {
    const app = await visit(id);
    const [ada, bob] = [await app.connect(), await app.connect({ account: "bob@globex" })];
    const spec = app.service.identity ?? app.service.resource;
    const first = await app.call(spec, ada);
    expect(first.text.toLowerCase()).toMatch(/ada|acme|holdfast/);
    expect((await app.call(spec, bob)).text).not.toBe(first.text);
  });
});

describe.each(refreshing)("%s", (id) => {
  it("refreshes three times, and keeps its own rule of rotation and reuse", async () => {
    const app = await visit(id);
    const first = await app.connect();
    let held: Held = first;
    for (let round = 1; round <= 3; round += 1) {
      const reply = await app.refresh(held);
      expect(isYes(reply)).toBe(true);
      const next = holding(reply, {}, held);
      expect(next.access).not.toBe(held.access);
      expect(next.refresh === held.refresh).toBe(rule(id) === "stays" || rule(id) === "remint");
      expect(await works(app, next)).toBe(true);
      held = next;
    }
    const reused = isYes(await app.refresh(first));
    expect(reused).toBe(rule(id) === "stays" || rule(id) === "remint" || rule(id) === "grace");
    // What the reuse left of the grant.
    expect(isYes(await app.refresh(held))).toBe(rule(id) !== "family");
    expect(app.simulator.ledger().families_revoked).toHaveLength(rule(id) === "family" ? 1 : 0);
  });
});

describe.each(revocable)("%s", (id) => {
  it("ends what is revoked, and leaves other people alone", async () => {
    const app = await visit(id);
    const { revoke, resource, revokes } = app.service;
    const [held, other] = [await app.connect(), await app.connect({ account: "bob" })];
    expect(isYes(await app.call(revoke ?? resource, held))).toBe(true);
    expect(await works(app, held)).toBe(revokes === "refresh");
    expect(isYes(await app.refresh(held))).toBe(revokes === "access");
    expect(await works(app, other)).toBe(true);
  });
});
