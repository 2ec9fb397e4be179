/** Due connections in the store, and the leases on them. */
import { describe, expect, it } from "vitest";
import { newOAuthClientId } from "../../src/core/ids.ts";
import { plus, type OAuthClientId } from "../../src/core/types.ts";
import type { Store } from "../../src/store/store.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import { claimOf, present, stored } from "./rows.ts";
import { claimed, end, failure, LEASE_MS } from "./refresh-steps.ts";
import type { OpenStores } from "./suite.ts";

/** Returns the rows that a sweeper would reserve now, without keeping the reservation. */
async function due(store: Store, count: number, except: readonly OAuthClientId[] = []): Promise<ConnectionRow[]> {
  const rows = await store.reserveDue(count, except, LEASE_MS);
  await store.unreserve(rows.map(({ id }) => id));
  return rows;
}

export function describeDueConnections(open: OpenStores): void {
  describe("due connections", () => {
    it("are tokens to renew, soonest first, up to the requested number", async () => {
      const { store, now } = await open();
      const at = (ms: number) => ({ refresh_at: plus(now(), ms) });
      const second = await stored(store, at(-1_000));
      const first = await stored(store, at(-2_000));
      await stored(store, at(1));
      await stored(store, { refresh_at: null });
      await stored(store, { ...at(-1), sealed_refresh: null });
      expect((await due(store, 10)).map(({ id }) => id)).toEqual([first.id, second.id]);
      expect((await due(store, 1)).map(({ id }) => id)).toEqual([first.id]);
    });

    it("exclude leased, later scheduled and inactive connections", async () => {
      const { store, now, advance } = await open();
      const soon = { refresh_at: plus(now(), -1) };
      const leased = await stored(store, soon);
      await store.claimRefresh(claimOf(leased));
      const later = await stored(store, soon);
      await store.claimRefresh(claimOf(later));
      await store.failRefresh(failure(later, 1, { retry_in_ms: LEASE_MS }));
      await end(store, await stored(store, soon), "expired");
      expect(await due(store, 10)).toEqual([]);
      await advance(LEASE_MS);
      expect(new Set((await due(store, 10)).map(({ id }) => id))).toEqual(new Set([leased.id, later.id]));
    });

    it("exclude the given OAuth clients: due, open and to be confirmed", async () => {
      const { store, now, advance } = await open();
      const oauth_client_id = newOAuthClientId();
      const wanted = await stored(store, { refresh_at: plus(now(), -1) });
      await stored(store, { refresh_at: plus(now(), -2), oauth_client_id });
      await store.claimRefresh(claimOf(await stored(store, { oauth_client_id })));
      await end(store, await stored(store, { oauth_client_id }), "expired", 1);
      await advance(LEASE_MS);
      const except = [oauth_client_id, newOAuthClientId()];
      expect(await due(store, 10)).toHaveLength(4);
      expect((await due(store, 10, except)).map(({ id }) => id)).toEqual([wanted.id]);
    });

    it("include open intents whose lease expired, even if the token is fresh", async () => {
      const { store, now, advance } = await open();
      const row = await stored(store, { refresh_at: plus(now(), 1_000_000) });
      await store.claimRefresh(claimOf(row));
      await advance(LEASE_MS);
      expect((await due(store, 10)).map(({ id }) => id)).toEqual([row.id]);
    });

    it("include refusals that are due for confirmation", async () => {
      const { store, advance } = await open();
      const row = await stored(store);
      await end(store, row, "expired", 60_000);
      expect(await due(store, 10)).toEqual([]);
      await advance(60_000);
      expect((await due(store, 10)).map(({ id }) => id)).toEqual([row.id]);
    });

    it("differ for each sweeper, until a reservation expires or is released", async () => {
      const { store, now, advance } = await open();
      const rows = [
        await stored(store, { refresh_at: plus(now(), -2) }),
        await stored(store, { refresh_at: plus(now(), -1) }),
      ];
      const ids = rows.map(({ id }) => id);
      expect((await store.reserveDue(1, [], LEASE_MS)).map(({ id }) => id)).toEqual([ids[0]]);
      expect((await store.reserveDue(10, [], LEASE_MS)).map(({ id }) => id)).toEqual([ids[1]]);
      expect(await store.reserveDue(10, [], LEASE_MS)).toEqual([]);
      await store.unreserve(ids.slice(1));
      expect((await store.reserveDue(10, [], LEASE_MS)).map(({ id }) => id)).toEqual([ids[1]]);
      await advance(LEASE_MS);
      expect(await due(store, 10)).toHaveLength(2);
    });

    it("keep a lease whose token can no longer be sent again", async () => {
      const { store, advance } = await open();
      const row = await claimed(store);
      await advance(2_000);
      expect(await store.releaseLease(row.id, "node_one", 2_000)).toBe(false);
      expect(await store.releaseLease(row.id, "node_one", 3_000)).toBe(true);
    });

    it("list leases, and end one only for its owner", async () => {
      const { store } = await open();
      const row = await claimed(store);
      expect((await store.leasesOfOthers("node_asking", 10)).map(({ id }) => id)).toEqual([row.id]);
      expect(await store.releaseLease(row.id, "node_two", null)).toBe(false);
      expect(await store.releaseLease(row.id, "node_one", null)).toBe(true);
      expect(await store.leasesOfOthers("node_asking", 10)).toEqual([]);
      expect((await present(store, row.id)).intent_at).not.toBeNull();
    });
  });
}
