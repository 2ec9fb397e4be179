/**
 * The bytes of the spill file: reading, writing, syncing. Must not know what a record means.
 *
 * Layout: a preallocated file of 4 KiB blocks (so a full disk cannot refuse a write, and a torn page never touches a
 * neighbour). A record lies in adjacent blocks and starts at a block's first byte; numbers are big-endian:
 *
 *     0   8  "hfspill1"
 *     8   8  sequence number: the newest of two records with one id counts
 *     16  4  length of the id
 *     20  4  length of the sealed bytes
 *     24  4  CRC-32 of bytes 0..23, the id and the sealed bytes: a torn or overwritten record fails it and is ignored
 *     28  8  instant of the commit (ms since the epoch), written later
 *     36  4  CRC-32 of sequence number and that instant; wrong until committed
 *     40     id (`<connection id>/<attempt>`), then the sealed bytes (JSON of the whole record, the tokens included)
 *
 * A commit mark is not synced: lost in a power cut, it only means that the record is offered again.
 *
 * Errors: `storage_full` (503) when the disk is; `internal` for other disk errors.
 */
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { ApiError } from "../../core/errors.ts";
import { instant, type Instant } from "../../core/types.ts";

const BLOCK_BYTES = 4_096;
const HEADER_BYTES = 40;
const MARK_OFFSET = 28;
const MAGIC = Buffer.from("hfspill1", "latin1");
const CHUNK_BYTES = 1_048_576;

export const blocksFor = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES);

/** A record's place in the file. */
export interface Slot {
  readonly id: string;
  /** The newest of two records with one id counts. */
  readonly sequence: bigint;
  readonly block: number;
  readonly blocks: number;
  committed_at: Instant | null;
}

/**
 * Opens or makes the file. Grows it with real zeros, so that a full disk shows at the start and not at a write; never
 * shrinks it, since records may lie at its end.
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
    if (size < end) await syncWhole(file, dirname(path));
    return { file, blocks };
  } catch (error) {
    await file.close();
    throw diskError(error);
  }
}

/** Size and name too: without its directory entry a synced file is gone after a power cut. */
async function syncWhole(file: FileHandle, directory: string): Promise<void> {
  await file.sync();
  const parent = await open(directory, constants.O_RDONLY);
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}

/** Every whole record, oldest first. */
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

/** The record that starts at this block; null when none does, or it is not whole. */
export async function readEntry(
  file: FileHandle,
  block: number,
  blocks: number,
): Promise<{ slot: Slot; sealed: Buffer } | null> {
  const at = block * BLOCK_BYTES;
  const header = await readExactly(file, at, HEADER_BYTES);
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const id_bytes = header.readUInt32BE(16);
  const length = HEADER_BYTES + id_bytes + header.readUInt32BE(20);
  const count = blocksFor(length);
  if (block + count > blocks) return null;
  const body = await readExactly(file, at + HEADER_BYTES, length - HEADER_BYTES);
  if (crc32(body, crc32(header.subarray(0, 24))) !== header.readUInt32BE(24)) return null;
  const sequence = header.readBigUInt64BE(8);
  const id = body.toString("latin1", 0, id_bytes);
  const slot = { id, sequence, block, blocks: count, committed_at: decodeMark(header, sequence) };
  return { slot, sealed: body.subarray(id_bytes) };
}

export function encodeEntry(sequence: bigint, id: string, sealed: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeBigUInt64BE(sequence, 8);
  header.writeUInt32BE(id.length, 16);
  header.writeUInt32BE(sealed.length, 20);
  const body = Buffer.concat([Buffer.from(id, "latin1"), sealed]);
  header.writeUInt32BE(crc32(body, crc32(header.subarray(0, 24))), 24);
  // A record committed in the same place before left its mark; the zeros written here take it away.
  return Buffer.concat([header, body]);
}

/** The sequence number is in the sum: a mark that arrives after its blocks were taken means nothing to the new record. */
function encodeMark(sequence: bigint, committed_at: Instant): Buffer {
  const mark = Buffer.alloc(12);
  mark.writeBigUInt64BE(BigInt(committed_at));
  mark.writeUInt32BE(markSum(sequence, mark.subarray(0, 8)), 8);
  return mark;
}

function decodeMark(header: Buffer, sequence: bigint): Instant | null {
  const committed_at = header.subarray(MARK_OFFSET, MARK_OFFSET + 8);
  if (header.readUInt32BE(MARK_OFFSET + 8) !== markSum(sequence, committed_at)) return null;
  return instant(Number(committed_at.readBigUInt64BE()));
}

function markSum(sequence: bigint, committed_at: Uint8Array): number {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(sequence);
  return crc32(committed_at, crc32(number));
}

/** One sync at a time; whoever comes during it shares the next one, since the running one may have passed its bytes. */
export function createSync(file: FileHandle): () => Promise<void> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const start = (): Promise<void> => {
    next = null;
    running = file
      .datasync()
      .catch(rethrow)
      .finally(() => {
        running = null;
      });
    return running;
  };
  return () => {
    if (running === null) return start();
    next ??= running.then(start, start);
    return next;
  };
}

export async function writeEntry(file: FileHandle, block: number, bytes: Uint8Array): Promise<void> {
  await writeAll(file, bytes, block * BLOCK_BYTES).catch(rethrow);
}

/** Says in the file that the record is committed. Not synced. */
export async function writeMark(file: FileHandle, slot: Slot, committed_at: Instant): Promise<void> {
  await writeAll(file, encodeMark(slot.sequence, committed_at), slot.block * BLOCK_BYTES + MARK_OFFSET).catch(rethrow);
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/** What lies past the end of a file reads as zeros. */
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

function diskError(cause: unknown): ApiError {
  const code = cause instanceof Error && "code" in cause ? cause.code : null;
  return new ApiError(code === "ENOSPC" || code === "EDQUOT" ? "storage_full" : "internal", { cause });
}
