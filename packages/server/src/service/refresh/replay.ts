/** Commits responses that are in the spill, but not in the database. Sends nothing. */
import type { Provider } from "../../providers/provider.ts";
import { parseGrant, type Grant } from "../grants/grant.ts";
import { markSpilled, save, type CommitDeps } from "./commit.ts";
import type { SpillRecord } from "./spill-record.ts";
import type { Claimed, RefreshResult } from "./types.ts";

/** Commits the responses that a crash left in the spill. */
export async function replay(deps: CommitDeps): Promise<void> {
  for (const record of await deps.spill.pending()) {
    const grant = parseGrant(record.payload);
    if (grant === null || !(await saveRecord(deps, record, grant))) {
      await markSpilled(deps, record.connection_id, record.attempt);
    }
  }
}

/** Commits again the responses that a failover lost from the database. */
export async function repair(deps: CommitDeps): Promise<void> {
  for (const record of await deps.spill.repairable()) {
    const grant = parseGrant(record.payload);
    if (grant === null || !isRotated(deps, record, grant)) continue;
    const row = await deps.store.getConnection(record.connection_id);
    if (row?.rt_fp === record.parent_fp) await saveRecord(deps, record, grant);
  }
}

/**
 * Commits the response that this process already has for the stored refresh token, because the
 * database lost its commit. Sending the token again would be the reuse that revokes the grant.
 * Returns null if there is no such response.
 */
export async function recall(
  deps: CommitDeps,
  { row, attempt }: Claimed,
  provider: Provider,
): Promise<RefreshResult | null> {
  const { spill, log } = deps;
  const record = await spill.latest(row.id);
  if (record === null || record.parent_fp !== row.rt_fp) return null;
  const grant = parseGrant(record.payload);
  if (grant === null || !isRotated(deps, record, grant)) return null;
  log.warn("refresh_replayed", { connection_id: row.id });
  return await save(deps, row, provider, { attempt, parent_fp: record.parent_fp, grant });
}

/**
 * Reports whether the response replaced the refresh token. A refresh token that stays is exchanged
 * many times, so an earlier response for it proves nothing.
 */
function isRotated({ vault }: CommitDeps, { parent_fp }: SpillRecord, { refresh_token }: Grant): boolean {
  return refresh_token !== null && vault.fingerprint(refresh_token) !== parent_fp;
}

/** Returns false if the connection or its provider no longer exists. */
async function saveRecord(deps: CommitDeps, record: SpillRecord, grant: Grant): Promise<boolean> {
  const { connection_id, attempt, parent_fp } = record;
  const row = await deps.store.getConnection(connection_id);
  const provider = row === null ? null : deps.catalog.get(row.integration_type);
  if (row === null || provider === null) return false;
  // Does not throw: one connection with damaged keys must not keep the server from starting.
  await save(deps, row, provider, { attempt, parent_fp, grant });
  deps.log.warn("refresh_replayed", { connection_id });
  return true;
}
