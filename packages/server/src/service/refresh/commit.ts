/**
 * Stores a provider's response. It must not be lost: it can have the only copy of a single-use
 * refresh token. Sends nothing itself.
 *
 * The response goes to the spill first, then to the row. While the database is down, it stays in
 * memory, serves readers from there, and is committed as soon as possible. An expired lease does
 * not matter, because lineage decides whether the response counts. Tokens that can no longer be
 * stored are queued for revocation at the provider.
 */
import { delay } from "../../core/clock.ts";
import type { ConnectionId } from "../../core/types.ts";
import type { Provider } from "../../providers/provider.ts";
import { commitRefresh, type CommitOutcome } from "../../store/queries/refresh.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { emit } from "../events/events.ts";
import { grantColumns, notGranted, serializeGrant, type Grant } from "../grants/grant.ts";
import { rowChanged, type Claimed, type RefreshDeps, type RefreshResult } from "./types.ts";

export interface ReceivedGrant {
  readonly attempt: number;
  /** Fingerprint of the refresh token that was exchanged. */
  readonly parent_fp: string;
  readonly grant: Grant;
}

/** Grants that the database does not have yet. `done` resolves when it has. */
export type UnsavedGrants = Map<ConnectionId, { readonly result: RefreshResult; readonly done: Promise<void> }>;

export interface CommitDeps extends RefreshDeps {
  readonly unsaved: UnsavedGrants;
}

const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 5_000;

/** Spills and commits the response to a request that was just sent. */
export async function keep(
  deps: CommitDeps,
  { row, attempt }: Claimed,
  provider: Provider,
  grant: Grant,
): Promise<RefreshResult> {
  const { spill, clock, log } = deps;
  const parent_fp = row.rt_fp ?? "";
  const { id: connection_id, app_id } = row;
  await spill
    .append({ connection_id, app_id, parent_fp, attempt, at: clock.now(), payload: serializeGrant(grant) })
    .catch((error: unknown) => log.error("spill_failed", { connection_id, error }));
  return await save(deps, row, provider, { attempt, parent_fp, grant });
}

/** Commits a grant. If that fails, keeps the grant in memory and retries. */
export async function save(
  deps: CommitDeps,
  row: ConnectionRow,
  provider: Provider,
  received: ReceivedGrant,
): Promise<RefreshResult> {
  const { log, unsaved } = deps;
  try {
    return await commit(deps, row, provider, received);
  } catch (error) {
    if (await isDeleted(deps, row.id)) return await discard(deps, row, received);
    log.error("refresh_commit_delayed", { connection_id: row.id, error });
    const result: RefreshResult = { kind: "unsaved", row, grant: received.grant };
    const done = commitUntilDone(deps, row, provider, received).finally(() => unsaved.delete(row.id));
    unsaved.set(row.id, { result, done });
    return result;
  }
}

async function commitUntilDone(
  deps: CommitDeps,
  row: ConnectionRow,
  provider: Provider,
  received: ReceivedGrant,
): Promise<void> {
  const { clock, log } = deps;
  for (let wait_ms = FIRST_RETRY_MS; ; wait_ms = Math.min(wait_ms * 2, LAST_RETRY_MS)) {
    await delay(clock, wait_ms);
    try {
      await commit(deps, row, provider, received);
      return;
    } catch (error) {
      if (await isDeleted(deps, row.id)) {
        await discard(deps, row, received);
        return;
      }
      log.error("refresh_commit_delayed", { connection_id: row.id, error });
    }
  }
}

/**
 * Reports whether the connection is deleted. A deleted app has no key to seal with, so retrying
 * would never end.
 */
async function isDeleted({ store }: CommitDeps, id: ConnectionId): Promise<boolean> {
  return (await store.getConnection(id).catch(() => undefined)) === null;
}

/** Revokes tokens that can no longer be stored. Otherwise they would stay valid at the provider. */
async function discard(
  deps: CommitDeps,
  row: ConnectionRow,
  { attempt, grant }: ReceivedGrant,
): Promise<RefreshResult> {
  const { revocations, log } = deps;
  await revocations
    .revokeLate(row, grant)
    .catch((error: unknown) => log.error("late_revocation_failed", { connection_id: row.id, error }));
  await markSpilled(deps, row.id, attempt);
  return { kind: "deleted" };
}

async function commit(
  deps: CommitDeps,
  seen: ConnectionRow,
  provider: Provider,
  received: ReceivedGrant,
): Promise<RefreshResult> {
  for (let base = seen; ;) {
    const { row, outcome } = await commitOver(deps, base, provider, received);
    if (outcome === "reseal" && row !== null) {
      base = row;
      continue;
    }
    if (row === null) return await discard(deps, seen, received);
    if (row.status === "disconnected") {
      rowChanged(deps, row);
      await discard(deps, row, received);
      return { kind: "current", row };
    }
    // Evict before the next await. Until then readers get the old token, which can be dead already.
    rowChanged(deps, row);
    await markSpilled(deps, row.id, received.attempt);
    const { id: connection_id, integration_type } = row;
    deps.log.info(outcome === "committed" ? "refreshed" : "refresh_superseded", { connection_id, integration_type });
    return { kind: "current", row };
  }
}

/**
 * Seals the grant for the generation after `base` and commits it. If the row has changed, the
 * outcome is `reseal`, and the grant must be sealed again for the returned row.
 */
async function commitOver(
  { store, vault, events_wanted }: CommitDeps,
  base: ConnectionRow,
  provider: Provider,
  { attempt, parent_fp, grant }: ReceivedGrant,
): Promise<{ row: ConnectionRow | null; outcome: CommitOutcome["kind"] }> {
  const columns = await grantColumns(vault, provider, { ...base, generation: base.generation + 1 }, grant, {
    refresh_token: grant.refresh_token,
    last_lifetime_s: base.last_lifetime_s,
    refresh_token_expires_at: base.refresh_token_expires_at,
  });
  return await store.transaction(async (tx) => {
    const { id, generation: base_generation } = base;
    const done = await commitRefresh(tx, {
      id,
      attempt,
      parent_fp,
      base_generation,
      set: columns,
      // Merges into the row as it is now: a builder can change its settings during the request.
      merge: (row) => ({
        scopes_granted: grant.scopes ?? row.scopes_granted,
        // A damaged config stays as it is. Replaced, it would look intact without its old values.
        ...(row.config === null ? {} : { config: { ...row.config, ...grant.config } }),
      }),
    });
    if (done.kind === "committed") {
      const { row, before } = done;
      if (before.status === "expired") await emit(tx, "connection.recovered", row);
      if (events_wanted.has("connection.refreshed")) await emit(tx, "connection.refreshed", row);
      if (isNewlyMissing(before, row))
        await emit(tx, "connection.scopes_missing", row, { missing_scopes: notGranted(row) });
    }
    return { row: done.row, outcome: done.kind };
  });
}

/**
 * Marks the spilled response as committed. A record without the mark is harmless: its replay finds
 * a newer lineage and changes nothing.
 */
export async function markSpilled({ spill, log }: CommitDeps, id: ConnectionId, attempt: number): Promise<void> {
  await spill.committed(id, attempt).catch((error: unknown) => log.warn("spill_failed", { connection_id: id, error }));
}

/** Reports whether the refresh lost a scope. True once per loss, not at each refresh after it. */
function isNewlyMissing(before: ConnectionRow, after: ConnectionRow): boolean {
  const known = new Set(notGranted(before));
  return notGranted(after).some((scope) => !known.has(scope));
}
