/**
 * Revokes tokens at the provider after a disconnect (RFC 7009, or the vendor's own way). Best
 * effort, from the outbox: a revocation survives a crash and never delays the disconnect. In any
 * case the local copy is deleted, because the sealed tokens leave the outbox with the item.
 *
 * Each item ends with a receipt in the audit trail:
 *
 * - `revocation.revoked`
 * - `revocation.failed`: the provider refused, or was unreachable for a day.
 * - `revocation.unsupported`: the provider has no such call.
 * - `revocation.kept`: it would also have ended another live connection of the same account.
 *
 * The disconnect decides the last two, and they wait in the outbox too.
 */
import { enqueue, type NewOutboxItem } from "../../store/queries/outbox.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { itemForRow, itemForTokens, type Tokens } from "./revocation-item.ts";
import { revoke, type RevocationDeps } from "./revocation-send.ts";

export interface Revocations {
  /** Returns the outbox item that revokes a row's tokens, or null if there are none. */
  prepare(row: ConnectionRow): Promise<NewOutboxItem | null>;
  /** Returns the same for other tokens. `row` names their account, OAuth client and config. */
  prepareTokens(row: ConnectionRow, tokens: Tokens): Promise<NewOutboxItem | null>;
  /** Queues tokens that arrived after their connection ended. `row`: as it was at the request. */
  revokeLate(row: ConnectionRow, tokens: Tokens): Promise<void>;
  /** Sends the items that are due. */
  run(): Promise<void>;
}

export function createRevocations(deps: RevocationDeps): Revocations {
  return {
    prepare: (row) => itemForRow(deps, row),
    prepareTokens: (row, tokens) => itemForTokens(deps, row, tokens),
    revokeLate: (row, tokens) => revokeLate(deps, row, tokens),
    run: () => run(deps),
  };
}

async function revokeLate(deps: RevocationDeps, row: ConnectionRow, tokens: Tokens): Promise<void> {
  const item = await itemForTokens(deps, row, tokens);
  if (item !== null) await deps.store.transaction((tx) => enqueue(tx, item));
}

async function run(deps: RevocationDeps): Promise<void> {
  const { store, limits } = deps;
  const due = await store.dueOutbox("revoke", limits.outbox_batch);
  for (const item of due) await revoke(deps, item);
  if (due.length > 0) await store.purge();
}
