/**
 * The grants room owns tokens that a provider issued, the OAuth client they belong to, and their
 * revocation. It must not know when a token is refreshed, or who reads it.
 *
 * This file turns the tokens of one response into the columns of a connection. Consent, refresh and
 * the replay of the spill all use it, so there is one way to seal tokens and compute lifetimes.
 */
import { lifeOf, spreadOf, type Life } from "../../core/expiry.ts";
import { missingScopes } from "../../core/scopes.ts";
import { Secret } from "../../core/secret.ts";
import {
  instant,
  isJsonObject,
  plus,
  stringEntries,
  type AppId,
  type ConnectionConfig,
  type ConnectionId,
  type Instant,
} from "../../core/types.ts";
import type { TokenOutcome } from "../../oauth/outcome.ts";
import { keepAliveInterval_ms, refreshTokenExpiry } from "../../providers/lifetime.ts";
import type { Provider } from "../../providers/provider.ts";
import type { RefreshCommit } from "../../store/queries/refresh.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { SealContext, Vault } from "../../vault/seal.ts";

export interface Grant {
  readonly access_token: Secret;
  readonly refresh_token: Secret | null;
  readonly announced_s: number | null;
  readonly refresh_announced_s: number | null;
  /** Null if the response named none: then they have not changed (RFC 6749 §5.1, §6). */
  readonly scopes: readonly string[] | null;
  /** Settings that the response contained. */
  readonly config: ConnectionConfig;
  readonly received_at: Instant;
}

type Tokens = Extract<TokenOutcome, { kind: "ok" }>["tokens"];

export function grantOf(tokens: Tokens, received_at: Instant): Grant {
  const { access_token, refresh_token, announced_s, refresh_announced_s, scopes, config } = tokens;
  return { access_token, refresh_token, announced_s, refresh_announced_s, scopes, config, received_at };
}

/** Returns a grant as plaintext JSON. The caller seals it. */
export function serializeGrant(grant: Grant): Secret {
  return new Secret(
    JSON.stringify({
      ...grant,
      access_token: grant.access_token.expose(),
      refresh_token: grant.refresh_token?.expose() ?? null,
    }),
  );
}

/** Returns the grant, or null if the text has another format, from another version for example. */
export function parseGrant(text: Secret): Grant | null {
  const value: unknown = JSON.parse(text.expose());
  if (!isJsonObject(value) || typeof value["access_token"] !== "string" || typeof value["received_at"] !== "number")
    return null;
  const { scopes, config } = value;
  return {
    access_token: new Secret(value["access_token"]),
    refresh_token: typeof value["refresh_token"] === "string" ? new Secret(value["refresh_token"]) : null,
    announced_s: numberOrNull(value["announced_s"]),
    refresh_announced_s: numberOrNull(value["refresh_announced_s"]),
    scopes: Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === "string") : null,
    config: stringEntries(config),
    received_at: instant(value["received_at"]),
  };
}

const numberOrNull = (value: unknown): number | null => (typeof value === "number" ? value : null);

/** Returns the requested scopes that the provider, or the user at its consent page, left out. */
export function notGranted(row: Pick<ConnectionRow, "scopes_requested" | "scopes_granted"> | null): readonly string[] {
  return row === null ? [] : missingScopes(row.scopes_requested, row.scopes_granted);
}

export interface SealTarget {
  readonly app_id: AppId;
  readonly id: ConnectionId;
  readonly generation: number;
}

/**
 * Returns the place that a connection's ciphertext is bound to. Moved to another row, column, app
 * or generation, it cannot be opened.
 */
export function sealContext(target: SealTarget, column: "access" | "refresh"): SealContext {
  return { table: "connections", column, scope: target.app_id, row_id: target.id, generation: target.generation };
}

/** Values that stay if a response does not replace them. */
export interface Before {
  readonly refresh_token: Secret | null;
  readonly last_lifetime_s: number | null;
  readonly refresh_token_expires_at: Instant | null;
}

export const NOTHING_BEFORE: Before = { refresh_token: null, last_lifetime_s: null, refresh_token_expires_at: null };

/**
 * Seals the grant for `target` and computes its life. If the response has no refresh token, the
 * previous one stays.
 */
export async function grantColumns(
  vault: Vault,
  provider: Provider,
  target: SealTarget,
  grant: Grant,
  before: Before,
): Promise<RefreshCommit["set"]> {
  const refresh_token = grant.refresh_token ?? before.refresh_token;
  const life = lifeOf(
    grant.received_at,
    { announced_s: grant.announced_s, last_s: before.last_lifetime_s, default_s: provider.lifetime.access_s },
    spreadOf(target.id),
  );
  return {
    sealed_access: await vault.seal(sealContext(target, "access"), grant.access_token),
    sealed_refresh: refresh_token === null ? null : await vault.seal(sealContext(target, "refresh"), refresh_token),
    rt_fp: refresh_token === null ? null : vault.fingerprint(refresh_token),
    issued_at: grant.received_at,
    expires_at: life.expires_at,
    last_lifetime_s: life.lifetime_s,
    refresh_at: refresh_token === null ? null : refreshAt(provider, life, grant.received_at),
    refresh_token_expires_at:
      refresh_token === null
        ? null
        : refreshTokenExpiry(
            provider,
            { received_at: grant.received_at, announced_s: grant.refresh_announced_s },
            before.refresh_token_expires_at,
          ),
  };
}

/**
 * Returns when the sweeper refreshes: before the access token expires, and before the refresh token
 * expires from disuse.
 */
function refreshAt(provider: Provider, { refresh_at }: Life, received_at: Instant): Instant | null {
  const keep_alive_ms = keepAliveInterval_ms(provider);
  if (keep_alive_ms === null) return refresh_at;
  const keep_alive_at = plus(received_at, keep_alive_ms);
  return refresh_at === null || keep_alive_at < refresh_at ? keep_alive_at : refresh_at;
}

export function lifeOfRow(row: Pick<ConnectionRow, "expires_at" | "refresh_at" | "last_lifetime_s">): Life {
  return { expires_at: row.expires_at, refresh_at: row.refresh_at, lifetime_s: row.last_lifetime_s };
}
