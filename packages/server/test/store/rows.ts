/** Rows for the store's suite: complete, valid, and different only where a test sets a value. */
import { newAppId, newConnectionId, newFlowId, newOAuthClientId, newWorkspaceId } from "../../src/core/ids.ts";
import { instant, type AppId, type Instant } from "../../src/core/types.ts";
import type { ConsentedConnection } from "../../src/store/queries/connections.ts";
import type { ClaimRequest, RefreshCommit } from "../../src/store/queries/refresh.ts";
import type { NewFlow } from "../../src/store/queries/flows.ts";
import { run } from "../../src/store/operation.ts";
import { putConnection } from "../../src/store/queries/connections.ts";
import type { Store } from "../../src/store/store.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";

export const bytes = (fill: number): Uint8Array => Buffer.alloc(16, fill);

export function consented(change: Partial<ConsentedConnection> = {}): ConsentedConnection {
  return {
    app_id: newAppId(),
    id: newConnectionId(),
    integration_type: "slack",
    account_id: "U1",
    account_label: "ada",
    account_email: null,
    scopes_requested: ["a"],
    scopes_granted: ["a"],
    config: {},
    sealed_access: bytes(1),
    sealed_refresh: bytes(2),
    generation: 1,
    rt_fp: "rt1",
    issued_at: instant(1_000),
    expires_at: instant(3_601_000),
    last_lifetime_s: 3600,
    refresh_at: instant(3_001_000),
    refresh_token_expires_at: null,
    oauth_client_id: newOAuthClientId(),
    connected_by: "administrator",
    ...change,
  };
}

/** Stores a connection and returns its row. */
export async function stored(store: Store, change: Partial<ConsentedConnection> = {}): Promise<ConnectionRow> {
  const wanted = consented({ ...change, app_id: await appWith(store, change.app_id) });
  if (!(await store.transaction((tx) => putConnection(tx, wanted, null)))) throw new Error("not stored");
  return present(store, wanted.id);
}

/** Ensures an app with this id, in a workspace of its own. Returns the id. */
export async function appWith(store: Store, id: AppId = newAppId()): Promise<AppId> {
  const app = { id, workspace_id: newWorkspaceId(), name: id, functions_enabled: 1 };
  await store.transaction(async (tx) => {
    tx.invalidates("apps", id);
    await run(
      tx.db
        .insertInto("apps")
        .values({ ...app, created_at: tx.now, updated_at: tx.now })
        .onConflict((conflict) => conflict.doNothing()),
    );
  });
  return id;
}

export async function present(store: Store, id: ConnectionRow["id"]): Promise<ConnectionRow> {
  const row = await store.getConnection(id);
  if (row === null) throw new Error(`There is no connection ${id}.`);
  return row;
}

export function claimOf(row: ConnectionRow, change: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    id: row.id,
    generation: row.generation,
    owner: "node_one",
    lease_ms: 20_000,
    urgency: { kind: "background" },
    resend_ms: null,
    holder_wait_ms: 300_000,
    dead_owners: [],
    ...change,
  };
}

/**
 * Returns the commit of a response to `parent_fp`, whose refresh token has the fingerprint `rt_fp`.
 */
export function commitOf(
  row: Pick<ConnectionRow, "id" | "generation">,
  answer: { attempt: number; parent_fp: string; rt_fp: string; issued_at?: Instant },
): RefreshCommit {
  const issued_at = answer.issued_at ?? instant(4_000_000);
  return {
    id: row.id,
    attempt: answer.attempt,
    parent_fp: answer.parent_fp,
    base_generation: row.generation,
    set: {
      sealed_access: bytes(11),
      sealed_refresh: bytes(12),
      rt_fp: answer.rt_fp,
      issued_at,
      expires_at: instant(issued_at + 3_600_000),
      last_lifetime_s: 3600,
      refresh_at: instant(issued_at + 3_000_000),
      refresh_token_expires_at: null,
    },
    merge: () => ({ scopes_granted: ["a"], config: {} }),
  };
}

export function flowOf(change: Partial<NewFlow> = {}): NewFlow {
  return {
    app_id: newAppId(),
    id: newFlowId(),
    integration_type: "slack",
    initiator: "administrator",
    scopes: [],
    config: {},
    return_to: null,
    ...change,
  };
}

export const startOf = (state_hash: string) => ({
  oauth_client_id: newOAuthClientId(),
  redirect_uri: "http://localhost:4180/api/external-auth/callback/slack",
  vendor: "slack",
  state_hash,
  browser_hash: "browser",
  sealed_request: bytes(3),
  config: {},
});

export async function appOf(store: Store, name = "shop") {
  const workspace_id = await store.defaultWorkspace(newWorkspaceId(), "builder");
  const app = { id: newAppId(), workspace_id, name };
  if (!(await store.createApp(app))) throw new Error(`The app ${name} exists already.`);
  return app;
}
