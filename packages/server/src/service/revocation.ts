/**
 * Revoking tokens at the provider after a disconnect (RFC 7009 and the vendors' own ways): best effort, from the outbox, so
 * that it survives a crash and never holds up the person who disconnects. Whatever the provider says, the local copy is
 * gone: the sealed tokens leave the outbox when the item is done.
 */
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { asOAuthClientId, newId } from "../core/ids.ts";
import { Secret } from "../core/secret.ts";
import { isJsonObject, plus } from "../core/types.ts";
import type { OAuthClient } from "../oauth/client.ts";
import type { Catalog } from "../providers/index.ts";
import { enqueue, type NewOutboxItem } from "../store/queries/outbox.ts";
import type { Store } from "../store/store.ts";
import type { ConnectionRow, OutboxRow } from "../store/tables.ts";
import type { Log } from "../telemetry/log.ts";
import { sealedFromStorage, type SealContext, type Vault } from "../vault/seal.ts";
import { backoff_ms } from "./backoff.ts";
import { INSTALLATION, type OAuthClients } from "./clients.ts";
import { parseConfig, sealContext, type Grant } from "./grant.ts";

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

export interface RevocationDeps {
  readonly store: Store;
  readonly vault: Vault;
  readonly oauth: OAuthClient;
  readonly catalog: Catalog;
  readonly clients: OAuthClients;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Log;
  readonly random: () => number;
}

export function createRevocations(deps: RevocationDeps): Revocations {
  const { store, vault, oauth, catalog, clients, clock, limits, log } = deps;

  async function prepare(row: ConnectionRow): Promise<NewOutboxItem | null> {
    if (row.sealed_access === null) return null;
    return itemFor(row, {
      access_token: await open(row, "access", row.sealed_access),
      refresh_token: row.sealed_refresh === null ? null : await open(row, "refresh", row.sealed_refresh),
    });
  }

  /** Null when there is nothing to revoke, or nothing that may be. */
  async function itemFor(
    row: ConnectionRow,
    { access_token, refresh_token }: { access_token: Secret | null; refresh_token: Secret | null },
  ): Promise<NewOutboxItem | null> {
    const provider = catalog.get(row.integration_type);
    if (provider === null || provider.revocation.kind === "none") return null;
    if (provider.revocation.kills_grant && (await hasSibling(row))) return null;
    if (access_token === null && refresh_token === null) return null;
    const id = newId("out");
    const tokens = new Secret(
      JSON.stringify({ access_token: access_token?.expose() ?? null, refresh_token: refresh_token?.expose() ?? null }),
    );
    const payload = JSON.stringify({
      integration_type: row.integration_type,
      oauth_client_id: row.oauth_client_id,
      config: parseConfig(row.config),
    });
    return {
      app_id: row.app_id,
      id,
      kind: "revoke",
      connection_id: row.id,
      payload,
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

  /** Another live connection of the same person and client, whose tokens the provider would end as well (R84). */
  async function hasSibling(row: ConnectionRow): Promise<boolean> {
    const siblings = await store.connectionsOfClient(row.oauth_client_id);
    return siblings.some(
      (other) => other.id !== row.id && other.status === "active" && other.account_id === row.account_id,
    );
  }

  async function revoke(item: OutboxRow): Promise<void> {
    const outcome = await attempt(item);
    const over = clock.now() - item.created_at > GIVE_UP_AFTER_MS;
    if (outcome === "retry" && !over) {
      const wait_ms = backoff_ms(item.attempts, limits, deps.random());
      await store.postponeOutbox(item.id, item.attempts + 1, plus(clock.now(), wait_ms));
      return;
    }
    await store.finishOutbox(item.id);
    log.info("revoked_at_provider", { connection_id: item.connection_id, outcome });
  }

  async function attempt(item: OutboxRow): Promise<"revoked" | "unsupported" | "failed" | "retry"> {
    const details: unknown = JSON.parse(item.payload);
    if (!isJsonObject(details) || item.sealed === null || typeof details["integration_type"] !== "string")
      return "failed";
    const provider = catalog.get(details["integration_type"]);
    const { oauth_client_id } = details;
    const client = typeof oauth_client_id === "string" ? await clients.open(asOAuthClientId(oauth_client_id)) : null;
    if (provider === null || client === null) return "failed";
    const text = await vault.open(context(item.id), sealedFromStorage(item.sealed)).catch(() => null);
    const tokens: unknown = text === null ? null : JSON.parse(text.expose());
    if (!isJsonObject(tokens)) return "failed";
    const result = await oauth.revoke({
      provider,
      config: parseConfig(details["config"]),
      client,
      access_token: secretOrNull(tokens["access_token"]),
      refresh_token: secretOrNull(tokens["refresh_token"]),
    });
    if (result.kind !== "failed") return result.kind;
    return result.retry ? "retry" : "failed";
  }

  return {
    prepare,
    revokeLate,
    async run() {
      for (const item of await store.dueOutbox("revoke", limits.outbox_batch)) await revoke(item);
    },
  };
}

const secretOrNull = (value: unknown): Secret | null => (typeof value === "string" ? new Secret(value) : null);
