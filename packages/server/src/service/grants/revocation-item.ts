/** The outbox item of a revocation: the sealed tokens, or the reason for not sending them. */
import { newId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import type { Provider } from "../../providers/provider.ts";
import type { NewOutboxItem } from "../../store/queries/outbox.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { sealedFromStorage, type SealContext } from "../../vault/seal.ts";
import type { Ground } from "../ground.ts";
import { INSTALLATION, type OAuthClients, type OpenClient } from "./clients.ts";
import { sealContext, type Grant } from "./grant.ts";

export type Tokens = Pick<Grant, "access_token" | "refresh_token">;

interface ItemDeps extends Pick<Ground, "store" | "vault" | "catalog"> {
  readonly clients: OAuthClients;
}

/** Returns the item for a row's tokens, or null if there are none that can be opened. */
export async function itemForRow(deps: ItemDeps, row: ConnectionRow): Promise<NewOutboxItem | null> {
  if (row.sealed_access === null) return null;
  const access_token = await openOrNull(deps, row, "access", row.sealed_access);
  const refresh_token = row.sealed_refresh === null ? null : await openOrNull(deps, row, "refresh", row.sealed_refresh);
  return await itemFor(deps, row, access_token, refresh_token);
}

export function itemForTokens(
  deps: ItemDeps,
  row: ConnectionRow,
  { access_token, refresh_token }: Tokens,
): Promise<NewOutboxItem | null> {
  return itemFor(deps, row, access_token, refresh_token);
}

/**
 * Opens a token, or returns null. Unreadable tokens cannot be revoked, and must not prevent a
 * disconnect.
 */
async function openOrNull(
  { vault }: ItemDeps,
  row: ConnectionRow,
  column: "access" | "refresh",
  bytes: Uint8Array,
): Promise<Secret | null> {
  return await vault.open(sealContext(row, column), sealedFromStorage(bytes)).catch(() => null);
}

async function itemFor(
  { store, vault, catalog, clients }: ItemDeps,
  row: ConnectionRow,
  access_token: Secret | null,
  refresh_token: Secret | null,
): Promise<NewOutboxItem | null> {
  const provider = catalog.get(row.integration_type);
  if (provider === null || (access_token === null && refresh_token === null)) return null;
  const id = newId("out");
  const { integration_type, oauth_client_id, account_id } = row;
  const outcome = await reasonAgainst(store, provider, row, row.id);
  const item = { app_id: row.app_id, id, kind: "revoke", connection_id: row.id } as const;
  // The receipt needs the workspace, and the app may be deleted by then.
  const workspace_id = (await store.getApp(row.app_id))?.workspace_id ?? null;
  if (outcome !== null) return { ...item, payload: { integration_type, workspace_id, outcome }, sealed: null };
  // The item includes the client, which may be removed before the item is sent.
  const client = await clients.open(oauth_client_id).catch(() => null);
  return {
    ...item,
    payload: { integration_type, workspace_id, oauth_client_id, account_id, config: row.config ?? {} },
    sealed: await vault.seal(itemContext(id), serializeTokens(access_token, refresh_token, client)),
  };
}

function serializeTokens(access_token: Secret | null, refresh_token: Secret | null, client: OpenClient | null): Secret {
  return new Secret(
    JSON.stringify({
      access_token: access_token?.expose() ?? null,
      refresh_token: refresh_token?.expose() ?? null,
      ...(client === null ? {} : { client_id: client.client_id, client_secret: client.client_secret.expose() }),
    }),
  );
}

/**
 * Returns the reason to send nothing, or null. `kept`: another live connection of the same account
 * and OAuth client would end too. `except`: a connection to ignore.
 */
export async function reasonAgainst(
  store: Ground["store"],
  { revocation }: Provider,
  { oauth_client_id, account_id }: Pick<ConnectionRow, "oauth_client_id" | "account_id">,
  except: string | null,
): Promise<"unsupported" | "kept" | null> {
  if (revocation.kind === "none") return "unsupported";
  if (!revocation.kills_grant) return null;
  const is_used = (await store.connectionsOfClient(oauth_client_id)).some(
    (other) => other.id !== except && other.status === "active" && other.account_id === account_id,
  );
  return is_used ? "kept" : null;
}

/**
 * The place that an item's tokens are sealed for. Under the installation's key, because the app's
 * own may be deleted before the item is sent.
 */
export const itemContext = (id: string): SealContext => ({
  table: "outbox",
  column: "sealed",
  scope: INSTALLATION,
  row_id: id,
  generation: 0,
});
