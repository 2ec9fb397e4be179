/** The refresh protocol in the store: claims, commits by lineage, and failures. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plus } from "../../src/core/types.ts";
import { changeStatus, putConnection } from "../../src/store/queries/connections.ts";
import { commitRefresh, type Claim, type RefreshCommit } from "../../src/store/queries/refresh.ts";
import type { Store } from "../../src/store/store.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import { bytes, claimOf, commitOf, consented, present, stored } from "./rows.ts";
import { claimed, end, failure, LEASE_MS } from "./refresh-steps.ts";
import type { OpenStores } from "./suite.ts";

const commit = (store: Store, wanted: RefreshCommit) => store.transaction((tx) => commitRefresh(tx, wanted));

export function describeRefreshProtocol(open: OpenStores): void {
  describe("claiming a refresh", () => {
    it("writes lease and intent, and returns the row from before", async () => {
      const { store, now } = await open();
      const row = await stored(store);
      const claim = await store.claimRefresh(claimOf(row));
      expect(claim).toEqual({ kind: "claimed", row, attempt: 1, lease_until: plus(now(), LEASE_MS) });
      expect(await present(store, row.id)).toMatchObject({
        lease_owner: "node_one",
        lease_until: plus(now(), LEASE_MS),
        attempt: 1,
        attempted_at: now(),
        intent_at: now(),
        intent_rt_fp: "rt1",
      });
    });

    it("lets exactly one of many claimers send, across all handles", async () => {
      const { store, other } = await open();
      const row = await stored(store);
      const claims = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          (index % 2 === 0 ? store : other).claimRefresh(claimOf(row, { owner: `node_${index}` })),
        ),
      );
      expect(claims.filter(({ kind }) => kind === "claimed")).toHaveLength(1);
      expect(claims.filter(({ kind }) => kind === "leased")).toHaveLength(39);
      expect((await present(store, row.id)).attempt).toBe(1);
    });

    const losers: readonly [string, Claim["kind"], (store: Store, row: ConnectionRow) => Promise<unknown>][] = [
      ["that was deleted", "deleted", (store, row) => remove(store, row)],
      ["that was refreshed", "moved", (store, row) => refreshed(store, row)],
      ["that was disconnected", "moved", (store, row) => end(store, row, "disconnected")],
      ["that is expired", "moved", (store, row) => end(store, row, "expired")],
      ["that another node leases", "leased", (store, row) => store.claimRefresh(claimOf(row, { owner: "node_two" }))],
    ];
    it.for(losers)("does not claim a connection %s", async ([, kind, make]) => {
      const { store } = await open();
      const row = await stored(store);
      await make(store, row);
      const before = await store.getConnection(row.id);
      expect((await store.claimRefresh(claimOf(row))).kind).toBe(kind);
      expect(await store.getConnection(row.id)).toEqual(before);
    });

    it("does not claim a connection without a refresh token", async () => {
      const { store } = await open();
      const row = await stored(store, { sealed_refresh: null, rt_fp: null });
      expect((await store.claimRefresh(claimOf(row))).kind).toBe("moved");
    });

    it("claims again when the lease has expired, and returns when the open intent began", async () => {
      const { store, now, advance } = await open();
      const row = await stored(store);
      await store.claimRefresh(claimOf(row));
      const since = now();
      await advance(LEASE_MS - 1);
      expect((await store.claimRefresh(claimOf(row))).kind).toBe("leased");
      await advance(1);
      const claim = await store.claimRefresh(claimOf(row, { owner: "node_two" }));
      expect(claim).toMatchObject({ kind: "claimed", attempt: 2, row: { intent_at: since, lease_owner: "node_one" } });
    });

    it.for([
      ["background", "unknown", "not_yet"],
      ["reader", "unknown", "claimed"],
      ["reader", "not_sent", "claimed"],
      ["reader", "throttled", "not_yet"],
      ["reader", "misconfigured", "not_yet"],
    ] as const)(
      "before the next attempt is due, %s after a failure of class %s: %s",
      async ([kind, fail, expected]) => {
        const { store, advance } = await open();
        const row = await stored(store);
        await store.claimRefresh(claimOf(row));
        await store.failRefresh(failure(row, 1, { fail_class: fail, retry_in_ms: 60_000 }));
        const urgency = kind === "background" ? { kind } : { kind, after_ms: 1_000 };
        expect((await store.claimRefresh(claimOf(row, { urgency }))).kind).toBe("not_yet");
        await advance(1_000);
        expect((await store.claimRefresh(claimOf(row, { urgency }))).kind).toBe(expected);
      },
    );

    it("obeys the background schedule to the millisecond", async () => {
      const { store, advance } = await open();
      const row = await stored(store);
      await store.claimRefresh(claimOf(row));
      await store.failRefresh(failure(row, 1, { retry_in_ms: 5_000 }));
      await advance(4_999);
      expect((await store.claimRefresh(claimOf(row))).kind).toBe("not_yet");
      await advance(1);
      expect((await store.claimRefresh(claimOf(row))).kind).toBe("claimed");
    });

    it.for([
      ["the token can always be sent again", { resend_ms: null }, "claimed"],
      ["the provider still accepts a second use", { resend_ms: LEASE_MS + 1_000 }, "claimed"],
      ["the provider no longer accepts it", { resend_ms: LEASE_MS }, "overdue"],
      ["a second use ends the grant", { resend_ms: 0 }, "overdue"],
      ["a second use ends the grant, but the holder is dead", { resend_ms: 0, dead_owners: ["node_one"] }, "claimed"],
      ["a node other than the holder is dead", { resend_ms: 0, dead_owners: ["node_three"] }, "overdue"],
      ["the holder itself claims", { resend_ms: 0, owner: "node_one" }, "claimed"],
      ["the wait for the holder has ended", { resend_ms: 0, holder_wait_ms: 0 }, "claimed"],
    ] as const)("when the lease expired without an outcome, and %s: %s", async ([, request, expected]) => {
      const { store, advance } = await open();
      const row = await stored(store);
      await store.claimRefresh(claimOf(row));
      await advance(LEASE_MS);
      expect((await store.claimRefresh(claimOf(row, { owner: "node_two", ...request }))).kind).toBe(expected);
    });

    it("keeps the time of the first request of unknown outcome, from which a provider counts", async () => {
      const { store, now, advance } = await open();
      const row = await claimed(store);
      const first_at = now();
      await store.failRefresh(failure(row, 1, { fail_class: "unknown", keep_intent: true, retry_in_ms: 0 }));
      await advance(5_000);
      await store.claimRefresh(claimOf(row));
      expect(await present(store, row.id)).toMatchObject({ intent_at: first_at, attempted_at: now() });
    });

    it("claims an expired connection once, when its confirming request is due", async () => {
      const { store, advance } = await open();
      const row = await stored(store);
      await end(store, row, "expired", 60_000);
      expect((await store.claimRefresh(claimOf(row))).kind).toBe("moved");
      await advance(60_000);
      expect((await store.claimRefresh(claimOf(row))).kind).toBe("claimed");
      await advance(LEASE_MS);
      expect((await store.claimRefresh(claimOf(row))).kind).toBe("moved");
    });
  });

  describe("committing a response, by lineage", () => {
    it("stores the response to the stored token, clears lease and intent, and increments the generation", async () => {
      const { store, now } = await open();
      const row = await claimed(store);
      const outcome = await commit(store, commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }));
      expect(outcome).toMatchObject({ kind: "committed", before: { status: "active" } });
      const after = await present(store, row.id);
      expect(outcome.row).toEqual(after);
      expect(after).toMatchObject({
        generation: 2,
        rt_fp: "rt2",
        parent_rt_fp: "rt1",
        win_attempt: 1,
        lease_owner: null,
        lease_until: null,
        intent_at: null,
        intent_rt_fp: null,
        failures: 0,
        updated_at: now(),
      });
    });

    it("keeps a valid response that arrives after its lease expired", async () => {
      const { store, advance } = await open();
      const row = await claimed(store);
      await advance(10 * LEASE_MS);
      const outcome = await commit(store, commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }));
      expect(outcome.kind).toBe("committed");
    });

    it("lets the later of two attempts win, in either order of arrival", async () => {
      for (const order of [
        [1, 2],
        [2, 1],
      ]) {
        const { store, advance } = await open();
        const row = await claimed(store);
        await advance(LEASE_MS);
        await store.claimRefresh(claimOf(row, { owner: "node_two" }));
        for (const attempt of order) await commitResealing(store, row, attempt, "rt1", `answer${attempt}`);
        expect(await present(store, row.id)).toMatchObject({ rt_fp: "answer2", win_attempt: 2, intent_at: null });
      }
    });

    it("keeps lease and intent of a later attempt that has no response yet", async () => {
      const { store, advance } = await open();
      const row = await claimed(store);
      await advance(LEASE_MS);
      await store.claimRefresh(claimOf(row, { owner: "node_two" }));
      await commit(store, commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }));
      const after = await present(store, row.id);
      expect(after).toMatchObject({ rt_fp: "rt2", lease_owner: "node_two" });
      expect(after.intent_at).not.toBeNull();
    });

    it("requires new seals when the generation changed but the response counts", async () => {
      const { store } = await open();
      const row = await claimed(store);
      const stale = { ...commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }), base_generation: 0 };
      expect(await commit(store, stale)).toMatchObject({ kind: "reseal", row: { generation: 1 } });
      expect(await present(store, row.id)).toMatchObject({ rt_fp: "rt1" });
    });

    it("commits twice without harm: the second time changes nothing", async () => {
      const { store } = await open();
      const row = await claimed(store);
      const answer = commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" });
      await commit(store, answer);
      const after = await present(store, row.id);
      expect(await commit(store, answer)).toEqual({ kind: "superseded", row: after });
      expect(await present(store, row.id)).toEqual(after);
    });

    const lost: readonly [string, (store: Store, row: ConnectionRow) => Promise<unknown>][] = [
      ["a disconnect", (store, row) => end(store, row, "disconnected")],
      ["a new consent", (store, row) => consentedAgain(store, row)],
      [
        "a disconnect and a new consent",
        async (store, row) => {
          await end(store, row, "disconnected");
          await consentedAgain(store, row);
        },
      ],
      ["a deletion", (store, row) => remove(store, row)],
      ["two generations of newer responses", (store, row) => twice(store, row)],
    ];
    it.for(lost)("drops a response after %s", async ([, happened]) => {
      const { store } = await open();
      const row = await claimed(store);
      await happened(store, row);
      const before = await store.getConnection(row.id);
      const outcome = await commit(store, commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "late" }));
      expect(outcome).toEqual({ kind: "superseded", row: before });
      expect(await store.getConnection(row.id)).toEqual(before);
    });

    it("restores an expired connection, and reports that it recovered", async () => {
      const { store } = await open();
      const row = await claimed(store);
      await end(store, row, "expired");
      const outcome = await commit(store, commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }));
      expect(outcome).toMatchObject({
        kind: "committed",
        before: { status: "expired" },
        row: { status: "active", reason: null },
      });
    });

    it("does not restore a connection that ended with its OAuth client", async () => {
      const { store } = await open();
      const row = await claimed(store);
      await store.transaction((tx) =>
        changeStatus(tx, {
          id: row.id,
          generation: 1,
          status: "expired",
          reason: "client_changed",
          confirm_in_ms: null,
        }),
      );
      const outcome = await commit(store, commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }));
      expect(outcome).toMatchObject({ kind: "superseded", row: { status: "expired", reason: "client_changed" } });
    });

    it("does not replace tokens whose refresh token another attempt is exchanging", async () => {
      const { store, advance } = await open();
      const row = await claimed(store);
      await advance(LEASE_MS);
      await store.claimRefresh(claimOf(row));
      await commit(store, commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }));
      await advance(LEASE_MS);
      const between = await present(store, row.id);
      expect((await store.claimRefresh(claimOf(between))).kind).toBe("claimed");
      const outcome = await commit(store, commitOf(between, { attempt: 2, parent_fp: "rt1", rt_fp: "rt3" }));
      expect(outcome).toMatchObject({ kind: "superseded", row: { rt_fp: "rt2" } });
    });

    it("merges into the current scopes and settings, not into those of the time of the request", async () => {
      const { store } = await open();
      const row = await claimed(store);
      const merge = (now: ConnectionRow) => ({
        scopes_granted: now.scopes_granted,
        config: { was: String(now.attempt) },
      });
      await commit(store, { ...commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }), merge });
      expect(await present(store, row.id)).toMatchObject({ scopes_granted: row.scopes_granted, config: { was: "1" } });
    });

    it("holds for every order of attempts: the generation grows, and no older response replaces a newer one", async () => {
      const { store, advance } = await open();
      const orders = fc.shuffledSubarray([1, 2, 3, 4, 5], { minLength: 1 });
      const property = fc.asyncProperty(orders, async (order) => {
        const row = await stored(store);
        for (let attempt = 1; attempt <= 5; attempt += 1) {
          await store.claimRefresh(claimOf(row));
          await advance(LEASE_MS);
        }
        let highest = 0;
        let { generation } = row;
        for (const attempt of order) {
          await commitResealing(store, row, attempt, "rt1", `answer${attempt}`);
          highest = Math.max(highest, attempt);
          const after = await present(store, row.id);
          expect(after).toMatchObject({ win_attempt: highest, rt_fp: `answer${highest}` });
          expect(after.generation - generation).toBe(attempt === highest ? 1 : 0);
          generation = after.generation;
        }
      });
      await fc.assert(property, { numRuns: 40 });
    });
  });

  describe("a failed refresh", () => {
    it("releases the lease, schedules the next attempt and counts the failure", async () => {
      const { store, now } = await open();
      const row = await claimed(store);
      await store.failRefresh(failure(row, 1, { fail_class: "throttled" }));
      expect(await present(store, row.id)).toMatchObject({
        lease_owner: null,
        lease_until: null,
        intent_at: null,
        intent_rt_fp: null,
        next_attempt_at: plus(now(), 9_000),
        fail_class: "throttled",
        failures: 1,
        failing_since: now(),
      });
    });

    it("keeps the intent of a request that the provider may have processed", async () => {
      const { store, now } = await open();
      const row = await claimed(store);
      await store.failRefresh(failure(row, 1, { fail_class: "unknown", keep_intent: true }));
      expect(await present(store, row.id)).toMatchObject({ lease_until: null, intent_at: now(), intent_rt_fp: "rt1" });
    });

    it("keeps an earlier holder whose request can still bring a response", async () => {
      const { store, advance } = await open();
      const row = await claimed(store);
      const { attempted_at } = await present(store, row.id);
      await advance(LEASE_MS);
      await store.claimRefresh(claimOf(row, { owner: "node_two" }));
      await store.failRefresh(failure(row, 2, { keep_intent: true, retry_in_ms: 0 }));
      expect(await present(store, row.id)).toMatchObject({ earlier_owner: "node_one", earlier_at: attempted_at });
      const third = claimOf(row, { owner: "node_two", resend_ms: LEASE_MS });
      expect((await store.claimRefresh(third)).kind).toBe("overdue");
      expect((await store.claimRefresh({ ...third, dead_owners: ["node_one"] })).kind).toBe("claimed");
    });

    it("waits for an earlier holder as long as for a new one after the clock went back", async () => {
      const { store, now, advance } = await open();
      const row = await claimed(store);
      await advance(LEASE_MS);
      const second = claimOf(row, { owner: "node_two", resend_ms: 0, holder_wait_ms: 60_000 });
      await store.claimRefresh({ ...second, dead_owners: ["node_one"] });
      await store.claimRefresh({ ...second, owner: "node_three", dead_owners: [] });
      await advance(LEASE_MS);
      const third = { ...second, owner: "node_three" };
      await store.claimRefresh({ ...third, resend_ms: null });
      await store.failRefresh(failure(row, 3, { keep_intent: true, retry_in_ms: 0 }));
      await advance(-3_600_000);
      expect((await store.claimRefresh(third)).kind).toBe("overdue");
      expect(await present(store, row.id)).toMatchObject({ earlier_owner: "node_two", earlier_at: now() });
      await advance(LEASE_MS + 60_000);
      expect((await store.claimRefresh(third)).kind).toBe("claimed");
    });

    it("keeps the time of the first failure", async () => {
      const { store, now, advance } = await open();
      const row = await claimed(store);
      const since = now();
      await store.failRefresh(failure(row, 1, { retry_in_ms: 0 }));
      await advance(5_000);
      await store.claimRefresh(claimOf(row));
      await store.failRefresh(failure(row, 2));
      expect(await present(store, row.id)).toMatchObject({ failures: 2, failing_since: since });
    });

    it("of an older attempt says nothing about the newer one", async () => {
      const { store, advance } = await open();
      const row = await claimed(store);
      await advance(LEASE_MS);
      await store.claimRefresh(claimOf(row, { owner: "node_two" }));
      const before = await present(store, row.id);
      expect(await store.failRefresh(failure(row, 1))).toBeNull();
      expect(await present(store, row.id)).toEqual(before);
    });

    it("changes nothing when a response is stored already, or the connection is deleted", async () => {
      const { store } = await open();
      const row = await claimed(store);
      await commit(store, commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }));
      expect(await store.failRefresh(failure(row, 1))).toBeNull();
      await remove(store, row);
      expect(await store.failRefresh(failure(row, 1))).toBeNull();
    });
  });
}

/** Seals again and repeats when the generation changed, as the engine does. */
async function commitResealing(store: Store, row: ConnectionRow, attempt: number, parent_fp: string, rt_fp: string) {
  let base = row;
  for (;;) {
    const outcome = await commit(store, commitOf(base, { attempt, parent_fp, rt_fp }));
    if (outcome.kind !== "reseal") return outcome;
    base = outcome.row;
  }
}

async function refreshed(store: Store, row: ConnectionRow): Promise<void> {
  await store.claimRefresh(claimOf(row));
  await commit(store, commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }));
}

async function twice(store: Store, row: ConnectionRow): Promise<void> {
  await commit(store, commitOf(row, { attempt: 1, parent_fp: "rt1", rt_fp: "rt2" }));
  const next = await present(store, row.id);
  await store.claimRefresh(claimOf(next));
  await commit(store, commitOf(next, { attempt: 2, parent_fp: "rt2", rt_fp: "rt3" }));
}

async function consentedAgain(store: Store, row: ConnectionRow): Promise<void> {
  const seen = await present(store, row.id);
  const again = consented({
    app_id: row.app_id,
    id: row.id,
    generation: seen.generation + 1,
    rt_fp: "fresh",
    sealed_refresh: bytes(9),
  });
  if (!(await store.transaction((tx) => putConnection(tx, again, seen)))) throw new Error("not stored");
}

const remove = (store: Store, row: ConnectionRow) =>
  store.transaction(async (tx) => {
    tx.invalidates("connections", row.id);
    await tx.db.deleteFrom("connections").where("id", "=", row.id).execute();
  });
