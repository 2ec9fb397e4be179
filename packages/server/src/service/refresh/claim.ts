/**
 * The right to send one refresh: taking it, waiting for whoever has it, and taking it over from a process that is gone.
 *
 * A lease that ran out does not say that its holder is dead. A stopped one may wake with the only valid answer in hand, and a
 * dead one's request may still be on the wire. Where a second sending of the same refresh token revokes the grant (RFC 9700
 * §4.14.2) both are waited for; where the provider bears it, nobody is. Instants are the database's. Sends nothing.
 */
import { delay } from "../../core/clock.ts";
import { rotationClass, type Provider, type RotationClass } from "../../providers/provider.ts";
import type { Claim, Urgency } from "../../store/queries/refresh.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { RefreshDeps } from "./types.ts";

export interface Claims {
  /** One try. `claimed_ms` is the monotonic instant before it, from which the lease counts. */
  take(seen: ConnectionRow, provider: Provider, urgency: Urgency): Promise<{ claim: Claim; claimed_ms: number }>;
  /** Whether waiting makes sense: not for a lease of a dead process that outlasts `until_ms` of the monotonic clock. */
  endsBefore(row: ConnectionRow, until_ms: number): Promise<boolean>;
  /** Resolves when the holder is done, its lease is over, or it is `until_ms` of the monotonic clock. */
  holderDone(row: ConnectionRow, until_ms: number): Promise<void>;
  /** Ends leases of processes that are gone, where somebody else may go on at once. */
  releaseDead(): Promise<void>;
  lease_ms(rotation: RotationClass): number;
}

export function createClaims({
  store,
  catalog,
  clock,
  limits,
  owner,
}: Pick<RefreshDeps, "store" | "catalog" | "clock" | "limits" | "owner">): Claims {
  const lease_ms = (rotation: RotationClass): number =>
    rotation === "strict" ? limits.refresh_lease_strict_ms : limits.refresh_lease_ms;

  const take: Claims["take"] = async (seen, provider, urgency) => {
    const request = {
      id: seen.id,
      generation: seen.generation,
      owner,
      lease_ms: lease_ms(rotationClass(provider)),
      urgency,
      resend_ms: resend_ms(provider),
      holder_wait_ms: limits.paused_holder_wait_ms,
    };
    let gone: string | null = null;
    for (;;) {
      const claimed_ms = clock.monotonic_ms();
      const claim = await store.claimRefresh({ ...request, gone });
      if (claim.kind === "overdue") gone = await deadHolder(claim.row);
      const again =
        claim.kind === "leased" ? await release(claim.row, provider) : claim.kind === "overdue" && gone !== null;
      if (!again) return { claim, claimed_ms };
    }
  };

  async function deadHolder({ lease_owner, attempted_at }: ConnectionRow): Promise<string | null> {
    if (lease_owner === null || attempted_at === null) return null;
    return (await store.ownerIsDead({ owner: lease_owner, taken_at: attempted_at }, owner)) ? lease_owner : null;
  }

  /** False where the lease has to be respected. */
  async function release(row: ConnectionRow, provider: Provider): Promise<boolean> {
    const { id, lease_owner } = row;
    if (lease_owner === null) return false;
    // Nothing of ours is out: only a database that was away when the outcome should have been noted leaves such a lease.
    if (lease_owner === owner) return store.releaseLease(id, lease_owner, null);
    if (rotationClass(provider) === "strict" || (await deadHolder(row)) === null) return false;
    return store.releaseLease(id, lease_owner, resend_ms(provider));
  }

  async function endsBefore(row: ConnectionRow, until_ms: number): Promise<boolean> {
    const left_ms = until_ms - clock.monotonic_ms();
    if (left_ms <= 0) return false;
    const is_over = row.lease_until === null || row.lease_until < clock.now() + left_ms;
    return is_over || (await deadHolder(row)) === null;
  }

  async function holderDone(leased: ConnectionRow, until_ms: number): Promise<void> {
    while (clock.monotonic_ms() < until_ms) {
      await delay(clock, limits.lease_poll_ms);
      const row = await store.getConnection(leased.id);
      if (row === null || row.generation !== leased.generation || row.lease_owner !== leased.lease_owner) return;
      if (row.lease_until === null || row.lease_until <= clock.now()) return;
    }
  }

  async function releaseDead(): Promise<void> {
    for (const row of await store.foreignLeases(owner, limits.sweep_batch)) {
      const provider = catalog.get(row.integration_type);
      if (provider !== null) await release(row, provider);
    }
  }

  return { take, endsBefore, holderDone, releaseDead, lease_ms };
}

/** How long after a request of unknown outcome the same token may be sent again, whatever became of it; null: always. */
function resend_ms({ lifetime: { refresh } }: Provider): number | null {
  if (refresh.kind !== "rotates") return null;
  return refresh.reuse === "grace" ? refresh.grace_s * 1_000 : 0;
}
