/**
 * Maps records to blocks of the spill file. Kept in memory only, because a start rebuilds it from
 * the records in the file. A value and functions over it, without I/O or clock.
 *
 * Blocks are assigned around the file, as in a ring. The blocks of a committed record are free
 * again after `keep_ms`, or earlier if room is needed, oldest first. The blocks of an uncommitted
 * record are never reused.
 */
import { plus, type Instant } from "../../core/types.ts";
import { blocksFor, type Slot } from "./spill-format.ts";

export interface BlockMap {
  readonly keep_ms: number;
  /** The record in each block. */
  readonly owners: (Slot | null)[];
  /** A Map keeps the order of insertion: oldest first. */
  readonly by_id: Map<string, Slot>;
  /** The search for free blocks begins here, so that the oldest ones are overwritten last. */
  cursor: number;
}

export function createBlockMap(blocks: number, keep_ms: number): BlockMap {
  return { keep_ms, owners: Array.from({ length: blocks }, () => null), by_id: new Map(), cursor: 0 };
}

/** Adds a record that was found in the file. */
export function addSlot(map: BlockMap, slot: Slot): void {
  setOwner(map, slot, slot);
  publishSlot(map, slot);
}

/** Assigns blocks to a new record. Returns null if uncommitted records leave no room. */
export function allocateSlot(
  map: BlockMap,
  { id, sequence, bytes }: { readonly id: string; readonly sequence: bigint; readonly bytes: number },
  now: Instant,
): Slot | null {
  const blocks = blocksFor(bytes);
  for (const slot of map.by_id.values()) if (!isKept(map, slot, now)) removeSlot(map, slot);
  const block = findRun(map, blocks) ?? makeRoom(map, blocks);
  if (block === null) return null;
  const slot = { id, sequence, block, blocks, committed_at: null };
  setOwner(map, slot, slot);
  map.cursor = (block + blocks) % map.owners.length;
  return slot;
}

/** Removes committed records, oldest first, until `blocks` adjacent ones are free. */
function makeRoom(map: BlockMap, blocks: number): number | null {
  for (const slot of map.by_id.values()) {
    if (slot.committed_at === null) continue;
    removeSlot(map, slot);
    const block = findRun(map, blocks);
    if (block !== null) return block;
  }
  return null;
}

/** Returns the first block of `count` adjacent free ones, searched from the cursor. */
function findRun({ owners, cursor }: BlockMap, count: number): number | null {
  let run = 0;
  // Search once around, and far enough past the cursor to find a run that contains it.
  for (let step = 0; step < owners.length + count; step += 1) {
    const block = (cursor + step) % owners.length;
    if (block === 0) run = 0;
    run = owners[block] === null ? run + 1 : 0;
    if (run === count) return block - count + 1;
  }
  return null;
}

/** Makes a record the current one of its id, because it is durable now. */
export function publishSlot(map: BlockMap, slot: Slot): void {
  const known = map.by_id.get(slot.id);
  if (known !== undefined && known.sequence > slot.sequence) return removeSlot(map, slot);
  if (known !== undefined) removeSlot(map, known);
  map.by_id.set(slot.id, slot);
}

export function removeSlot(map: BlockMap, slot: Slot): void {
  setOwner(map, slot, null);
  if (map.by_id.get(slot.id) === slot) map.by_id.delete(slot.id);
}

/** Reports whether a record is uncommitted, or committed less than `keep_ms` ago. */
export function isKept({ keep_ms }: BlockMap, { committed_at }: Slot, now: Instant): boolean {
  return committed_at === null || plus(committed_at, keep_ms) > now;
}

function setOwner({ owners }: BlockMap, { block, blocks }: Slot, owner: Slot | null): void {
  owners.fill(owner, block, block + blocks);
}
