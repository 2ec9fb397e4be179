/**
 * A provider's answer on its way into the database. Nothing may lose it: of a single-use refresh token it is the only copy.
 *
 * It goes to the spill first, then to the row. While the database refuses, it stays in memory, where readers find it, and is
 * tried again until it is stored, even when the lease is over by then: lineage decides whether it counts. A start replays
 * what the spill still holds, and after a fail-over that lost commits they are made once more. Sends nothing but what
 * revokes tokens that nobody can have any more.
 */
import { delay } from "../../core/clock.ts";
import type { ConnectionId } from "../../core/types.ts";
import type { Provider } from "../../providers/provider.ts";
import { commitRefresh, type CommitOutcome } from "../../store/queries/refresh.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { emit } from "../events/events.ts";
import { grantColumns, notGranted, parseGrant, serializeGrant, type Grant } from "../grants/grant.ts";
import { rowChanged, type Claimed, type RefreshDeps, type RefreshResult } from "./types.ts";
import type { SpillRecord } from "./spill-record.ts";

export interface Answer {
  readonly attempt: number;
  /** Fingerprint of the refresh token that was exchanged. */
  readonly parent_fp: string;
  readonly grant: Grant;
}

export interface Commits {
  /** An answer that waits for the database. */
  inHand(id: ConnectionId): RefreshResult | null;
  /** The answer to a request that was just sent. */
  keep(claim: Claimed, provider: Provider, grant: Grant): Promise<RefreshResult>;
  /**
   * The answer that this process already has for the very refresh token that is stored: the database took its commit and
   * lost it. Asking again would be the reuse that revokes the grant. Null when there is none.
   */
  recall(claim: Claimed, provider: Provider): Promise<RefreshResult | null>;
  /** What a crash left in the spill. */
  replay(): Promise<void>;
  /** Commits once more what a database that took over from another one does not have. */
  repair(): Promise<void>;
  /** Resolves when nothing waits for the database. */
  done(): Promise<unknown>;
}

const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 5_000;

export function createCommits(deps: RefreshDeps): Commits {
  const { store, vault, catalog, spill, clock, log, revocations, events_wanted } = deps;
  const unsaved = new Map<ConnectionId, { readonly result: RefreshResult; readonly done: Promise<void> }>();

  async function keep({ row, attempt }: Claimed, provider: Provider, grant: Grant): Promise<RefreshResult> {
    const parent_fp = row.rt_fp ?? "";
    const { id: connection_id, app_id } = row;
    await spill
      .append({ connection_id, app_id, parent_fp, attempt, at: clock.now(), payload: serializeGrant(grant) })
      .catch((error: unknown) => log.error("spill_failed", { connection_id, error }));
    return save(row, provider, { attempt, parent_fp, grant });
  }

  async function save(row: ConnectionRow, provider: Provider, answer: Answer): Promise<RefreshResult> {
    try {
      return await commit(row, provider, answer);
    } catch (error) {
      if (await isGone(row.id)) return drop(row, answer);
      log.error("refresh_commit_delayed", { connection_id: row.id, error });
      const result: RefreshResult = { kind: "unsaved", row, grant: answer.grant };
      const done = commitUntilDone(row, provider, answer).finally(() => unsaved.delete(row.id));
      unsaved.set(row.id, { result, done });
      return result;
    }
  }

  async function commitUntilDone(row: ConnectionRow, provider: Provider, answer: Answer): Promise<void> {
    for (let wait_ms = FIRST_RETRY_MS; ; wait_ms = Math.min(wait_ms * 2, LAST_RETRY_MS)) {
      await delay(clock, wait_ms);
      try {
        await commit(row, provider, answer);
        return;
      } catch (error) {
        if (await isGone(row.id)) {
          await drop(row, answer);
          return;
        }
        log.error("refresh_commit_delayed", { connection_id: row.id, error });
      }
    }
  }

  /** A deleted app has no key to seal with: its late answer can never be stored, so nothing may wait for that. */
  async function isGone(id: ConnectionId): Promise<boolean> {
    return (await store.getConnection(id).catch(() => undefined)) === null;
  }

  /** Nobody can have these tokens any more, so they must not live on at the provider. */
  async function drop(row: ConnectionRow, { attempt, grant }: Answer): Promise<RefreshResult> {
    await revocations
      .revokeLate(row, grant)
      .catch((error: unknown) => log.error("late_revocation_failed", { connection_id: row.id, error }));
    await forgetSpilled(row.id, attempt);
    return { kind: "gone" };
  }

  async function commit(seen: ConnectionRow, provider: Provider, answer: Answer): Promise<RefreshResult> {
    for (let base = seen; ;) {
      const { row, outcome } = await commitOver(base, provider, answer);
      if (outcome === "reseal" && row !== null) {
        base = row;
        continue;
      }
      if (row === null) return drop(seen, answer);
      if (row.status === "disconnected") {
        rowChanged(deps, row);
        await drop(row, answer);
        return { kind: "current", row };
      }
      // Before anything else is awaited: until then readers get the old token, which may be dead already.
      rowChanged(deps, row);
      await forgetSpilled(row.id, answer.attempt);
      const { id: connection_id, integration_type } = row;
      log.info(outcome === "committed" ? "refreshed" : "refresh_superseded", { connection_id, integration_type });
      return { kind: "current", row };
    }
  }

  /** Sealed for the generation after `base`'s: when the row is at another one, the answer has to be sealed anew. */
  async function commitOver(
    base: ConnectionRow,
    provider: Provider,
    { attempt, parent_fp, grant }: Answer,
  ): Promise<{ row: ConnectionRow | null; outcome: CommitOutcome["kind"] }> {
    const columns = await grantColumns(vault, provider, { ...base, generation: base.generation + 1 }, grant, {
      refresh_token: grant.refresh_token,
      last_lifetime_s: base.last_lifetime_s,
      refresh_token_expires_at: base.refresh_token_expires_at,
    });
    return store.transaction(async (tx) => {
      const { id, generation: base_generation } = base;
      const done = await commitRefresh(tx, {
        id,
        attempt,
        parent_fp,
        base_generation,
        set: columns,
        // Of the row as it is now: a builder may have changed its settings while the request was out.
        merge: (row) => ({
          scopes_granted: grant.scopes ?? row.scopes_granted,
          config: { ...row.config, ...grant.config },
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

  /** A record that stays behind is harmless: its replay finds a newer lineage and changes nothing. */
  async function forgetSpilled(id: ConnectionId, attempt: number): Promise<void> {
    await spill
      .committed(id, attempt)
      .catch((error: unknown) => log.warn("spill_failed", { connection_id: id, error }));
  }

  async function recall({ row, attempt }: Claimed, provider: Provider): Promise<RefreshResult | null> {
    const record = await spill.latest(row.id);
    if (record === null || record.parent_fp !== row.rt_fp) return null;
    const grant = parseGrant(record.payload);
    if (grant === null || !isRotated(record, grant)) return null;
    log.warn("refresh_replayed", { connection_id: row.id });
    return save(row, provider, { attempt, parent_fp: record.parent_fp, grant });
  }

  /** A token that stays is exchanged again and again: an earlier answer for it is no reason not to. */
  function isRotated({ parent_fp }: SpillRecord, { refresh_token }: Grant): boolean {
    return refresh_token !== null && vault.fingerprint(refresh_token) !== parent_fp;
  }

  async function replay(): Promise<void> {
    for (const record of await spill.pending()) {
      const grant = parseGrant(record.payload);
      if (grant === null || !(await saveRecord(record, grant))) {
        await forgetSpilled(record.connection_id, record.attempt);
      }
    }
  }

  async function repair(): Promise<void> {
    for (const record of await spill.repairable()) {
      const grant = parseGrant(record.payload);
      if (grant === null || !isRotated(record, grant)) continue;
      const row = await store.getConnection(record.connection_id);
      if (row?.rt_fp === record.parent_fp) await saveRecord(record, grant);
    }
  }

  async function saveRecord(record: SpillRecord, grant: Grant): Promise<boolean> {
    const { connection_id, attempt, parent_fp } = record;
    const row = await store.getConnection(connection_id);
    const provider = row === null ? null : catalog.get(row.integration_type);
    if (row === null || provider === null) return false;
    // One connection whose keys are damaged must not keep the server from starting for all others.
    await save(row, provider, { attempt, parent_fp, grant });
    log.warn("refresh_replayed", { connection_id });
    return true;
  }

  return {
    inHand: (id) => unsaved.get(id)?.result ?? null,
    keep,
    recall,
    replay,
    repair,
    done: () => Promise.allSettled([...unsaved.values()].map(({ done }) => done)),
  };
}

/** A scope that was there before the refresh and is gone: once per loss, not at each refresh after it. */
function isNewlyMissing(before: ConnectionRow, after: ConnectionRow): boolean {
  const known = new Set(notGranted(before));
  return notGranted(after).some((scope) => !known.has(scope));
}
