/**
 * Connections: handing out valid access tokens, listing, disconnecting, removing.
 *
 * A token that still works is served whatever the provider or the refresh does; a dead one is never served. Errors say who
 * must act and where. Knows no HTTP; tokens leave only as Secret.
 */
import { within } from "../../core/clock.ts";
import { ApiError, ERRORS } from "../../core/errors.ts";
import { decide, livesFor, longest_ms } from "../../core/expiry.ts";
import { ID_PATTERN } from "../../core/ids.ts";
import { sha256Hex, type Secret } from "../../core/secret.ts";
import { REASON_TEXT, type ReasonCode } from "../../core/status.ts";
import type { AppId, ConnectionConfig, ConnectionId, Instant } from "../../core/types.ts";
import { changeStatus, deleteConnection } from "../../store/queries/connections.ts";
import { removeConnector } from "../../store/queries/apps.ts";
import { enqueue } from "../../store/queries/outbox.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { sealedFromStorage } from "../../vault/seal.ts";
import { createVerifier } from "./verify.ts";
import { emit } from "../events/events.ts";
import { lifeOfRow, notGranted, sealContext } from "../grants/grant.ts";
import type { Refresher } from "../refresh/refresh.ts";
import type { RefreshFailureCode, RefreshResult } from "../refresh/types.ts";
import type { Revocations } from "../grants/revocation.ts";
import type { OpenConnection, TokenCache } from "../cache/token-cache.ts";
import type { Ground } from "../ground.ts";

export interface Served {
  readonly access_token: Secret;
  readonly integration_type: string;
  readonly connection_config: ConnectionConfig | null;
  readonly connection_id: string;
  /** Null: no end is known. */
  readonly expires_at: Instant | null;
  /** The database is away: as it was when it was last there. */
  readonly is_stale: boolean;
}

/** What a caller asks of the token beyond being valid. */
export interface Wish {
  /** SHA-256 (hex) of an access token that the provider's API refused: not that one. */
  readonly rejected_hash: string | null;
  /** It must live at least so long. */
  readonly min_valid_ms: number | null;
}

export interface ConnectionSummary {
  readonly integration_type: string;
  readonly status: ConnectionRow["status"];
  readonly reason: string | null;
  /** As declared; the catalog's required and default scopes come on top. */
  readonly scopes: readonly string[];
  readonly missing_scopes: readonly string[];
  readonly account: { readonly id: string | null; readonly label: string | null; readonly email: string | null };
  readonly connected_at: number;
}

export interface Connections {
  get(app_id: AppId, integration_type: string, wish: Wish): Promise<Served>;
  list(app_id: AppId): Promise<readonly ConnectionSummary[]>;
  /** Asks the providers about what was not heard of for an hour, so that a list tells what is. In bounded time; never fails. */
  verify(app_id: AppId): Promise<void>;
  /** Tokens go, the entry and its scopes stay. Succeeds when nothing is connected. */
  disconnect(app_id: AppId, integration_type: string): Promise<void>;
  /** Nothing stays. Succeeds when nothing is there. */
  remove(app_id: AppId, integration_type: string): Promise<void>;
}

export interface ConnectionsDeps extends Pick<
  Ground,
  "store" | "vault" | "catalog" | "oauth" | "urls" | "clock" | "limits" | "log"
> {
  readonly refresher: Refresher;
  readonly revocations: Revocations;
  readonly cache: TokenCache;
}

export function createConnections(deps: ConnectionsDeps): Connections {
  const { store, vault, catalog, oauth, refresher, revocations, cache, urls, clock, limits, log } = deps;

  /** Connections that are being refreshed behind their readers. */
  const behind = new Set<ConnectionId>();

  async function get(app_id: AppId, integration_type: string, wish: Wish): Promise<Served> {
    const known = cache.fresh(app_id, integration_type);
    if (known !== null) return serve(known, wish);
    const { value, is_stale } = await cache.read(app_id, integration_type, () => load(app_id, integration_type));
    return is_stale ? serveStale(value, wish) : serve(value, wish);
  }

  async function serve(open: OpenConnection, { rejected_hash, min_valid_ms }: Wish): Promise<Served> {
    if (rejected_hash !== null && sha256Hex(open.access_token.expose()) === rejected_hash) return replaceRejected(open);
    const { row } = open;
    const life = lifeOfRow(row);
    const decision = decide(life, clock.now());
    if (min_valid_ms !== null && decision !== "expired" && !livesFor(life, clock.now(), min_valid_ms)) {
      return longerLived(row, min_valid_ms);
    }
    switch (decision) {
      case "fresh":
        return served(open);
      case "refresh_soon":
        refreshBehind(row);
        return served(open);
      case "refresh_now":
        return row.sealed_refresh === null ? served(open) : refreshOr(open, limits.reader_soft_wait_ms);
      case "expired":
        return row.sealed_refresh === null ? expireNow(row, "no_refresh_token") : refreshed(row, limits.reader_wait_ms);
    }
  }

  /** Nothing can be refreshed, since no intent could be stored: what works is served, and nothing is waited for. */
  function serveStale(open: OpenConnection, { rejected_hash, min_valid_ms }: Wish): Served {
    const { row } = open;
    const in_hand = refresher.inHand(row.id);
    if (in_hand?.kind === "unsaved") return unsaved(in_hand);
    const life = lifeOfRow(row);
    const is_refused = rejected_hash !== null && sha256Hex(open.access_token.expose()) === rejected_hash;
    const is_short = min_valid_ms !== null && !livesFor(life, clock.now(), min_valid_ms);
    if (is_refused || is_short || isOver(open)) throw new ApiError("database_unavailable", { retry_after_s: 1 });
    return { ...served(open), is_stale: true };
  }

  async function load(app_id: AppId, integration_type: string): Promise<OpenConnection> {
    // Before the database sees it: not every database takes every text.
    if (!ID_PATTERN.test(integration_type)) throw new ApiError("invalid_service");
    const epoch = cache.epoch();
    const row = await store.findConnection(app_id, integration_type);
    if (row === null) {
      catalog.require(integration_type);
      throw notConnected(app_id, integration_type);
    }
    return openRow(row, epoch);
  }

  function notConnected(app_id: AppId, integration_type: string): ApiError {
    const reconnect_url = urls.reconnect(app_id, integration_type);
    return new ApiError("not_connected", { reason: "not_connected", reconnect_url });
  }

  async function openRow(row: ConnectionRow, epoch = cache.epoch()): Promise<OpenConnection> {
    if (row.status !== "active" || row.sealed_access === null) throw refusal(row);
    if (row.blocked_at !== null) throw new ApiError("connector_blocked", { reason: "connector_blocked" });
    const sealed = sealedFromStorage(row.sealed_access);
    const context = sealContext(row, "access");
    // Both ways of opening refuse what was tampered with, one of them by throwing at once.
    const opening = async (): Promise<Secret> => vault.openCached(context, sealed) ?? vault.open(context, sealed);
    const access_token = await opening().catch((error: unknown) => notOpened(row, error));
    const { config } = row;
    // An app that builds addresses from the config would send the token to another one.
    if (config === null) return notOpened(row, new ApiError("credential_unreadable"));
    const open = { row, access_token, config: Object.keys(config).length === 0 ? null : config };
    cache.put(open, epoch);
    return open;
  }

  /** The token still works: wait a moment for a better one, then serve it anyway. */
  async function refreshOr(open: OpenConnection, wait_ms: number): Promise<Served> {
    const result = await within(clock, refresher.refresh(open.row, "reader"), wait_ms, null).catch((error: unknown) => {
      log.error("refresh_failed", { connection_id: open.row.id, error });
      return null;
    });
    if (result?.kind === "unsaved") return unsaved(result);
    const best = result?.kind === "current" ? await openRow(result.row) : open;
    // It may have died while a better one was waited for.
    return isOver(best) ? refreshed(best.row, limits.reader_wait_ms) : served(best);
  }

  const isOver = ({ row }: OpenConnection): boolean => decide(lifeOfRow(row), clock.now()) === "expired";

  /** The token is of no use: only a new one helps. */
  async function refreshed(row: ConnectionRow, wait_ms: number): Promise<Served> {
    const result = await within(clock, refresher.refresh(row, "reader"), wait_ms, null);
    if (result === null) throw unavailable(row, "provider_unavailable", limits.reader_retry_ms);
    switch (result.kind) {
      case "current": {
        const open = await openRow(result.row);
        if (isOver(open)) throw unavailable(row, "provider_unavailable", limits.reader_retry_ms);
        return served(open);
      }
      case "unsaved":
        return unsaved(result);
      case "failed":
        throw unavailable(row, result.code, result.retry_after_ms);
      case "gone":
        throw new ApiError("not_connected", { reconnect_url: urls.reconnect(row.app_id, row.integration_type) });
    }
  }

  /** The token in hand ends too early. Asking for more than any token of this service has must not refresh in a loop. */
  async function longerLived(row: ConnectionRow, min_valid_ms: number): Promise<Served> {
    const most_ms = longest_ms(lifeOfRow(row));
    if (row.sealed_refresh === null || (most_ms !== null && most_ms < min_valid_ms)) throw tooShort(row, most_ms);
    refuseTooSoon(row);
    const fresh = await refreshed(row, limits.reader_wait_ms);
    if (fresh.expires_at !== null && fresh.expires_at - clock.now() < min_valid_ms) throw tooShort(row, most_ms);
    return fresh;
  }

  function tooShort(row: ConnectionRow, most_ms: number | null): ApiError {
    const known =
      most_ms === null || row.sealed_refresh === null ? "" : ` At most ${Math.floor(most_ms / 1000)} can be had.`;
    const action = row.sealed_refresh === null ? " There is no refresh token to get another one with." : known;
    return new ApiError("min_valid_unavailable", { message: `${ERRORS.min_valid_unavailable.message}${action}` });
  }

  function refuseTooSoon(row: ConnectionRow): void {
    const age_ms = clock.now() - row.issued_at;
    if (row.win_attempt === null || age_ms >= limits.forced_refresh_interval_ms) return;
    const wait_ms = limits.forced_refresh_interval_ms - age_ms;
    throw new ApiError("refresh_too_soon", { retry_after_s: Math.ceil(wait_ms / 1000) });
  }

  /** The API refused the current token. One refresh, not more than one a minute, or the loop would be ours. */
  async function replaceRejected({ row }: OpenConnection): Promise<Served> {
    refuseTooSoon(row);
    return row.sealed_refresh === null ? checkRejected(row) : refreshed(row, limits.reader_wait_ms);
  }

  /** There is nothing to refresh with: the caller's word alone must not end a connection, so the provider is asked. */
  async function checkRejected(row: ConnectionRow): Promise<Served> {
    const provider = catalog.require(row.integration_type);
    const open = await openRow(row);
    const health = await oauth.health({ provider, config: open.config ?? {}, access_token: open.access_token });
    if (health === "dead") return expireNow(row, "rejected_by_api");
    if (health === "unknown") throw unavailable(row, "provider_unavailable", limits.reader_retry_ms);
    return served(open);
  }

  async function expireNow(row: ConnectionRow, reason: ReasonCode): Promise<never> {
    const changed = await store.transaction(async (tx) => {
      const after = await changeStatus(tx, {
        id: row.id,
        generation: row.generation,
        status: "expired",
        reason,
        confirm_in_ms: null,
      });
      if (after !== null) await emit(tx, "connection.needs_reconnect", after);
      return after;
    });
    cache.drop(row);
    throw refusal(changed ?? { ...row, status: "expired", reason });
  }

  /** Every reader of an ageing token comes by here: all but the first, and all before the next attempt, have nothing to do. */
  function refreshBehind(row: ConnectionRow): void {
    if (behind.has(row.id) || (row.next_attempt_at !== null && row.next_attempt_at > clock.now())) return;
    behind.add(row.id);
    void refresher
      .refresh(row, "background")
      .catch((error: unknown) => log.error("background_refresh_failed", { connection_id: row.id, error }))
      .finally(() => behind.delete(row.id));
  }

  function served({ row, access_token, config }: OpenConnection): Served {
    const { integration_type, id: connection_id, expires_at } = row;
    return { access_token, integration_type, connection_config: config, connection_id, expires_at, is_stale: false };
  }

  function unsaved({ row, grant }: Extract<RefreshResult, { kind: "unsaved" }>): Served {
    const config = { ...row.config, ...grant.config };
    // Its end is computed at the commit, which is still to come.
    const saved = { ...row, expires_at: null };
    return served({
      row: saved,
      access_token: grant.access_token,
      config: Object.keys(config).length === 0 ? null : config,
    });
  }

  function refusal(row: Pick<ConnectionRow, "app_id" | "integration_type" | "status" | "reason">): ApiError {
    const code = row.status === "disconnected" ? "connection_disconnected" : "connection_expired";
    const reason = row.reason ?? "revoked";
    const action = `Open ${urls.reconnect(row.app_id, row.integration_type)} and connect the account again.`;
    return new ApiError(code, {
      reason,
      message: `${REASON_TEXT[reason]} ${action}`,
      reconnect_url: urls.reconnect(row.app_id, row.integration_type),
    });
  }

  /** The database may be away, or the app deleted since its row was read, data key and all: then nothing is damaged. */
  async function notOpened(row: ConnectionRow, cause: unknown): Promise<never> {
    if (cause instanceof ApiError && cause.code !== "credential_unreadable") throw cause;
    const now = await store.findConnection(row.app_id, row.integration_type);
    if (now === null) throw notConnected(row.app_id, row.integration_type);
    log.error("credential_unreadable", {
      connection_id: row.id,
      app_id: row.app_id,
      integration_type: row.integration_type,
      error: cause,
    });
    throw new ApiError("credential_unreadable", {
      reason: "credential_unreadable",
      reconnect_url: urls.reconnect(row.app_id, row.integration_type),
      cause,
    });
  }

  function unavailable(row: ConnectionRow, code: RefreshFailureCode, retry_after_ms: number): ApiError {
    log.warn("token_unavailable", { connection_id: row.id, integration_type: row.integration_type, code });
    return new ApiError(code, { reason: code, retry_after_s: Math.max(1, Math.ceil(retry_after_ms / 1000)) });
  }

  async function list(app_id: AppId): Promise<readonly ConnectionSummary[]> {
    const declared = new Map(
      (await store.listConnectors(app_id)).map((connector) => [connector.integration_type, connector.scopes]),
    );
    return (await store.listConnections(app_id)).map((row) => ({
      integration_type: row.integration_type,
      status: row.status,
      reason: row.reason,
      scopes: declared.get(row.integration_type) ?? [],
      missing_scopes: notGranted(row),
      account: { id: row.account_id, label: row.account_label, email: row.account_email },
      connected_at: row.created_at,
    }));
  }

  async function disconnect(app_id: AppId, integration_type: string): Promise<void> {
    const row = await findKnown(app_id, integration_type);
    if (row === null || row.status === "disconnected") return;
    const revocation = await revocations.prepare(row);
    const changed = await store.transaction(async (tx) => {
      const after = await changeStatus(tx, {
        id: row.id,
        generation: row.generation,
        status: "disconnected",
        reason: "disconnected_by_builder",
        confirm_in_ms: null,
      });
      if (after === null) return false;
      if (revocation !== null) await enqueue(tx, revocation);
      await emit(tx, "connection.disconnected", after);
      return true;
    });
    cache.drop(row);
    // A refresh was faster: disconnect what is there now, or its new token would stay.
    if (!changed) await disconnect(app_id, integration_type);
  }

  /** A service that the operator has taken out of the catalog can still be disconnected where it is connected. */
  async function findKnown(app_id: AppId, integration_type: string): Promise<ConnectionRow | null> {
    if (!ID_PATTERN.test(integration_type)) throw new ApiError("invalid_service");
    const row = await store.findConnection(app_id, integration_type);
    if (row === null) catalog.require(integration_type);
    return row;
  }

  async function remove(app_id: AppId, integration_type: string): Promise<void> {
    await disconnect(app_id, integration_type);
    const row = await store.findConnection(app_id, integration_type);
    await store.transaction(async (tx) => {
      if (row !== null) await deleteConnection(tx, row.id);
      await removeConnector(tx, app_id, integration_type);
    });
    if (row !== null) cache.drop(row);
  }

  return { get, list, verify: createVerifier(deps), disconnect, remove };
}
