/**
 * Which blocks of the spill file are taken, and by which record; in memory only, since the file's records say it all.
 *
 * Blocks are handed out round the file. Those of a committed record are free again after a while, or before that when
 * room is needed, oldest first; those of an uncommitted record never. Pure state: no I/O, no clock.
 */
import { plus, type Instant } from "../../core/types.ts";
import { blocksFor, type Slot } from "./spill-file.ts";

export interface BlockMap {
  /** A record found in the file. */
  add(slot: Slot): void;
  /** Blocks for a new record; null when uncommitted records leave no room. */
  allocate(id: string, sequence: bigint, bytes: number, now: Instant): Slot | null;
  /** The record is durable: from now on it stands for its id. */
  publish(slot: Slot): void;
  remove(slot: Slot): void;
  find(id: string): Slot | undefined;
  isKept(slot: Slot, now: Instant): boolean;
  /** Oldest first. */
  slots(): Slot[];
}

/** Which blocks are taken by which record. In memory only: the file's records say it all. */
export function createMap(blocks: number, keep_ms: number): BlockMap {
  const owners: (Slot | null)[] = Array.from({ length: blocks }, () => null);
  const by_id = new Map<string, Slot>();
  let cursor = 0;

  const setOwner = (slot: Slot, owner: Slot | null): void => {
    owners.fill(owner, slot.block, slot.block + slot.blocks);
  };
  const remove = (slot: Slot): void => {
    setOwner(slot, null);
    if (by_id.get(slot.id) === slot) by_id.delete(slot.id);
  };
  const isKept = (slot: Slot, now: Instant): boolean =>
    slot.committed_at === null || plus(slot.committed_at, keep_ms) > now;
  const publish = (slot: Slot): void => {
    const known = by_id.get(slot.id);
    if (known !== undefined && known.sequence > slot.sequence) return remove(slot);
    if (known !== undefined) remove(known);
    by_id.set(slot.id, slot);
  };
  /** First block of `count` free ones, looked for from the cursor on, so that the oldest are overwritten last. */
  const findRun = (count: number): number | null => {
    let run = 0;
    // Once round, and far enough past the cursor to see a run that it stands in.
    for (let step = 0; step < blocks + count; step += 1) {
      const block = (cursor + step) % blocks;
      if (block === 0) run = 0;
      run = owners[block] === null ? run + 1 : 0;
      if (run === count) return block - count + 1;
    }
    return null;
  };

  return {
    add: (slot) => {
      setOwner(slot, slot);
      publish(slot);
    },
    allocate: (id, sequence, bytes, now) => {
      const count = blocksFor(bytes);
      for (const slot of by_id.values()) if (!isKept(slot, now)) remove(slot);
      let block = findRun(count);
      // A Map keeps the order of insertion: oldest first.
      for (const slot of by_id.values()) {
        if (block !== null) break;
        if (slot.committed_at === null) continue;
        remove(slot);
        block = findRun(count);
      }
      if (block === null) return null;
      const slot = { id, sequence, block, blocks: count, committed_at: null };
      setOwner(slot, slot);
      cursor = (block + count) % blocks;
      return slot;
    },
    publish,
    remove,
    isKept,
    find: (id) => by_id.get(id),
    slots: () => [...by_id.values()],
  };
}
