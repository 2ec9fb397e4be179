/**
 * Data keys (DEKs): one random key per scope (an app or a workspace), stored wrapped under the
 * master key, cached unwrapped.
 *
 * Decides when a data key is created and replaced. Each key counts its encryptions durably, in
 * batches reserved ahead, so that a crash can only overcount. A new key replaces it at 2^30. At
 * 2^32 it refuses to encrypt (random nonces, SP 800-38D). Keys are KeyObjects: their bytes are
 * outside the JavaScript heap, and a key evicted from the cache stays valid for an encryption in
 * progress.
 *
 * Errors of the store pass through: an unreachable database is not an unreadable credential.
 */
import { createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import type { Instant } from "../core/types.ts";
import { KEY_BYTES, lengthPrefixed } from "./aead.ts";
import type { Keyring } from "./keyring.ts";

export interface DataKeyRow {
  readonly dek_id: string;
  readonly scope: string;
  readonly kek_id: string;
  readonly wrapped: Uint8Array;
  /** Encryptions reserved so far. Never fewer than the key performed. */
  readonly encryptions: number;
  readonly created_at: Instant;
}

/** The storage of data keys. Each call is atomic and needs no transaction around it. */
export interface DataKeyStore {
  load(dek_id: string): Promise<DataKeyRow | null>;
  /** Returns the key for new records of the scope. */
  current(scope: string): Promise<DataKeyRow | null>;
  /**
   * Makes `row` the current key of its scope, if `replaces` is still the current key (null: no
   * key). Returns the current row, which is another node's if that node won. A retired key can
   * still be loaded. Must reject if the scope was deleted.
   */
  insert(row: DataKeyRow, replaces: string | null): Promise<DataKeyRow>;
  /**
   * Adds `count` to `encryptions`. Returns the number before, or Infinity if the key was deleted.
   */
  reserve(dek_id: string, count: number): Promise<number>;
  all(): AsyncIterable<DataKeyRow> | Promise<readonly DataKeyRow[]>;
  /** Stores a new wrapping if `kek_id` is still `from_kek_id`. Reports whether it did. */
  rewrap(dek_id: string, from_kek_id: string, wrapped: Uint8Array, kek_id: string): Promise<boolean>;
}

export interface DataKey {
  readonly dek_id: string;
  readonly scope: string;
  readonly key: KeyObject;
}

export const DATA_KEY_LIMITS = {
  /** Unwrapped data keys in memory, and scopes with reserved encryptions. */
  cached_keys: 10_000,
  /**
   * Encryptions reserved by one database write. A crash loses the unused ones, and they are never
   * reused.
   */
  reserve_batch: 1_024,
  /** Encryptions after which a new data key replaces the old one. */
  rotate_at: 2 ** 30,
  /** Encryptions after which a key refuses to encrypt, because no new one could be created. */
  stop_at: 2 ** 32,
};
export type DataKeyLimits = { readonly [Name in keyof typeof DATA_KEY_LIMITS]: number };

export interface DataKeys {
  /** Returns the key if it is in memory. */
  cached(dek_id: string): DataKey | null;
  /**
   * @throws CodedError `credential_unreadable` if there is no such key, or no master key unwraps it
   */
  load(dek_id: string): Promise<DataKey>;
  /** Returns the scope's current key, and counts one encryption. */
  take(scope: string): Promise<DataKey>;
  /** Reserves encryptions for the scope, so that sealing works through a database outage. */
  prepare(scope: string): Promise<void>;
  /**
   * Returns the scope's permanent key, which never encrypts and never changes. Created at first
   * use.
   */
  permanent(scope: string): Promise<DataKey>;
  /** Drops the scope's keys from memory. */
  evict(scope: string): void;
}

interface Writer {
  readonly key: DataKey;
  left: number;
}

/**
 * Returns the associated data of a wrapped data key. A key moved to another scope does not unwrap.
 */
export function dataKeyAad(row: Pick<DataKeyRow, "dek_id" | "scope">): Buffer {
  return lengthPrefixed("holdfast data key v1", row.scope, row.dek_id);
}

interface State {
  readonly keyring: Keyring;
  readonly store: DataKeyStore;
  readonly clock: Clock;
  readonly limits: DataKeyLimits;
  readonly keys: LRUCache<string, DataKey>;
  readonly writers: LRUCache<string, Writer>;
  readonly loading: Map<string, Promise<DataKey>>;
  readonly refilling: Map<string, Promise<Writer>>;
  /**
   * Grows with each `evict`, so that a lookup that started before it does not cache the key again.
   */
  epoch: number;
}

export function createDataKeys(options: {
  readonly keyring: Keyring;
  readonly data_keys: DataKeyStore;
  readonly clock: Clock;
  readonly limits: DataKeyLimits;
}): DataKeys {
  const { keyring, data_keys, clock, limits } = options;
  const state: State = {
    keyring,
    store: data_keys,
    clock,
    limits,
    keys: new LRUCache({ max: limits.cached_keys }),
    writers: new LRUCache({ max: limits.cached_keys }),
    loading: new Map(),
    refilling: new Map(),
    epoch: 0,
  };
  return {
    cached: (dek_id) => state.keys.get(dek_id) ?? null,
    load: (dek_id) => once(state.loading, dek_id, () => load(state, dek_id)),
    take: (scope) => take(state, scope),
    prepare: (scope) => prepare(state, scope),
    permanent: (scope) => permanent(state, scope),
    evict: (scope) => evict(state, scope),
  };
}

async function load(state: State, dek_id: string): Promise<DataKey> {
  const { epoch } = state;
  const row = await state.store.load(dek_id);
  if (row === null) throw new CodedError("credential_unreadable");
  return cache(state, row, epoch);
}

async function take(state: State, scope: string): Promise<DataKey> {
  const { limits, writers } = state;
  let writer = writers.get(scope);
  // A loop, because many callers can wait for the same batch.
  while (writer === undefined || writer.left === 0) writer = await refill(state, scope);
  writer.left -= 1;
  // Reserve ahead, so that the batch does not run out during an outage. The caller that finds it
  // empty gets the error.
  if (writer.left < limits.reserve_batch / 4) void refill(state, scope).catch(() => undefined);
  return writer.key;
}

async function prepare(state: State, scope: string): Promise<void> {
  const left = state.writers.get(scope)?.left ?? 0;
  if (left < state.limits.reserve_batch / 4) await refill(state, scope);
}

async function permanent(state: State, scope: string): Promise<DataKey> {
  const { epoch } = state;
  return cache(state, (await state.store.current(scope)) ?? (await create(state, scope, null)), epoch);
}

function evict(state: State, scope: string): void {
  state.epoch += 1;
  state.writers.delete(scope);
  for (const [dek_id, key] of state.keys.entries()) if (key.scope === scope) state.keys.delete(dek_id);
}

/** Returns the row's key and caches it, unless `evict` was called since `epoch`. */
function cache(state: State, row: DataKeyRow, epoch: number): DataKey {
  const known = state.keys.get(row.dek_id);
  if (known !== undefined) return known;
  const key = { dek_id: row.dek_id, scope: row.scope, key: unwrap(state.keyring, row) };
  if (epoch === state.epoch) state.keys.set(row.dek_id, key);
  return key;
}

function unwrap(keyring: Keyring, row: DataKeyRow): KeyObject {
  // Another process may have rotated the key file since it was read.
  if (!keyring.has(row.kek_id)) keyring.refresh();
  const bytes = keyring.unwrap(row.kek_id, row.wrapped, dataKeyAad(row));
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}

async function create(state: State, scope: string, replaces: string | null): Promise<DataKeyRow> {
  const { keyring, store, clock } = state;
  keyring.refresh();
  const dek_id = newId("dek");
  const bytes = randomBytes(KEY_BYTES);
  const aad = dataKeyAad({ dek_id, scope });
  const wrapped = keyring.wrap(bytes, aad);
  const row = await store.insert({ dek_id, scope, ...wrapped, encryptions: 0, created_at: clock.now() }, replaces);
  // A rotation that finished meanwhile may be about to remove the master key used here. Then this
  // row must not need it.
  keyring.refresh();
  if (row.dek_id === dek_id && keyring.current.kek_id !== wrapped.kek_id) {
    const again = keyring.wrap(bytes, aad);
    await store.rewrap(dek_id, wrapped.kek_id, again.wrapped, again.kek_id);
  }
  bytes.fill(0);
  return row;
}

const refill = (state: State, scope: string): Promise<Writer> =>
  once(state.refilling, scope, () => reserve(state, scope));

async function reserve(state: State, scope: string): Promise<Writer> {
  const { store, limits, writers, epoch } = state;
  let row = (await store.current(scope)) ?? (await create(state, scope, null));
  let used = await store.reserve(row.dek_id, limits.reserve_batch);
  if (used >= limits.rotate_at && Number.isFinite(used)) {
    row = await create(state, scope, row.dek_id);
    used = await store.reserve(row.dek_id, limits.reserve_batch);
  }
  if (used === Number.POSITIVE_INFINITY) throw keyDeleted();
  if (used + limits.reserve_batch > limits.stop_at) throw keyExhausted(row.dek_id);
  const writer = { key: cache(state, row, epoch), left: limits.reserve_batch };
  const previous = writers.get(scope);
  if (previous?.key.dek_id === row.dek_id) {
    writer.left += previous.left;
    // Move the encryptions instead of copying them. Counted in both records, they would be used
    // twice.
    previous.left = 0;
  }
  if (epoch === state.epoch) writers.set(scope, writer);
  return writer;
}

/** Runs `action` once per key at a time. Concurrent callers share its result. */
function once<T>(running: Map<string, Promise<T>>, key: string, action: () => Promise<T>): Promise<T> {
  const current = running.get(key);
  if (current !== undefined) return current;
  const promise = action().finally(() => running.delete(key));
  running.set(key, promise);
  return promise;
}

function keyDeleted(): CodedError {
  return new CodedError("credential_unreadable", {
    message: "The data key was deleted, so nothing can be encrypted with it.",
  });
}

function keyExhausted(dek_id: string): CodedError {
  return new CodedError("internal", {
    message: `Data key ${dek_id} has reached its limit of 2^32 encryptions, and no new key could be created. Check that the database accepts writes.`,
  });
}
