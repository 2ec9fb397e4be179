/**
 * The spill file. A token response that exists only in memory is sealed, written here and synced
 * before any other step. A crash or a database outage between the provider's response and the
 * commit then loses nothing.
 *
 * A record is kept for `spill_keep_ms` after its commit, so that commits lost in a failover can be
 * repeated. If room is needed, committed records are removed earlier, oldest first. An uncommitted
 * record is never overwritten. Layout: spill-format.ts. Use of blocks: spill-map.ts.
 *
 * The spill can return a committed record, because its mark is not synced. It can also return a
 * record whose append failed, because its bytes may have reached the disk. Both are harmless,
 * because the commit by lineage refuses stale records.
 *
 * One process per file. Must not know the content of a token response, nor any database.
 * Errors: CodedError `storage_full` (503), `internal` for other disk errors, and those of `seal`
 * and `open`.
 */
import type { FileHandle } from "node:fs/promises";
import type { Limits } from "../../core/limits.ts";
import type { Clock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { ConnectionId } from "../../core/types.ts";
import {
  createSyncQueue,
  openBlocks,
  readEntry,
  scan,
  sync,
  writeEntry,
  writeMark,
  type SyncQueue,
} from "./spill-file.ts";
import { encodeEntry, type Slot } from "./spill-format.ts";
import { addSlot, allocateSlot, createBlockMap, isKept, publishSlot, removeSlot, type BlockMap } from "./spill-map.ts";
import { decodeRecord, encodeRecord, type SpillRecord } from "./spill-record.ts";

export interface Spill {
  /** Writes a record. It is durable when this resolves. Concurrent calls share a sync. */
  append(record: SpillRecord): Promise<void>;
  /** Marks a record as stored in the database. Ignores unknown ones. */
  committed(connection_id: ConnectionId, attempt: number): Promise<void>;
  /** Returns the uncommitted records, oldest first. A start commits them. */
  pending(): Promise<SpillRecord[]>;
  /** Returns the records that were committed within `spill_keep_ms`, oldest first. */
  repairable(): Promise<SpillRecord[]>;
  /** Returns the newest record of a connection, committed or not, or null. */
  latest(connection_id: ConnectionId): Promise<SpillRecord | null>;
  /**
   * Number of records that could not be opened when last read. They stay in the file, because their
   * key may come back.
   */
  readonly unreadable: number;
  close(): Promise<void>;
}

export interface SpillOptions {
  readonly path: string;
  readonly limits: Pick<Limits, "spill_bytes" | "spill_keep_ms">;
  readonly clock: Clock;
  /** Seals the plaintext and binds it to `id`. Opening it under another id must fail. */
  readonly seal: (id: string, plaintext: Secret) => Promise<Uint8Array>;
  /**
   * Opens sealed bytes. Rejects with `credential_unreadable` if they can never be opened. Any other
   * error means that they may open later.
   */
  readonly open: (id: string, bytes: Uint8Array) => Promise<Secret>;
}

interface SpillState extends SpillOptions {
  readonly file: FileHandle;
  readonly blocks: number;
  readonly map: BlockMap;
  readonly syncs: SyncQueue;
  readonly appending: Map<string, Promise<void>>;
  readonly unreadable: Set<Slot>;
  /** Sequence number of the newest record. */
  sequence: bigint;
}

/**
 * Opens or creates the file, and finds its records.
 *
 * @throws CodedError `storage_full` if it cannot be preallocated
 */
export async function openSpill(options: SpillOptions): Promise<Spill> {
  const spill = await openState(options);
  return {
    append: (record) => append(spill, record),
    committed: (connection_id, attempt) => markCommitted(spill, connection_id, attempt),
    pending: () => readAll(spill, ({ committed_at }) => committed_at === null),
    repairable: () => repairable(spill),
    latest: (connection_id) => latest(spill, connection_id),
    get unreadable() {
      return spill.unreadable.size;
    },
    close: () => spill.file.close(),
  };
}

async function openState(options: SpillOptions): Promise<SpillState> {
  const { spill_bytes, spill_keep_ms } = options.limits;
  const { file, blocks } = await openBlocks(options.path, spill_bytes);
  const map = createBlockMap(blocks, spill_keep_ms);
  const slots = await scan(file, blocks);
  for (const slot of slots) addSlot(map, slot);
  const sequence = slots.at(-1)?.sequence ?? 0n;
  const syncs = createSyncQueue(file);
  return { ...options, file, blocks, map, syncs, appending: new Map(), unreadable: new Set(), sequence };
}

const recordId = (connection_id: string, attempt: number | ""): string => `${connection_id}/${attempt}`;

async function append(spill: SpillState, record: SpillRecord): Promise<void> {
  const { appending } = spill;
  const id = recordId(record.connection_id, record.attempt);
  const writing = write(spill, id, record);
  appending.set(id, writing);
  await writing.finally(() => {
    if (appending.get(id) === writing) appending.delete(id);
  });
}

async function write(spill: SpillState, id: string, record: SpillRecord): Promise<void> {
  const { file, map, clock } = spill;
  const sealed = await spill.seal(id, encodeRecord(record));
  spill.sequence += 1n;
  const { sequence } = spill;
  const bytes = encodeEntry(sequence, id, sealed);
  const slot = allocateSlot(map, { id, sequence, bytes: bytes.length }, clock.now());
  if (slot === null) throw full();
  try {
    await writeEntry(file, slot.block, bytes);
    await sync(spill.syncs);
  } catch (error) {
    removeSlot(map, slot);
    throw error;
  }
  publishSlot(map, slot);
}

async function markCommitted(
  { appending, map, clock, file }: SpillState,
  connection_id: ConnectionId,
  attempt: number,
): Promise<void> {
  const id = recordId(connection_id, attempt);
  // A commit that overtakes its own append would find no record to mark. The record would then
  // occupy its blocks until a restart.
  await appending.get(id)?.catch(() => undefined);
  const slot = map.by_id.get(id);
  if (slot === undefined || slot.committed_at !== null) return;
  slot.committed_at = clock.now();
  await writeMark(file, slot, slot.committed_at);
}

async function repairable(spill: SpillState): Promise<SpillRecord[]> {
  const now = spill.clock.now();
  return await readAll(spill, (slot) => slot.committed_at !== null && isKept(spill.map, slot, now));
}

async function latest(spill: SpillState, connection_id: ConnectionId): Promise<SpillRecord | null> {
  const slot = [...spill.map.by_id.values()].findLast(({ id }) => id.startsWith(recordId(connection_id, "")));
  return slot === undefined ? null : await read(spill, slot);
}

async function readAll(spill: SpillState, isWanted: (slot: Slot) => boolean): Promise<SpillRecord[]> {
  const records: SpillRecord[] = [];
  for (const slot of [...spill.map.by_id.values()].filter(isWanted)) {
    const record = await read(spill, slot);
    if (record !== null) records.push(record);
  }
  return records;
}

/**
 * Returns the record, or null if its blocks were reused meanwhile, or if it can never be opened.
 */
async function read(spill: SpillState, slot: Slot): Promise<SpillRecord | null> {
  const { file, blocks, unreadable } = spill;
  const entry = await readEntry(file, slot.block, blocks);
  if (entry === null || entry.slot.sequence !== slot.sequence) return null;
  try {
    const record = decodeRecord(await spill.open(slot.id, entry.sealed));
    unreadable.delete(slot);
    return record;
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== "credential_unreadable") throw error;
    unreadable.add(slot);
    return null;
  }
}

function full(): CodedError {
  return new CodedError("storage_full", {
    message:
      "The spill file is full of token responses that wait for the database. Start the database again, or raise HOLDFAST_SPILL_BYTES.",
  });
}
