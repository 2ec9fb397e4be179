/**
 * The layout of the spill file. Pure: bytes in, bytes out. Must not know what a record means.
 *
 * The file is preallocated in blocks of 4 KiB. A full disk therefore cannot refuse a write, and a
 * torn page never damages a neighbor. A record lies in adjacent blocks and begins at the first byte
 * of a block. Numbers are big-endian:
 *
 *     0   8  "hfspill1"
 *     8   8  sequence number: of two records with one id, the higher counts
 *     16  4  length of the id
 *     20  4  length of the sealed bytes
 *     24  4  CRC-32 of bytes 0..23, the id and the sealed bytes: a torn or overwritten record fails
 *            it and is ignored
 *     28  8  instant of the commit (ms since the epoch), written later
 *     36  4  CRC-32 of the sequence number and that instant: wrong until committed
 *     40     id (`<connection id>/<attempt>`), then the sealed bytes (JSON of the whole record, the
 *            tokens included)
 */
import { crc32 } from "node:zlib";
import { instant, type Instant } from "../../core/types.ts";

export const BLOCK_BYTES = 4_096;
export const HEADER_BYTES = 40;
export const MARK_OFFSET = 28;
const MAGIC = Buffer.from("hfspill1", "latin1");

export const blocksFor = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES);

/** A record's place in the file. */
export interface Slot {
  readonly id: string;
  /** Of two records with one id, the higher counts. */
  readonly sequence: bigint;
  readonly block: number;
  readonly blocks: number;
  committed_at: Instant | null;
}

export interface Entry {
  readonly slot: Slot;
  readonly sealed: Buffer;
}

export function encodeEntry(sequence: bigint, id: string, sealed: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeBigUInt64BE(sequence, 8);
  header.writeUInt32BE(id.length, 16);
  header.writeUInt32BE(sealed.length, 20);
  const body = Buffer.concat([Buffer.from(id, "latin1"), sealed]);
  header.writeUInt32BE(crc32(body, crc32(header.subarray(0, 24))), 24);
  // The zeros also erase the commit mark of an earlier record in the same place.
  return Buffer.concat([header, body]);
}

/** Returns the length of the record with this header, or null if it is not a header. */
export function recordBytes(header: Buffer): number | null {
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  return HEADER_BYTES + header.readUInt32BE(16) + header.readUInt32BE(20);
}

/** Returns a record, or null if it is not whole. */
export function decodeEntry(header: Buffer, body: Buffer, block: number): Entry | null {
  if (crc32(body, crc32(header.subarray(0, 24))) !== header.readUInt32BE(24)) return null;
  const id_bytes = header.readUInt32BE(16);
  const sequence = header.readBigUInt64BE(8);
  const id = body.toString("latin1", 0, id_bytes);
  const blocks = blocksFor(header.length + body.length);
  const slot = { id, sequence, block, blocks, committed_at: decodeMark(header, sequence) };
  return { slot, sealed: body.subarray(id_bytes) };
}

/**
 * Returns a commit mark. It includes the sequence number: a mark that arrives after its blocks have
 * a new record means nothing to that record.
 */
export function encodeMark(sequence: bigint, committed_at: Instant): Buffer {
  const mark = Buffer.alloc(12);
  mark.writeBigUInt64BE(BigInt(committed_at));
  mark.writeUInt32BE(markChecksum(sequence, mark.subarray(0, 8)), 8);
  return mark;
}

function decodeMark(header: Buffer, sequence: bigint): Instant | null {
  const committed_at = header.subarray(MARK_OFFSET, MARK_OFFSET + 8);
  if (header.readUInt32BE(MARK_OFFSET + 8) !== markChecksum(sequence, committed_at)) return null;
  return instant(Number(committed_at.readBigUInt64BE()));
}

function markChecksum(sequence: bigint, committed_at: Uint8Array): number {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(sequence);
  return crc32(committed_at, crc32(number));
}
