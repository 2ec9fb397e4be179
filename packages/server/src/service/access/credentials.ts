/**
 * Whom a credential belongs to: service tokens, function tokens, API keys, command lines' sessions. Verified rows are cached,
 * bounded, and forgotten at once when a credential is revoked here, within a second when another process did it. With an
 * app's token goes what its workspace's plan and its own switch say, so that no use of it asks the database twice.
 */
import { ApiError } from "../../core/errors.ts";
import { asUserId, parseCredential, sameDigest, type ParsedCredential } from "../../core/ids.ts";
import type { AppId, Instant } from "../../core/types.ts";
import type { ApiKeysTable, AppRow, ServiceTokenRow, ServiceTokensTable } from "../../store/tables.ts";
import { requireConnectors, type BuilderPrincipal } from "./authorization.ts";
import { CLI_TOKEN_PREFIX, type CliSessions } from "./cli-sessions.ts";
import type { DatabaseGate } from "../cache/database-gate.ts";
import { FUNCTION_TOKEN_PREFIX, type FunctionTokens } from "./function-tokens.ts";
import { createReadCache, type ReadCache } from "../cache/read-cache.ts";
import type { Ground } from "../ground.ts";

/** A backend of one app. `actor` names the credential in the audit trail. */
export interface AppPrincipal {
  readonly kind: "app";
  readonly app_id: AppId;
  readonly actor: string;
  readonly standing: Standing;
}

/** Whether an app's tokens are good for anything now. */
export type Standing = Pick<AppRow, "plan" | "functions_enabled">;

/** @throws ApiError `functions_disabled`, `plan_upgrade_required` */
export function requireStanding({ plan, functions_enabled }: Standing): void {
  if (!functions_enabled) throw new ApiError("functions_disabled");
  requireConnectors(plan);
}

export interface Credentials {
  /** @throws ApiError `invalid_token`, `token_expired`, `token_revoked`, `service_token_required` */
  app(bearer: string): Promise<AppPrincipal>;
  /** @throws ApiError `invalid_token`, `token_expired`, `token_revoked`, `builder_required` */
  builder(credential: string): Promise<BuilderPrincipal>;
  /** Something changed here. */
  clear(): void;
  /** Something may have changed elsewhere. */
  markStale(): void;
  /** Writes when tokens and keys were last used. */
  flush(): Promise<void>;
}

type Row = Pick<ServiceTokensTable, "id" | "digest" | "expires_at" | "revoked_at">;

export interface CredentialsDeps extends Pick<Ground, "store" | "clock" | "limits"> {
  readonly functionTokens: FunctionTokens;
  readonly cliSessions: Pick<CliSessions, "verifyCliSession">;
  readonly gate: DatabaseGate;
}

export function createCredentials(deps: CredentialsDeps): Credentials {
  const { store, functionTokens, cliSessions, clock, limits, gate } = deps;
  // Whoever writes says so; nothing here grows old by itself.
  const options = { entries: limits.credential_cache_entries, ttl_ms: Number.POSITIVE_INFINITY, limits, clock, gate };
  const serviceTokens = createReadCache<ServiceTokenRow>(options);
  const apiKeys = createReadCache<ApiKeysTable>(options);
  const standings = createReadCache<AppRow>(options);
  let used = { tokens: new Map<string, Instant>(), keys: new Map<string, Instant>() };

  async function app(bearer: string): Promise<AppPrincipal> {
    if (bearer.startsWith(FUNCTION_TOKEN_PREFIX)) return functionPrincipal(bearer);
    const parsed = parseCredential(bearer);
    if (parsed === null) throw new ApiError("invalid_token");
    if (parsed.prefix === "b44k") {
      await builder(bearer);
      throw new ApiError("service_token_required");
    }
    const row = await verified(serviceTokens, parsed, () => store.getServiceToken(parsed.id));
    // Bounded by the cache's size: an id gets here only when its row exists.
    used.tokens.set(parsed.id, clock.now());
    return { kind: "app", app_id: row.app_id, actor: `service_token:${row.id}`, standing: row };
  }

  /** Nothing of it is stored, so the app's row is kept by itself. */
  async function functionPrincipal(bearer: string): Promise<AppPrincipal> {
    const claims = functionTokens.verify(bearer);
    if (claims === null) throw new ApiError("invalid_token");
    const { app_id, function_name, invocation_id } = claims;
    const standing = standings.fresh(app_id) ?? (await readApp(app_id));
    return { kind: "app", app_id, actor: `function:${function_name}:${invocation_id}`, standing };
  }

  async function readApp(app_id: AppId): Promise<AppRow> {
    const epoch = standings.epoch();
    const { value, is_stale } = await standings.read(app_id, async () => {
      const row = await store.getApp(app_id);
      if (row === null) throw new ApiError("invalid_token");
      return row;
    });
    if (!is_stale) standings.put(app_id, value, epoch);
    return value;
  }

  /** The kinds of credentials that builders have, each told by its prefix. */
  async function builder(credential: string): Promise<BuilderPrincipal> {
    if (credential.startsWith(CLI_TOKEN_PREFIX)) return cliPrincipal(credential);
    const parsed = parseCredential(credential);
    if (parsed === null)
      throw new ApiError(credential.startsWith(FUNCTION_TOKEN_PREFIX) ? "builder_required" : "invalid_token");
    if (parsed.prefix !== "b44k") throw new ApiError("builder_required");
    const row = await verified(apiKeys, parsed, () => store.getApiKey(parsed.id));
    used.keys.set(parsed.id, clock.now());
    const { id, user_id, workspace_id, scope } = row;
    return { kind: "builder", user_id, actor: `api_key:${id}`, workspace_id, scope };
  }

  async function cliPrincipal(bearer: string): Promise<BuilderPrincipal> {
    const session = await cliSessions.verifyCliSession(bearer);
    if (session === null) throw new ApiError("invalid_token");
    const { session_id, scopes } = session;
    return {
      kind: "builder",
      user_id: asUserId(session.user_id),
      actor: `cli_session:${session_id}`,
      workspace_id: null,
      scope: scopes.includes("apps:write") ? null : "read",
    };
  }

  async function verified<R extends Row>(
    cache: ReadCache<R>,
    parsed: ParsedCredential,
    find: () => Promise<R | null>,
  ): Promise<R> {
    const known = cache.fresh(parsed.id);
    if (known !== null) return check(known, parsed);
    const epoch = cache.epoch();
    const { value, is_stale } = await cache.read(parsed.id, async () => (await find()) ?? check<R>(null, parsed));
    // A revoked one, too: it must not be found as it was before when the database is away.
    if (!is_stale) cache.put(parsed.id, value, epoch);
    return check(value, parsed);
  }

  /** An unknown id and a wrong secret look alike; revoked and expired are told only to who knows the secret. */
  function check<R extends Row>(row: R | null, parsed: ParsedCredential): R {
    const same = sameDigest(row?.digest ?? Buffer.alloc(32), parsed.digest);
    if (row === null || !same) throw new ApiError("invalid_token");
    if (row.revoked_at !== null) throw new ApiError("token_revoked");
    if (row.expires_at !== null && row.expires_at <= clock.now()) throw new ApiError("token_expired");
    return row;
  }

  return {
    app,
    builder,
    clear() {
      serviceTokens.clear();
      apiKeys.clear();
      standings.clear();
    },
    markStale() {
      serviceTokens.markStale();
      apiKeys.markStale();
      standings.markStale();
    },
    async flush() {
      const { tokens, keys } = used;
      if (tokens.size + keys.size === 0) return;
      used = { tokens: new Map(), keys: new Map() };
      await store.recordUse(tokens, keys);
    },
  };
}
