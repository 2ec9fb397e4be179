/**
 * Revoking tokens at the provider after a disconnect (RFC 7009 and the vendors' own ways): best effort, from the outbox, so
 * that it survives a crash and never holds up the person who disconnects. Whatever the provider says, the local copy is
 * gone: the sealed tokens leave the outbox when the item is done.
 *
 * Each end has its receipt in the audit trail: `revocation.revoked`; `revocation.failed` (the provider refused, or was away
 * for a day); `revocation.unsupported` (it has no such call); `revocation.kept` (it would have ended another live connection
 * of the same account, too). Why nothing is to be sent is decided with the disconnect, and waits in the outbox as well.
 */
import { asOAuthClientId, asWorkspaceId, newId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import { isJsonObject, plus, stringEntries, type JsonObject, type OAuthClientId } from "../../core/types.ts";
import type { Provider } from "../../providers/provider.ts";
import { enqueue, type NewOutboxItem } from "../../store/queries/outbox.ts";
import type { ConnectionRow, OutboxRow } from "../../store/tables.ts";
import { sealedFromStorage, type SealContext } from "../../vault/seal.ts";
import type { Audit } from "../audit.ts";
import { backoff_ms } from "../../core/backoff.ts";
import { INSTALLATION, type OAuthClients, type OpenClient } from "./clients.ts";
import { sealContext, type Grant } from "./grant.ts";
import type { Ground } from "../ground.ts";

/** Trying for longer does not make a revocation likelier, and keeps sealed tokens around. One day. */
const GIVE_UP_AFTER_MS = 86_400_000;

/** Sealed under the installation's key: the app's own may be destroyed before the revocation is sent. */
const context = (id: string): SealContext => ({
  table: "outbox",
  column: "sealed",
  scope: INSTALLATION,
  row_id: id,
  generation: 0,
});

export interface Revocations {
  /** The outbox item that revokes a row's tokens, or null when there is nothing to revoke or nothing that may be. */
  prepare(row: ConnectionRow): Promise<NewOutboxItem | null>;
  /** Tokens that came when their connection was over already. `row`: as it was when they were asked for. */
  revokeLate(row: ConnectionRow, tokens: Pick<Grant, "access_token" | "refresh_token">): Promise<void>;
  /** Sends what is due. */
  run(): Promise<void>;
}

export interface TokenRevocations extends Revocations {
  /** As `prepare`, for tokens in hand. `row`: whose they are, and of which client. */
  prepareTokens(
    row: ConnectionRow,
    tokens: Pick<Grant, "access_token" | "refresh_token">,
  ): Promise<NewOutboxItem | null>;
}

type Outcome = "revoked" | "unsupported" | "kept" | "failed";

export interface RevocationDeps extends Pick<
  Ground,
  "store" | "vault" | "oauth" | "catalog" | "clock" | "limits" | "log" | "random"
> {
  readonly clients: OAuthClients;
  readonly audit: Audit;
}

export function createRevocations(deps: RevocationDeps): TokenRevocations {
  const { store, vault, oauth, catalog, clients, audit, clock, limits, log } = deps;

  async function prepare(row: ConnectionRow): Promise<NewOutboxItem | null> {
    if (row.sealed_access === null) return null;
    const tokens = {
      access_token: await open(row, "access", row.sealed_access),
      refresh_token: row.sealed_refresh === null ? null : await open(row, "refresh", row.sealed_refresh),
    };
    return itemFor(row, tokens);
  }

  /** Null when there is nothing to revoke. What may not be revoked becomes an item without tokens, which says why. */
  async function itemFor(
    row: ConnectionRow,
    { access_token, refresh_token }: { access_token: Secret | null; refresh_token: Secret | null },
  ): Promise<NewOutboxItem | null> {
    const provider = catalog.get(row.integration_type);
    if (provider === null || (access_token === null && refresh_token === null)) return null;
    const id = newId("out");
    const { integration_type, oauth_client_id, account_id } = row;
    const reason = await reasonAgainst(provider, row, row.id);
    const item = { app_id: row.app_id, id, kind: "revoke", connection_id: row.id } as const;
    // For the receipt, which nobody could find otherwise: by then the app may be deleted.
    const workspace_id = (await store.getApp(row.app_id))?.workspace_id ?? null;
    if (reason !== null) return { ...item, payload: { integration_type, workspace_id, outcome: reason }, sealed: null };
    // Brought along: until the item is sent, the client may be removed, or deleted with its workspace.
    const client = await clients.open(oauth_client_id).catch(() => null);
    const tokens = new Secret(
      JSON.stringify({
        access_token: access_token?.expose() ?? null,
        refresh_token: refresh_token?.expose() ?? null,
        ...(client === null ? {} : { client_id: client.client_id, client_secret: client.client_secret.expose() }),
      }),
    );
    return {
      ...item,
      payload: { integration_type, workspace_id, oauth_client_id, account_id, config: row.config ?? {} },
      sealed: await vault.seal(context(id), tokens),
    };
  }

  async function revokeLate(row: ConnectionRow, tokens: Pick<Grant, "access_token" | "refresh_token">): Promise<void> {
    const item = await itemFor(row, tokens);
    if (item !== null) await store.transaction((tx) => enqueue(tx, item));
  }

  /** Unreadable tokens cannot be revoked; that must not keep anyone from disconnecting. */
  async function open(row: ConnectionRow, column: "access" | "refresh", bytes: Uint8Array): Promise<Secret | null> {
    return vault.open(sealContext(row, column), sealedFromStorage(bytes)).catch(() => null);
  }

  /** `kept`: a live connection of the same person and client, whose tokens the provider would end as well. */
  async function reasonAgainst(
    { revocation }: Provider,
    { oauth_client_id, account_id }: Pick<ConnectionRow, "oauth_client_id" | "account_id">,
    except: string | null,
  ): Promise<"unsupported" | "kept" | null> {
    if (revocation.kind === "none") return "unsupported";
    if (!revocation.kills_grant) return null;
    const alive = (await store.connectionsOfClient(oauth_client_id)).some(
      (other) => other.id !== except && other.status === "active" && other.account_id === account_id,
    );
    return alive ? "kept" : null;
  }

  async function revoke(item: OutboxRow): Promise<void> {
    const outcome = await attempt(item);
    const over = clock.now() - item.created_at > GIVE_UP_AFTER_MS;
    if (outcome === "retry" && !over) {
      const wait_ms = backoff_ms(item.attempts, limits, deps.random());
      await store.postponeOutbox(item.id, item.attempts + 1, plus(clock.now(), wait_ms));
      return;
    }
    await receipt(item, outcome === "retry" ? "failed" : outcome);
    await store.finishOutbox(item.id);
    log.info("revoked_at_provider", { connection_id: item.connection_id, outcome });
  }

  /** Before the item is done, so that a crash between the two repeats it rather than losing it. */
  async function receipt({ app_id, payload }: OutboxRow, outcome: Outcome): Promise<void> {
    const { integration_type, workspace_id } = payload ?? {};
    audit.record({
      app_id,
      workspace_id: typeof workspace_id === "string" ? asWorkspaceId(workspace_id) : null,
      actor: "server",
      action: `revocation.${outcome}`,
      target: textOrNull(integration_type),
      request_id: null,
    });
    await audit.flush();
  }

  async function attempt(item: OutboxRow): Promise<Outcome | "retry"> {
    const details = item.payload;
    if (details === null || typeof details["integration_type"] !== "string") return "failed";
    const { outcome, oauth_client_id, account_id } = details;
    if (outcome === "unsupported" || outcome === "kept") return outcome;
    const provider = catalog.get(details["integration_type"]);
    if (provider === null || item.sealed === null || typeof oauth_client_id !== "string") return "failed";
    const client_id = asOAuthClientId(oauth_client_id);
    // Asked again: the account may have been connected anew since, and that grant is not to be ended.
    const whose = { oauth_client_id: client_id, account_id: textOrNull(account_id) };
    const reason = account_id === undefined ? null : await reasonAgainst(provider, whose, null);
    if (reason !== null) return reason;
    const text = await vault.open(context(item.id), sealedFromStorage(item.sealed)).catch(() => null);
    const tokens: unknown = text === null ? null : JSON.parse(text.expose());
    if (!isJsonObject(tokens)) return "failed";
    const client = (await clients.open(client_id)) ?? broughtAlong(client_id, tokens);
    if (client === null) return "failed";
    const result = await oauth.revoke({
      provider,
      config: stringEntries(details["config"]),
      client,
      access_token: secretOrNull(tokens["access_token"]),
      refresh_token: secretOrNull(tokens["refresh_token"]),
    });
    if (result.kind !== "failed") return result.kind;
    return result.retry ? "retry" : "failed";
  }

  return {
    prepare,
    prepareTokens: itemFor,
    revokeLate,
    async run() {
      const due = await store.dueOutbox("revoke", limits.outbox_batch);
      for (const item of due) await revoke(item);
      if (due.length > 0) await store.purge();
    },
  };
}

/** The client as it was when the tokens ended. */
function broughtAlong(id: OAuthClientId, { client_id, client_secret }: JsonObject): OpenClient | null {
  if (typeof client_id !== "string" || typeof client_secret !== "string") return null;
  return { id, client_id, client_secret: new Secret(client_secret) };
}

const secretOrNull = (value: unknown): Secret | null => (typeof value === "string" ? new Secret(value) : null);
const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);
