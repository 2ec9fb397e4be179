/**
 * The secrets of an app: named values that its functions read. Sealed like tokens, and never shown
 * again. Must not check roles: access/authorization.ts does.
 *
 * Errors: CodedError `invalid_field`, `limit_reached`, `not_found`, `credential_unreadable`.
 */
import { createHash } from "node:crypto";
import { CodedError } from "../../core/errors.ts";
import { problemOfName } from "../../core/functions/secret-names.ts";
import type { Secret } from "../../core/secret.ts";
import type { AppId } from "../../core/types.ts";
import type { AppSecretsTable } from "../../store/function-tables.ts";
import { sealedFromStorage, type SealContext } from "../../vault/seal.ts";
import { createReadCache, type ReadCache } from "../cache/read-cache.ts";
import type { DatabaseGate } from "../cache/database-gate.ts";
import type { Ground } from "../ground.ts";

export interface AppSecrets {
  /** Stores all of the secrets, or none. */
  set(app_id: AppId, values: Readonly<Record<string, Secret>>): Promise<void>;
  /** Returns the names. */
  list(app_id: AppId): Promise<readonly string[]>;
  /** Returns false if there is no such secret. */
  remove(app_id: AppId, name: string): Promise<boolean>;
  /** Returns the values for a call of a function. */
  open(app_id: AppId): Promise<OpenSecrets>;
  markStale(): void;
}

export interface OpenSecrets {
  readonly values: Readonly<Record<string, string>>;
  /** The same for the same stored values. */
  readonly revision: string;
}

interface SecretsDeps extends Pick<Ground, "store" | "vault" | "limits" | "clock"> {
  readonly gate: DatabaseGate;
}

interface SecretsState extends SecretsDeps {
  readonly cache: ReadCache<OpenSecrets>;
}

export function createAppSecrets(deps: SecretsDeps): AppSecrets {
  const { limits, clock, gate } = deps;
  const entries = limits.function_cache_apps;
  // Entries do not expire. Each writer invalidates them.
  const cache = createReadCache<OpenSecrets>({ entries, ttl_ms: Number.POSITIVE_INFINITY, limits, clock, gate });
  const state = { ...deps, cache };
  return {
    set: (app_id, values) => setSecrets(state, app_id, values),
    list: async (app_id) => (await deps.store.listAppSecrets(app_id)).map(({ name }) => name),
    remove: (app_id, name) => removeSecret(state, app_id, name),
    open: async (app_id) => cache.fresh(app_id) ?? (await readSecrets(state, app_id)),
    markStale: cache.markStale,
  };
}

async function setSecrets(
  { store, vault, limits, cache }: SecretsState,
  app_id: AppId,
  values: Readonly<Record<string, Secret>>,
): Promise<void> {
  const names = Object.keys(values);
  if (names.length > limits.app_secrets) throw tooMany(limits.app_secrets);
  const errors = Object.entries(values).flatMap(([name, value]) => {
    const message = mistakeIn(name, value.expose(), limits.app_secret_bytes);
    return message === null ? [] : [{ name: name.slice(0, 200), message }];
  });
  if (errors.length > 0) {
    const message = errors.map((error) => `${JSON.stringify(error.name)} ${error.message}.`).join(" ");
    throw new CodedError("invalid_field", { errors, message });
  }
  const sealed: Pick<AppSecretsTable, "name" | "sealed_value">[] = [];
  for (const [name, value] of Object.entries(values))
    sealed.push({ name, sealed_value: await vault.seal(contextOf(app_id, name), value) });
  const is_stored = await store.putAppSecrets(app_id, sealed, limits.app_secrets);
  cache.drop(app_id);
  if (!is_stored) throw tooMany(limits.app_secrets);
}

/** Returns the errors, without any value. */
function mistakeIn(name: string, value: string, value_bytes: number): string | null {
  const problem = problemOfName(name);
  if (problem !== null) return problem;
  if (value.includes("\0") || !value.isWellFormed()) return "has a value with a NUL or with invalid Unicode";
  if (Buffer.byteLength(value) > value_bytes) return `has a value of more than ${value_bytes} bytes`;
  return null;
}

const tooMany = (limit: number): CodedError =>
  new CodedError("limit_reached", { message: `An app can have ${limit} secrets. Delete one first.` });

async function removeSecret({ store, cache }: SecretsState, app_id: AppId, name: string): Promise<boolean> {
  const is_removed = await store.deleteAppSecret(app_id, name);
  cache.drop(app_id);
  return is_removed;
}

async function readSecrets(state: SecretsState, app_id: AppId): Promise<OpenSecrets> {
  const { store, cache, limits } = state;
  const epoch = cache.epoch();
  const { value, is_stale } = await cache.read(app_id, async () => {
    const rows = await store.listAppSecrets(app_id);
    return await openRows(state, app_id, rows);
  });
  const size = Object.values(value.values).reduce((sum, text) => sum + text.length, 0);
  if (!is_stale && size <= limits.function_cache_secrets_bytes) cache.put(app_id, value, epoch);
  return value;
}

async function openRows(
  { vault }: SecretsState,
  app_id: AppId,
  rows: readonly AppSecretsTable[],
): Promise<OpenSecrets> {
  const revision = createHash("sha256");
  const values: [string, string][] = [];
  for (const { name, sealed_value } of rows) {
    // A record never has the same bytes as an earlier one, because each has its own nonce.
    revision.update(`${name}\n`).update(sealed_value);
    values.push([name, (await vault.open(contextOf(app_id, name), sealedFromStorage(sealed_value))).expose()]);
  }
  return { values: Object.fromEntries(values), revision: revision.digest("hex") };
}

const contextOf = (app_id: AppId, name: string): SealContext => ({
  table: "app_secrets",
  column: "value",
  scope: app_id,
  row_id: `${app_id}/${name}`,
  generation: 0,
});
