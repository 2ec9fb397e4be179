/**
 * Whom a credential belongs to: service tokens, API keys, function tokens. Verified rows are cached, bounded, and forgotten at
 * once when a credential is revoked here, within a second when another process did it.
 */
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { parseCredential, sameDigest, type ParsedCredential } from "../core/ids.ts";
import type { AppId, Instant } from "../core/types.ts";
import type { Store } from "../store/store.ts";
import type { ApiKeysTable, ServiceTokensTable } from "../store/tables.ts";
import { ADMINISTRATOR } from "./administrator.ts";
import type { DatabaseGate } from "./database-gate.ts";
import { FUNCTION_TOKEN_PREFIX, type FunctionTokens } from "./function-tokens.ts";
import { createReadCache, type ReadCache } from "./read-cache.ts";

/** A backend of one app. `actor` names the credential in the audit trail. */
export interface AppPrincipal {
  readonly kind: "app";
  readonly app_id: AppId;
  readonly actor: string;
}

export interface BuilderPrincipal {
  readonly kind: "builder";
  /** Whose flows these are. */
  readonly name: string;
  readonly actor: string;
}

export interface Credentials {
  /** @throws ApiError `invalid_token`, `token_expired`, `token_revoked`, `service_token_required` */
  app(bearer: string): Promise<AppPrincipal>;
  /** @throws ApiError `invalid_token`, `token_expired`, `token_revoked`, `builder_required` */
  builder(api_key: string): Promise<BuilderPrincipal>;
  /** Something changed here. */
  clear(): void;
  /** Something may have changed elsewhere. */
  doubt(): void;
  /** Writes when tokens were last used. */
  flush(): Promise<void>;
}

type Row = Pick<ServiceTokensTable, "id" | "digest" | "expires_at" | "revoked_at">;

export interface CredentialsDeps {
  readonly store: Store;
  readonly functionTokens: FunctionTokens;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly gate: DatabaseGate;
}

export function createCredentials({ store, functionTokens, clock, limits, gate }: CredentialsDeps): Credentials {
  // Whoever writes says so; nothing here grows old by itself.
  const options = { entries: limits.credential_cache_entries, ttl_ms: Number.POSITIVE_INFINITY, limits, clock, gate };
  const serviceTokens = createReadCache<ServiceTokensTable>(options);
  const apiKeys = createReadCache<ApiKeysTable>(options);
  let used = new Map<string, Instant>();

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
    used.set(parsed.id, clock.now());
    return { kind: "app", app_id: row.app_id, actor: `service_token:${row.id}` };
  }

  function functionPrincipal(bearer: string): AppPrincipal {
    const claims = functionTokens.verify(bearer);
    if (claims === null) throw new ApiError("invalid_token");
    return { kind: "app", app_id: claims.app_id, actor: `function:${claims.function_name}:${claims.invocation_id}` };
  }

  async function builder(api_key: string): Promise<BuilderPrincipal> {
    const parsed = parseCredential(api_key);
    if (parsed === null)
      throw new ApiError(api_key.startsWith(FUNCTION_TOKEN_PREFIX) ? "builder_required" : "invalid_token");
    if (parsed.prefix !== "b44k") throw new ApiError("builder_required");
    const row = await verified(apiKeys, parsed, () => store.getApiKey(parsed.id));
    return { kind: "builder", name: ADMINISTRATOR, actor: `api_key:${row.id}` };
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

  /** R25, R29: an unknown id and a wrong secret look alike; revoked and expired are told only to who knows the secret. */
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
    },
    doubt() {
      serviceTokens.doubt();
      apiKeys.doubt();
    },
    async flush() {
      if (used.size === 0) return;
      const batch = used;
      used = new Map();
      await store.recordUse(batch);
    },
  };
}
