/**
 * Whom a credential belongs to: service tokens, API keys, function tokens. Verified rows are cached, bounded, and forgotten at
 * once when a credential is revoked here, within a second when another process did it.
 */
import { LRUCache } from "lru-cache";
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { parseCredential, sameDigest, type ParsedCredential } from "../core/ids.ts";
import type { AppId, Instant } from "../core/types.ts";
import type { Store } from "../store/store.ts";
import type { ApiKeysTable, ServiceTokensTable } from "../store/tables.ts";
import { ADMINISTRATOR } from "./administrator.ts";
import { FUNCTION_TOKEN_PREFIX, type FunctionTokens } from "./function-tokens.ts";

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
  clear(): void;
  /** Writes when tokens were last used. */
  flush(): Promise<void>;
}

type Row = Pick<ServiceTokensTable, "id" | "digest" | "expires_at" | "revoked_at">;

export interface CredentialsDeps {
  readonly store: Store;
  readonly functionTokens: FunctionTokens;
  readonly clock: Clock;
  readonly limits: Limits;
}

export function createCredentials({ store, functionTokens, clock, limits }: CredentialsDeps): Credentials {
  const serviceTokens = new LRUCache<string, ServiceTokensTable>({ max: limits.credential_cache_entries });
  const apiKeys = new LRUCache<string, ApiKeysTable>({ max: limits.credential_cache_entries });
  /** Grows when credentials may have changed: what was read before that is not remembered after it. */
  let changes = 0;
  let used = new Map<string, Instant>();

  async function app(bearer: string): Promise<AppPrincipal> {
    if (bearer.startsWith(FUNCTION_TOKEN_PREFIX)) return functionPrincipal(bearer);
    const parsed = parseCredential(bearer);
    if (parsed === null) throw new ApiError("invalid_token");
    if (parsed.prefix === "b44k") {
      await builder(bearer);
      throw new ApiError("service_token_required");
    }
    const seen = changes;
    const row = serviceTokens.get(parsed.id) ?? (await store.getServiceToken(parsed.id));
    check(row, parsed);
    if (row === null) throw new ApiError("invalid_token");
    if (seen === changes) serviceTokens.set(parsed.id, row);
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
    const seen = changes;
    const row = apiKeys.get(parsed.id) ?? (await store.getApiKey(parsed.id));
    check(row, parsed);
    if (row === null) throw new ApiError("invalid_token");
    if (seen === changes) apiKeys.set(parsed.id, row);
    return { kind: "builder", name: ADMINISTRATOR, actor: `api_key:${row.id}` };
  }

  /** R25, R29: an unknown id and a wrong secret look alike; revoked and expired are told only to who knows the secret. */
  function check(row: Row | null, parsed: ParsedCredential): void {
    const same = sameDigest(row?.digest ?? Buffer.alloc(32), parsed.digest);
    if (row === null || !same) throw new ApiError("invalid_token");
    if (row.revoked_at !== null) throw new ApiError("token_revoked");
    if (row.expires_at !== null && row.expires_at <= clock.now()) throw new ApiError("token_expired");
  }

  return {
    app,
    builder,
    clear() {
      changes += 1;
      serviceTokens.clear();
      apiKeys.clear();
    },
    async flush() {
      if (used.size === 0) return;
      const batch = used;
      used = new Map();
      await store.recordUse(batch);
    },
  };
}
