/**
 * The right to send one refresh: acquiring it, waiting for its holder, and taking it over from a
 * dead process. Sends nothing. Instants are those of the database's clock.
 *
 * An expired lease does not prove that its holder is dead. A paused holder can resume with the only
 * valid response, and the request of a dead one may still be on the wire. If reusing a refresh
 * token revokes the grant (RFC 9700 §4.14.2), wait for either. Otherwise retry immediately.
 */
import { delay } from "../../core/clock.ts";
import { rotationClass, type Provider, type RotationClass } from "../../providers/provider.ts";
import { holdersOf, type Claim, type Urgency } from "../../store/queries/refresh.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { RefreshDeps } from "./types.ts";

type ClaimDeps = Pick<RefreshDeps, "store" | "catalog" | "clock" | "limits" | "owner">;

/**
 * Tries once to acquire the lease, and again after releasing the lease of a dead process.
 * `claimed_ms` is the monotonic time before the last try, from which the lease counts.
 */
export async function acquireClaim(
  deps: ClaimDeps,
  seen: ConnectionRow,
  provider: Provider,
  urgency: Urgency,
): Promise<{ claim: Claim; claimed_ms: number }> {
  const { store, clock, limits, owner } = deps;
  const request = {
    id: seen.id,
    generation: seen.generation,
    owner,
    lease_ms: leaseFor_ms(limits, rotationClass(provider)),
    urgency,
    resend_ms: resendWindow_ms(provider),
    holder_wait_ms: limits.paused_holder_wait_ms,
  };
  const dead_owners: string[] = [];
  // The claim keeps one earlier holder. A dead one must not replace one that can still respond.
  if (seen.earlier_owner !== null) await addDead(deps, seen, dead_owners);
  for (;;) {
    const claimed_ms = clock.monotonic_ms();
    const claim = await store.claimRefresh({ ...request, dead_owners });
    const is_released: boolean =
      claim.kind === "leased"
        ? await releaseIfDead(deps, claim.row, provider)
        : claim.kind === "overdue" && (await addDead(deps, claim.row, dead_owners));
    if (!is_released) return { claim, claimed_ms };
  }
}

/** Adds the dead holders of a row to `dead_owners`. Reports whether it found new ones. */
async function addDead({ store, owner }: ClaimDeps, row: ConnectionRow, dead_owners: string[]): Promise<boolean> {
  const before = dead_owners.length;
  for (const holder of holdersOf(row)) {
    const lease = { owner: holder.owner, taken_at: holder.acquired_at };
    if (!dead_owners.includes(holder.owner) && (await store.ownerIsDead(lease, owner))) dead_owners.push(holder.owner);
  }
  return dead_owners.length > before;
}

export function leaseFor_ms(limits: ClaimDeps["limits"], rotation: RotationClass): number {
  return rotation === "strict" ? limits.refresh_lease_strict_ms : limits.refresh_lease_ms;
}

/** Returns the holder of the lease if its process is dead, else null. */
async function deadHolder(
  { store, owner }: ClaimDeps,
  { lease_owner, attempted_at }: ConnectionRow,
): Promise<string | null> {
  if (lease_owner === null || attempted_at === null) return null;
  return (await store.ownerIsDead({ owner: lease_owner, taken_at: attempted_at }, owner)) ? lease_owner : null;
}

/** Ends the lease of a dead process. Returns false if the lease must be respected. */
async function releaseIfDead(deps: ClaimDeps, row: ConnectionRow, provider: Provider): Promise<boolean> {
  const { store, owner } = deps;
  const { id, lease_owner } = row;
  if (lease_owner === null) return false;
  // This process has no request out. The database was down when it should have stored the outcome.
  if (lease_owner === owner) return await store.releaseLease(id, lease_owner, null);
  if (rotationClass(provider) === "strict" || (await deadHolder(deps, row)) === null) return false;
  return await store.releaseLease(id, lease_owner, resendWindow_ms(provider));
}

/**
 * Reports whether a reader should wait for the holder until `until_ms` of the monotonic clock.
 * Returns false if the holder is dead and its lease expires later than that.
 */
export async function isWorthWaiting(deps: ClaimDeps, row: ConnectionRow, until_ms: number): Promise<boolean> {
  const { clock } = deps;
  const left_ms = until_ms - clock.monotonic_ms();
  if (left_ms <= 0) return false;
  const expires_in_time = row.lease_until === null || row.lease_until < clock.now() + left_ms;
  return expires_in_time || (await deadHolder(deps, row)) === null;
}

/**
 * Resolves when the holder is done, when its lease has expired, or at `until_ms` of the monotonic
 * clock.
 */
export async function waitForHolder(
  { store, clock, limits }: ClaimDeps,
  leased: ConnectionRow,
  until_ms: number,
): Promise<void> {
  while (clock.monotonic_ms() < until_ms) {
    await delay(clock, limits.lease_poll_ms);
    const row = await store.getConnection(leased.id);
    if (row === null || row.generation !== leased.generation || row.lease_owner !== leased.lease_owner) return;
    if (row.lease_until === null || row.lease_until <= clock.now()) return;
  }
}

/** Ends the leases of other processes that are dead, if another node can continue at once. */
export async function releaseDeadLeases(deps: ClaimDeps): Promise<void> {
  const { store, catalog, limits, owner } = deps;
  for (const row of await store.leasesOfOthers(owner, limits.sweep_batch)) {
    const provider = catalog.get(row.integration_type);
    if (provider !== null) await releaseIfDead(deps, row, provider);
  }
}

/**
 * Returns how long after a request of unknown outcome the same token can be sent again without
 * harm. Null means always.
 */
export function resendWindow_ms({ lifetime: { refresh } }: Provider): number | null {
  if (refresh.kind !== "rotates") return null;
  return refresh.reuse === "grace" ? refresh.grace_s * 1_000 : 0;
}
