/**
 * Finds the caller behind a credential: a service token, a function token, an API key or a command
 * line's session. Verified rows are cached, in bounded caches. A revocation drops them at once in
 * this process, and within a second in others. An app's entitlements are cached with its token, so
 * using the token needs no query. Must not decide what the caller is allowed to do:
 * authorization.ts does.
 *
 * Errors: CodedError `invalid_token`, `token_expired`, `token_revoked`, `service_token_required`,
 * `builder_required`, `database_unavailable`.
 */
import { CodedError } from "../../core/errors.ts";
import { asUserId, parseCredential, sameDigest, type ParsedCredential } from "../../core/ids.ts";
import type { AppId, Instant } from "../../core/types.ts";
import type { ApiKeysTable, AppRow, ServiceTokenRow, ServiceTokensTable } from "../../store/tables.ts";
import type { DatabaseGate } from "../cache/database-gate.ts";
import { createReadCache, type ReadCache } from "../cache/read-cache.ts";
import type { Ground } from "../ground.ts";
import { existingApp } from "./authorization.ts";
import type { CliSessions } from "./cli-sessions.ts";
import { CLI_TOKEN_PREFIX } from "./cli-tokens.ts";
import { FUNCTION_TOKEN_PREFIX, type FunctionTokens } from "./function-tokens.ts";
import type { AppPrincipal, BuilderPrincipal } from "./principals.ts";

export interface Credentials {
  /**
   * Returns the app of a service token or function token. `process_id` is the function process
   * whose bridge the token came over, or null.
   */
  app(bearer: string, process_id: string | null): Promise<AppPrincipal>;
  /** Returns the builder of an API key or of a command line's access token. */
  builder(credential: string): Promise<BuilderPrincipal>;
  /** Returns an app from the cache or the store. @throws CodedError `not_found` */
  existingApp(app_id: AppId): Promise<AppRow>;
  /** Drops the caches. Called after this process changed a credential, app or plan. */
  clear(): void;
  /**
   * Marks cached rows stale, so that their next use reads them again. Called after another process
   * wrote.
   */
  markStale(): void;
  /** Stores when tokens and keys were last used. */
  flush(): Promise<void>;
}

type CredentialRow = Pick<ServiceTokensTable, "id" | "digest" | "expires_at" | "revoked_at">;

interface CredentialsDeps extends Pick<Ground, "store" | "clock" | "limits"> {
  readonly functionTokens: FunctionTokens;
  readonly cliSessions: Pick<CliSessions, "verifyCliSession">;
  readonly gate: DatabaseGate;
}

/** When credentials were last used, by id. */
interface LastUses {
  tokens: Map<string, Instant>;
  keys: Map<string, Instant>;
}

interface CredentialsState extends CredentialsDeps {
  readonly serviceTokens: ReadCache<ServiceTokenRow>;
  readonly apiKeys: ReadCache<ApiKeysTable>;
  /** Apps whose functions call back. Function tokens have no row to cache. */
  readonly apps: ReadCache<AppRow>;
  readonly uses: LastUses;
}

export function createCredentials(deps: CredentialsDeps): Credentials {
  const { clock, limits, gate } = deps;
  // Entries do not expire. Each writer invalidates them.
  const options = { entries: limits.credential_cache_entries, ttl_ms: Number.POSITIVE_INFINITY, limits, clock, gate };
  const state: CredentialsState = {
    ...deps,
    serviceTokens: createReadCache(options),
    apiKeys: createReadCache(options),
    apps: createReadCache(options),
    uses: { tokens: new Map(), keys: new Map() },
  };
  const caches = [state.serviceTokens, state.apiKeys, state.apps];
  return {
    app: (bearer, process_id) => appPrincipal(state, bearer, process_id),
    builder: (credential) => builderPrincipal(state, credential),
    existingApp: (app_id) => cachedApp(state, app_id),
    clear: () => caches.forEach((cache) => cache.clear()),
    markStale: () => caches.forEach((cache) => cache.markStale()),
    flush: () => flushUses(state),
  };
}

async function appPrincipal(state: CredentialsState, bearer: string, process_id: string | null): Promise<AppPrincipal> {
  if (bearer.startsWith(FUNCTION_TOKEN_PREFIX)) return await functionPrincipal(state, bearer, process_id);
  const parsed = parseCredential(bearer);
  if (parsed === null) throw new CodedError("invalid_token");
  if (parsed.prefix === "b44k") {
    await builderPrincipal(state, bearer);
    throw new CodedError("service_token_required");
  }
  const { store, serviceTokens, clock, uses } = state;
  const row = await verified(state, serviceTokens, parsed, () => store.getServiceToken(parsed.id));
  // Bounded by the number of tokens: an id is added only when its row exists.
  uses.tokens.set(parsed.id, clock.now());
  return { kind: "app", app_id: row.app_id, actor: `service_token:${row.id}`, entitlements: row };
}

async function functionPrincipal(
  state: CredentialsState,
  bearer: string,
  process_id: string | null,
): Promise<AppPrincipal> {
  const invocation = state.functionTokens.verify(bearer, process_id);
  if (invocation === null) throw new CodedError("invalid_token");
  const { app_id, function_name, invocation_id } = invocation;
  const entitlements = await cachedApp(state, app_id).catch((error: unknown) => {
    // The app was deleted while its function ran.
    throw error instanceof CodedError && error.code === "not_found" ? new CodedError("invalid_token") : error;
  });
  return {
    kind: "app",
    app_id,
    actor: `function:${function_name}:${invocation_id}`,
    entitlements,
  };
}

async function cachedApp({ store, apps }: CredentialsState, app_id: AppId): Promise<AppRow> {
  const known = apps.fresh(app_id);
  if (known !== null) return known;
  const epoch = apps.epoch();
  const { value, is_stale } = await apps.read(app_id, async () => await existingApp(store, app_id));
  if (!is_stale) apps.put(app_id, value, epoch);
  return value;
}

async function builderPrincipal(state: CredentialsState, credential: string): Promise<BuilderPrincipal> {
  if (credential.startsWith(CLI_TOKEN_PREFIX)) return await cliPrincipal(state, credential);
  const parsed = parseCredential(credential);
  if (parsed === null)
    throw new CodedError(credential.startsWith(FUNCTION_TOKEN_PREFIX) ? "builder_required" : "invalid_token");
  if (parsed.prefix !== "b44k") throw new CodedError("builder_required");
  const { store, apiKeys, clock, uses } = state;
  const row = await verified(state, apiKeys, parsed, () => store.getApiKey(parsed.id));
  uses.keys.set(parsed.id, clock.now());
  const { id, user_id, workspace_id, scope } = row;
  return { kind: "builder", user_id, actor: `api_key:${id}`, workspace_id, scope };
}

async function cliPrincipal({ cliSessions }: CredentialsState, bearer: string): Promise<BuilderPrincipal> {
  const session = await cliSessions.verifyCliSession(bearer);
  if (session === null) throw new CodedError("invalid_token");
  return {
    kind: "builder",
    user_id: asUserId(session.user_id),
    actor: `cli_session:${session.session_id}`,
    workspace_id: null,
    scope: session.scopes.includes("apps:write") ? null : "read",
  };
}

/** Returns the credential's row from the cache or the store, after comparing the secret. */
async function verified<R extends CredentialRow>(
  { clock }: CredentialsState,
  cache: ReadCache<R>,
  parsed: ParsedCredential,
  find: () => Promise<R | null>,
): Promise<R> {
  const known = cache.fresh(parsed.id);
  if (known !== null) return check(known, parsed, clock.now());
  const epoch = cache.epoch();
  const { value, is_stale } = await cache.read(parsed.id, async () => {
    const found = await find();
    return found ?? check<R>(null, parsed, clock.now());
  });
  // Revoked rows are cached too. Otherwise an outage could bring back the row from before the
  // revocation.
  if (!is_stale) cache.put(parsed.id, value, epoch);
  return check(value, parsed, clock.now());
}

/**
 * Throws the same error for an unknown id and a wrong secret. Only the secret's holder learns more.
 */
function check<R extends CredentialRow>(row: R | null, parsed: ParsedCredential, now: Instant): R {
  const is_same = sameDigest(row?.digest ?? Buffer.alloc(32), parsed.digest);
  if (row === null || !is_same) throw new CodedError("invalid_token");
  if (row.revoked_at !== null) throw new CodedError("token_revoked");
  if (row.expires_at !== null && row.expires_at <= now) throw new CodedError("token_expired");
  return row;
}

async function flushUses({ store, uses }: CredentialsState): Promise<void> {
  const { tokens, keys } = uses;
  if (tokens.size + keys.size === 0) return;
  uses.tokens = new Map();
  uses.keys = new Map();
  await store.recordUse(tokens, keys);
}
