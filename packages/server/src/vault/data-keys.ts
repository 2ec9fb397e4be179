/**
 * Data keys (DEKs): one per scope (an app, a workspace), random, stored wrapped under the master key, cached unwrapped.
 *
 * Owns when a data key is made and replaced: each counts its encryptions durably, in batches reserved ahead, so that a
 * crash can only overcount. A new one takes over at 2^30; at 2^32 an old one refuses (random nonces, SP 800-38D).
 * Keys are KeyObjects: their bytes lie outside the JavaScript heap, and one dropped from the cache while an encryption
 * is about to use it stays valid for that use.
 *
 * Errors of the store pass through as they are: an unreachable database is not an unreadable credential.
 */
import { createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import type { Instant } from "../core/types.ts";
import { KEY_BYTES, lengthPrefixed } from "./aead.ts";
import type { Keyring } from "./keyring.ts";

export interface DataKeyRow {
  readonly dek_id: string;
  readonly scope: string;
  readonly kek_id: string;
  readonly wrapped: Uint8Array;
  /** Reserved so far; at least as many as were made. */
  readonly encryptions: number;
  readonly created_at: Instant;
}

/** Where data keys are kept. Each call is atomic by itself; none needs a transaction around it. */
export interface DataKeyStore {
  load(dek_id: string): Promise<DataKeyRow | null>;
  /** The key that new records of the scope use. */
  current(scope: string): Promise<DataKeyRow | null>;
  /**
   * Makes `row` the current key of its scope if `replaces` (null: no key) still is; answers the current row, which is
   * another node's when that was faster. A retired key stays loadable. Must reject for a scope that was deleted.
   */
  insert(row: DataKeyRow, replaces: string | null): Promise<DataKeyRow>;
  /** Adds `count` to `encryptions`; answers the number before, or Infinity when the key is gone. */
  reserve(dek_id: string, count: number): Promise<number>;
  all(): AsyncIterable<DataKeyRow> | Promise<readonly DataKeyRow[]>;
  /** Stores another wrapping if `kek_id` still is `from_kek_id`; whether it was. */
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
  /** Encryptions reserved at a time: one database write for so many. What a crash leaves unused is lost, never reused. */
  reserve_batch: 1_024,
  /** A new data key takes over here. */
  rotate_at: 2 ** 30,
  /** Here an old one refuses, if no new one could be made. */
  stop_at: 2 ** 32,
};
export type DataKeyLimits = { readonly [Name in keyof typeof DATA_KEY_LIMITS]: number };

export interface DataKeys {
  /** The key, if it is in memory. */
  cached(dek_id: string): DataKey | null;
  /** @throws ApiError `credential_unreadable` when there is no such key, or no master key opens it. */
  load(dek_id: string): Promise<DataKey>;
  /** The scope's current key, with one encryption taken from its count. */
  take(scope: string): Promise<DataKey>;
  /** Has encryptions in hand for the scope, so that sealing works through a database outage. */
  prepare(scope: string): Promise<void>;
  /** The scope's one key that never encrypts nor changes; made at first use. */
  permanent(scope: string): Promise<DataKey>;
  forget(scope: string): void;
}

interface Writer {
  readonly key: DataKey;
  left: number;
}

/** What the wrapping of a data key is bound to: a row's key moved to another scope does not open. */
export function dataKeyAad(row: Pick<DataKeyRow, "dek_id" | "scope">): Buffer {
  return lengthPrefixed("holdfast data key v1", row.scope, row.dek_id);
}

export function createDataKeys(options: {
  readonly keyring: Keyring;
  readonly data_keys: DataKeyStore;
  readonly clock: Clock;
  readonly limits: DataKeyLimits;
}): DataKeys {
  const { keyring, data_keys: store, clock, limits } = options;
  const keys = new LRUCache<string, DataKey>({ max: limits.cached_keys });
  const writers = new LRUCache<string, Writer>({ max: limits.cached_keys });
  const loading = new Map<string, Promise<DataKey>>();
  const refilling = new Map<string, Promise<Writer>>();
  /** Grows with each forget, so that a look-up begun before it does not put the key back. */
  let epoch = 0;

  function unwrap(row: DataKeyRow): KeyObject {
    // Another process may have rotated the key file since it was read.
    if (!keyring.has(row.kek_id)) keyring.refresh();
    const bytes = keyring.unwrap(row.kek_id, row.wrapped, dataKeyAad(row));
    const key = createSecretKey(bytes);
    bytes.fill(0);
    return key;
  }

  function keep(row: DataKeyRow, seen_epoch: number): DataKey {
    const known = keys.get(row.dek_id);
    if (known !== undefined) return known;
    const key = { dek_id: row.dek_id, scope: row.scope, key: unwrap(row) };
    if (seen_epoch === epoch) keys.set(row.dek_id, key);
    return key;
  }

  async function read(dek_id: string): Promise<DataKey> {
    const seen_epoch = epoch;
    const row = await store.load(dek_id);
    if (row === null) throw new ApiError("credential_unreadable");
    return keep(row, seen_epoch);
  }

  async function create(scope: string, replaces: string | null): Promise<DataKeyRow> {
    keyring.refresh();
    const dek_id = newId("dek");
    const bytes = randomBytes(KEY_BYTES);
    const aad = dataKeyAad({ dek_id, scope });
    const made = keyring.wrap(bytes, aad);
    const row = await store.insert({ dek_id, scope, ...made, encryptions: 0, created_at: clock.now() }, replaces);
    // A rotation that finished in between may be about to drop the key used here; then this row must not need it.
    keyring.refresh();
    if (row.dek_id === dek_id && keyring.current.kek_id !== made.kek_id) {
      const again = keyring.wrap(bytes, aad);
      await store.rewrap(dek_id, made.kek_id, again.wrapped, again.kek_id);
    }
    bytes.fill(0);
    return row;
  }

  async function reserve(scope: string): Promise<Writer> {
    const seen_epoch = epoch;
    let row = (await store.current(scope)) ?? (await create(scope, null));
    let used = await store.reserve(row.dek_id, limits.reserve_batch);
    if (used >= limits.rotate_at && Number.isFinite(used)) {
      row = await create(scope, row.dek_id);
      used = await store.reserve(row.dek_id, limits.reserve_batch);
    }
    if (used === Number.POSITIVE_INFINITY) throw gone();
    if (used + limits.reserve_batch > limits.stop_at) throw usedUp(row.dek_id);
    const writer = { key: keep(row, seen_epoch), left: limits.reserve_batch };
    const before = writers.get(scope);
    if (before?.key.dek_id === row.dek_id) {
      writer.left += before.left;
      // Moved, not copied: counted in both, they would be used twice.
      before.left = 0;
    }
    if (seen_epoch === epoch) writers.set(scope, writer);
    return writer;
  }

  const refill = (scope: string): Promise<Writer> => once(refilling, scope, () => reserve(scope));

  async function take(scope: string): Promise<DataKey> {
    let writer = writers.get(scope);
    // A loop, since many may have waited for one batch.
    while (writer === undefined || writer.left === 0) writer = await refill(scope);
    writer.left -= 1;
    // Ahead of need: the count must not run out in the middle of an outage. Who finds it empty sees the error.
    if (writer.left < limits.reserve_batch / 4) refill(scope).catch(() => undefined);
    return writer.key;
  }

  return {
    cached: (dek_id) => keys.get(dek_id) ?? null,
    load: (dek_id) => once(loading, dek_id, () => read(dek_id)),
    take,
    prepare: async (scope) => {
      if ((writers.get(scope)?.left ?? 0) < limits.reserve_batch / 4) await refill(scope);
    },
    permanent: async (scope) => {
      const seen_epoch = epoch;
      return keep((await store.current(scope)) ?? (await create(scope, null)), seen_epoch);
    },
    forget: (scope) => {
      epoch += 1;
      writers.delete(scope);
      for (const [dek_id, key] of keys.entries()) if (key.scope === scope) keys.delete(dek_id);
    },
  };
}

/** One run of `action` per key at a time; whoever asks meanwhile shares its outcome. */
function once<T>(running: Map<string, Promise<T>>, key: string, action: () => Promise<T>): Promise<T> {
  const under_way = running.get(key);
  if (under_way !== undefined) return under_way;
  const promise = action().finally(() => running.delete(key));
  running.set(key, promise);
  return promise;
}

function gone(): ApiError {
  return new ApiError("credential_unreadable", {
    message: "The data key was deleted; nothing can be encrypted under it.",
  });
}

function usedUp(dek_id: string): ApiError {
  return new ApiError("internal", {
    message: `Data key ${dek_id} has made all the encryptions it may (2^32), and no new one could be made in its place. Check that the database accepts writes.`,
  });
}
