/**
 * A node's spill, in memory. Synced records survive the process, and others are lost with it. The
 * mark of a commit is not synced, as in the real file, so a crash can bring the record back.
 */
import { CodedError } from "../../src/core/errors.ts";
import type { SpillRecord } from "../../src/service/refresh/spill-record.ts";
import type { Spill } from "../../src/service/refresh/spill.ts";
import type { Profile } from "./faults.ts";
import type { Life, Step, World } from "./world.ts";

interface Kept {
  readonly record: SpillRecord;
  committed_at: number | null;
  mark_synced: boolean;
}

/** The disk of one node. */
export interface Disk {
  kept: Kept[];
}

export interface SpillOptions {
  readonly world: World;
  readonly profile: Profile;
  readonly life: Life;
  readonly disk: Disk;
  readonly keep_ms: number;
  readonly step: Step;
}

const BLOCK_MS = 0.3;

export function openSimulatedSpill(options: SpillOptions): Spill {
  const { world, disk } = options;
  loseMarks(options);
  return {
    append: (record) => append(options, record),
    committed: (id, attempt) =>
      soon(options, "marking the spill", () => {
        for (const kept of disk.kept) {
          if (!isRecord(kept, id, attempt)) continue;
          kept.committed_at ??= world.now();
          kept.mark_synced = false;
        }
      }),
    pending: () => select(options, (kept) => kept.committed_at === null),
    repairable: () => select(options, (kept) => kept.committed_at !== null && isKept(options, kept)),
    latest: (id) =>
      soon(
        options,
        "reading the spill",
        () => disk.kept.findLast((kept) => kept.record.connection_id === id && isKept(options, kept))?.record ?? null,
      ),
    unreadable: 0,
    close: () => Promise.resolve(),
  };
}

/** At a start, a mark that was not synced can be lost. */
function loseMarks({ world, profile, life, disk }: SpillOptions): void {
  for (const kept of disk.kept) {
    if (kept.committed_at === null || kept.mark_synced || !world.random.chance(profile.spill_mark_lost)) continue;
    world.happened("spill_mark_lost", life.owner);
    kept.committed_at = null;
  }
  for (const kept of disk.kept) kept.mark_synced = true;
}

function append({ world, profile, life, disk, step }: SpillOptions, record: SpillRecord): Promise<void> {
  const { random } = world;
  return new Promise((resolve, reject) => {
    step(life, "before the spill", () => {
      const is_slow = random.chance(profile.spill_slow);
      if (is_slow) world.happened("spill_slow", life.owner);
      const wait_ms = is_slow ? random.between(200, 5_000) : BLOCK_MS;
      if (random.chance(profile.spill_full)) {
        world.happened("spill_full", life.owner);
        world.at(life, wait_ms, () => reject(new CodedError("storage_full")));
        return;
      }
      world.at(life, wait_ms, () => {
        disk.kept = disk.kept.filter((kept) => !isRecord(kept, record.connection_id, record.attempt));
        disk.kept.push({ record, committed_at: null, mark_synced: false });
        world.trace(() => `${life.owner} spilled attempt ${record.attempt} of ${record.connection_id}`);
        step(life, "after the spill", () => resolve());
      });
    });
  });
}

function select(options: SpillOptions, isWanted: (kept: Kept) => boolean): Promise<SpillRecord[]> {
  return soon(options, "reading the spill", () => options.disk.kept.filter(isWanted).map(({ record }) => record));
}

/** Resolves after the time of one disk operation. */
function soon<T>({ world, life, step }: SpillOptions, where: string, value: () => T): Promise<T> {
  return new Promise((resolve) => {
    step(life, where, () => world.at(life, BLOCK_MS, () => resolve(value())));
  });
}

function isRecord({ record }: Kept, id: string, attempt: number): boolean {
  return record.connection_id === id && record.attempt === attempt;
}

function isKept({ world, keep_ms }: SpillOptions, { committed_at }: Kept): boolean {
  return committed_at === null || committed_at + keep_ms > world.now();
}
