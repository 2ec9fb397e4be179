/** Pending consents: created, started, consumed and finished, each once. */
import { describe, expect, it } from "vitest";
import { newConnectionId, newFlowId } from "../../src/core/ids.ts";
import { plus } from "../../src/core/types.ts";
import type { Store } from "../../src/store/store.ts";
import { flowOf, startOf } from "./rows.ts";
import type { OpenStores } from "./suite.ts";

const LIMITS = { ttl_ms: 600_000, pending: 3 };

async function started(store: Store, state_hash = "state") {
  const wanted = flowOf();
  await store.createFlow(wanted, LIMITS);
  if (!(await store.startFlow(wanted.id, startOf(state_hash)))) throw new Error("not started");
  return wanted;
}

export function describeFlows(open: OpenStores): void {
  describe("flows", () => {
    it("returns the same flow for the same request, with its full time again", async () => {
      const { store, now, advance } = await open();
      const wanted = flowOf();
      const first = await store.createFlow(wanted, LIMITS);
      await advance(100_000);
      const second = await store.createFlow({ ...wanted, id: newFlowId() }, LIMITS);
      expect(second).toMatchObject({
        kind: "created",
        flow: { id: wanted.id, expires_at: plus(now(), LIMITS.ttl_ms) },
      });
      expect(first).toMatchObject({ flow: { id: wanted.id } });
      expect((await store.getFlow(wanted.id))?.expires_at).toBe(plus(now(), LIMITS.ttl_ms));
    });

    it("creates a new flow for other scopes, another config, and after a click on Connect", async () => {
      const { store } = await open();
      const wanted = await started(store);
      const limits = { ...LIMITS, pending: 10 };
      for (const change of [{}, { scopes: ["b"] }, { config: { a: "b" } }, { return_to: "/apps" }]) {
        const id = newFlowId();
        expect(await store.createFlow({ ...wanted, ...change, id }, limits)).toMatchObject({ flow: { id } });
      }
    });

    it("refuses more pending flows than the limit, per app and initiator", async () => {
      const { store, advance } = await open();
      const { app_id } = flowOf();
      const next = (index: number, change = {}) =>
        store.createFlow(flowOf({ app_id, scopes: [String(index)], ...change }), LIMITS);
      for (const index of [1, 2, 3]) expect((await next(index)).kind).toBe("created");
      expect((await next(4)).kind).toBe("too_many");
      expect((await next(4, { initiator: "someone else" })).kind).toBe("created");
      expect((await next(4, { app_id: flowOf().app_id })).kind).toBe("created");
      await advance(LIMITS.ttl_ms);
      expect((await next(4)).kind).toBe("created");
    });

    it("is consumed once: one of many callbacks with the same state gets it", async () => {
      const { store, other } = await open();
      const { id } = await started(store);
      const taken = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? store : other).consumeFlow("state")),
      );
      expect(taken.filter((flow) => flow !== null)).toHaveLength(1);
      expect(await store.getFlow(id)).toMatchObject({ sealed_request: null, state_hash: "state" });
      expect((await store.getFlow(id))?.taken_at).not.toBeNull();
    });

    it("is not consumed by an unknown state, or after it expired", async () => {
      const { store, advance } = await open();
      await started(store);
      expect(await store.consumeFlow("other")).toBeNull();
      await advance(LIMITS.ttl_ms);
      expect(await store.consumeFlow("state")).toBeNull();
      expect(await store.findFlowByState("state")).toMatchObject({ taken_at: null });
    });

    it("can be started again before the response, which invalidates the first state", async () => {
      const { store } = await open();
      const { id } = await started(store, "first");
      expect(await store.startFlow(id, startOf("second"))).toBe(true);
      expect(await store.consumeFlow("first")).toBeNull();
      expect(await store.consumeFlow("second")).toMatchObject({ id });
    });

    it("cannot be started after it was consumed, finished, or expired", async () => {
      const { store, advance } = await open();
      const taken = await started(store, "taken");
      await store.consumeFlow("taken");
      const finished = await started(store, "finished");
      await store.finishFlow(finished.id, "consent_denied", null);
      const old = await started(store, "old");
      await advance(LIMITS.ttl_ms);
      for (const { id } of [taken, finished, old]) expect(await store.startFlow(id, startOf("again"))).toBe(false);
      expect(await store.startFlow(newFlowId(), startOf("again"))).toBe(false);
    });

    it("has one outcome, the first", async () => {
      const { store, now } = await open();
      const { id } = await started(store);
      const connection_id = newConnectionId();
      await store.finishFlow(id, "connected", connection_id);
      await store.finishFlow(id, "internal", null);
      expect(await store.getFlow(id)).toMatchObject({
        outcome: "connected",
        connection_id,
        finished_at: now(),
        sealed_request: null,
      });
    });

    it("is deleted when it is old enough", async () => {
      const { store, now } = await open();
      const { id } = await started(store);
      expect(await store.deleteOldFlows(plus(now(), LIMITS.ttl_ms))).toBe(0);
      expect(await store.deleteOldFlows(plus(now(), LIMITS.ttl_ms + 1))).toBe(1);
      expect(await store.getFlow(id)).toBeNull();
    });
  });
}
