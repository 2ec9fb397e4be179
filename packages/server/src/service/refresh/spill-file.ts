/**
 * Reads, writes and syncs the blocks of the spill file. Must not know what a record means.
 *
 * Errors: CodedError `storage_full` (503) if the disk is full, `internal` for other disk errors.
 */
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "../../core/errno.ts";
import { CodedError } from "../../core/errors.ts";
import type { Instant } from "../../core/types.ts";
import {
  BLOCK_BYTES,
  blocksFor,
  decodeEntry,
  encodeMark,
  HEADER_BYTES,
  MARK_OFFSET,
  recordBytes,
  type Entry,
  type Slot,
} from "./spill-format.ts";

const CHUNK_BYTES = 1_048_576;

/**
 * Opens or creates the file. Grows it with real zeros, so that a full disk fails the start instead
 * of a later write. Never shrinks it, because records can lie at its end.
 */
export async function openBlocks(path: string, wanted_bytes: number): Promise<{ file: FileHandle; blocks: number }> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    const { size } = await file.stat();
    const blocks = Math.max(1, Math.floor(wanted_bytes / BLOCK_BYTES), blocksFor(size));
    const end = blocks * BLOCK_BYTES;
    for (let at = size; at < end; at += CHUNK_BYTES) {
      await writeAll(file, Buffer.alloc(Math.min(CHUNK_BYTES, end - at)), at);
    }
    if (size < end) await syncWithDirectory(file, dirname(path));
    return { file, blocks };
  } catch (error) {
    await file.close();
    throw diskError(error);
  }
}

/** Syncs the file and its directory entry. Without the entry, a power cut loses the file. */
async function syncWithDirectory(file: FileHandle, directory: string): Promise<void> {
  await file.sync();
  const parent = await open(directory, constants.O_RDONLY);
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}

/** Returns the place of every whole record, oldest first. */
export async function scan(file: FileHandle, blocks: number): Promise<Slot[]> {
  const slots: Slot[] = [];
  let block = 0;
  while (block < blocks) {
    const entry = await readEntry(file, block, blocks);
    if (entry !== null) slots.push(entry.slot);
    block += entry?.slot.blocks ?? 1;
  }
  return slots.toSorted((a, b) => (a.sequence < b.sequence ? -1 : 1));
}

/** Returns the record that begins at this block, or null if there is no whole one. */
export async function readEntry(file: FileHandle, block: number, blocks: number): Promise<Entry | null> {
  const at = block * BLOCK_BYTES;
  const header = await readExactly(file, at, HEADER_BYTES);
  const length = recordBytes(header);
  if (length === null || block + blocksFor(length) > blocks) return null;
  const body = await readExactly(file, at + HEADER_BYTES, length - HEADER_BYTES);
  return decodeEntry(header, body, block);
}

export async function writeEntry(file: FileHandle, block: number, bytes: Uint8Array): Promise<void> {
  await writeAll(file, bytes, block * BLOCK_BYTES).catch(rethrow);
}

/** Marks the record in the file as committed. Not synced. */
export async function writeMark(file: FileHandle, slot: Slot, committed_at: Instant): Promise<void> {
  await writeAll(file, encodeMark(slot.sequence, committed_at), slot.block * BLOCK_BYTES + MARK_OFFSET).catch(rethrow);
}

/** The running sync of a file, and the next sync, which waits for it. */
export interface SyncQueue {
  readonly file: FileHandle;
  running: Promise<void> | null;
  next: Promise<void> | null;
}

export const createSyncQueue = (file: FileHandle): SyncQueue => ({ file, running: null, next: null });

/**
 * Syncs the file. Callers that arrive during a sync share the next sync, because the running sync
 * may have passed their bytes already.
 */
export function sync(queue: SyncQueue): Promise<void> {
  if (queue.running === null) return startSync(queue);
  queue.next ??= queue.running.then(
    () => startSync(queue),
    () => startSync(queue),
  );
  return queue.next;
}

function startSync(queue: SyncQueue): Promise<void> {
  queue.next = null;
  queue.running = queue.file
    .datasync()
    .catch(rethrow)
    .finally(() => {
      queue.running = null;
    });
  return queue.running;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/** Bytes past the end of the file read as zeros. */
async function readExactly(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes;
}

function rethrow(cause: unknown): never {
  throw diskError(cause);
}

function diskError(cause: unknown): CodedError {
  const code = errnoOf(cause);
  return new CodedError(code === "ENOSPC" || code === "EDQUOT" ? "storage_full" : "internal", { cause });
}
