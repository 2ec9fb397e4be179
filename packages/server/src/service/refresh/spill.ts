/**
 * The spill file: a token answer that exists only in memory is written here, sealed and synced, before anything else is
 * tried with it. A crash or a dead database between the provider's answer and our commit then costs nothing.
 *
 * Records are kept `spill_keep_ms` after their commit, so that a fail-over which lost commits can be repaired; when room
 * is needed they go earlier, oldest first. An uncommitted record is never overwritten. Layout: spill-file.ts; which
 * blocks are reused when: spill-map.ts.
 *
 * A record may be offered again although it was committed (its mark is not synced) or its append failed (it may have
 * reached the disk all the same). The commit by lineage refuses what is stale, so this costs nothing.
 *
 * One process per file. Must not know what a token answer looks like, nor any database.
 * Errors: `storage_full` (503); `internal` for other disk errors; those of `seal` and `open` as they are.
 */
import type { Limits } from "../../config.ts";
import type { Clock } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { instant, isJsonObject, type AppId, type ConnectionId, type Instant } from "../../core/types.ts";
import {
  createSync,
  encodeEntry,
  openBlocks,
  readEntry,
  scan,
  writeEntry,
  writeMark,
  type Slot,
} from "./spill-file.ts";
import { createMap } from "./spill-map.ts";

export interface SpillRecord {
  readonly connection_id: ConnectionId;
  readonly app_id: AppId;
  /** Fingerprint of the refresh token that was exchanged. */
  readonly parent_fp: string;
  readonly attempt: number;
  readonly at: Instant;
  /** JSON of the token answer. */
  readonly payload: Secret;
}

export interface Spill {
  /** Durable when it resolves. Calls at the same time share one sync. @throws ApiError `storage_full`. */
  append(record: SpillRecord): Promise<void>;
  /** The record is in the database now. Unknown ones are ignored. */
  committed(connection_id: ConnectionId, attempt: number): Promise<void>;
  /** Records not committed yet, oldest first: what a start replays. */
  pending(): Promise<SpillRecord[]>;
  /** Records committed within `spill_keep_ms`, oldest first: to commit again after a fail-over that lost commits. */
  repairable(): Promise<SpillRecord[]>;
  /** The newest record of a connection, committed or not; null when none is kept. */
  latest(connection_id: ConnectionId): Promise<SpillRecord | null>;
  /** Records that could not be opened when last read. They stay in the file, in case their key comes back. */
  readonly unreadable: number;
  close(): Promise<void>;
}

export interface SpillOptions {
  readonly path: string;
  readonly limits: Pick<Limits, "spill_bytes" | "spill_keep_ms">;
  readonly clock: Clock;
  /** Seals bytes to `id`: opened under another id, they must be refused. */
  readonly seal: (id: string, plaintext: Secret) => Promise<Uint8Array>;
  /** Rejects with `credential_unreadable` what can never be opened, with anything else what may be later. */
  readonly open: (id: string, bytes: Uint8Array) => Promise<Secret>;
}

const recordId = (connection_id: string, attempt: number | ""): string => `${connection_id}/${attempt}`;

/** Opens or makes the file, and finds what is in it. @throws ApiError `storage_full` when it cannot be preallocated. */
export async function openSpill(options: SpillOptions): Promise<Spill> {
  const { clock, limits } = options;
  const { file, blocks } = await openBlocks(options.path, limits.spill_bytes);
  const map = createMap(blocks, limits.spill_keep_ms);
  const sync = createSync(file);
  const appending = new Map<string, Promise<void>>();
  const unreadable = new Set<Slot>();
  let sequence = 0n;
  for (const slot of await scan(file, blocks)) {
    map.add(slot);
    sequence = slot.sequence;
  }

  async function write(id: string, record: SpillRecord): Promise<void> {
    const sealed = await options.seal(id, encodeRecord(record));
    sequence += 1n;
    const bytes = encodeEntry(sequence, id, sealed);
    const slot = map.allocate(id, sequence, bytes.length, clock.now());
    if (slot === null) throw full();
    try {
      await writeEntry(file, slot.block, bytes);
      await sync();
    } catch (error) {
      map.remove(slot);
      throw error;
    }
    map.publish(slot);
  }

  async function append(record: SpillRecord): Promise<void> {
    const id = recordId(record.connection_id, record.attempt);
    const writing = write(id, record);
    appending.set(id, writing);
    await writing.finally(() => {
      if (appending.get(id) === writing) appending.delete(id);
    });
  }

  async function committed(connection_id: ConnectionId, attempt: number): Promise<void> {
    const id = recordId(connection_id, attempt);
    // A commit that overtakes its own append would find nothing to mark, and the record would take room until a restart.
    await appending.get(id)?.catch(() => undefined);
    const slot = map.find(id);
    if (slot === undefined || slot.committed_at !== null) return;
    slot.committed_at = clock.now();
    await writeMark(file, slot, slot.committed_at);
  }

  /** The record; null when its blocks were taken meanwhile, or it can never be opened. */
  async function read(slot: Slot): Promise<SpillRecord | null> {
    const entry = await readEntry(file, slot.block, blocks);
    if (entry === null || entry.slot.sequence !== slot.sequence) return null;
    try {
      const record = decodeRecord(await options.open(slot.id, entry.sealed));
      unreadable.delete(slot);
      return record;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "credential_unreadable") throw error;
      unreadable.add(slot);
      return null;
    }
  }

  async function readAll(slots: readonly Slot[]): Promise<SpillRecord[]> {
    const records: SpillRecord[] = [];
    for (const slot of slots) {
      const record = await read(slot);
      if (record !== null) records.push(record);
    }
    return records;
  }

  return {
    append,
    committed,
    pending: () => readAll(map.slots().filter((slot) => slot.committed_at === null)),
    repairable: () => {
      const now = clock.now();
      return readAll(map.slots().filter((slot) => slot.committed_at !== null && map.isKept(slot, now)));
    },
    latest: async (connection_id) => {
      const slot = map.slots().findLast(({ id }) => id.startsWith(recordId(connection_id, "")));
      return slot === undefined ? null : read(slot);
    },
    get unreadable() {
      return unreadable.size;
    },
    close: () => file.close(),
  };
}

function encodeRecord(record: SpillRecord): Secret {
  return new Secret(JSON.stringify({ ...record, payload: record.payload.expose() }));
}

/** Sealed here and opened again: another shape can only come from another version of this file. */
function decodeRecord(text: Secret): SpillRecord {
  const value = parseJson(text);
  if (!isJsonObject(value)) throw new ApiError("credential_unreadable");
  const { connection_id, app_id, parent_fp, attempt, at, payload } = value;
  if (
    typeof connection_id !== "string" ||
    typeof app_id !== "string" ||
    typeof parent_fp !== "string" ||
    typeof attempt !== "number" ||
    typeof at !== "number" ||
    typeof payload !== "string"
  ) {
    throw new ApiError("credential_unreadable");
  }
  /* oxlint-disable-next-line typescript/no-unsafe-type-assertion -- ids that were branded when they were written. */
  const ids = { connection_id: connection_id as ConnectionId, app_id: app_id as AppId };
  return { ...ids, parent_fp, attempt, at: instant(at), payload: new Secret(payload) };
}

/** Not JSON.parse by itself: its error quotes the text. */
function parseJson(text: Secret): unknown {
  try {
    return JSON.parse(text.expose());
  } catch {
    return null;
  }
}

function full(): ApiError {
  return new ApiError("storage_full", {
    message:
      "The spill file is full of token answers that wait for the database. Bring the database back, or raise HOLDFAST_SPILL_BYTES.",
  });
}
