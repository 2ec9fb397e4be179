/**
 * A node's spill, in memory: what was synced survives the process, what was not is gone with it. A mark that a record is
 * committed is not synced, as in the real file, so that a crash may bring the record back.
 */
import { ApiError } from "../../src/core/errors.ts";
import type { SpillRecord } from "../../src/service/refresh/spill-record.ts";
import type { Spill } from "../../src/service/refresh/spill.ts";
import type { Profile } from "./faults.ts";
import type { Life, Step, World } from "./world.ts";

interface Kept {
  readonly record: SpillRecord;
  committed_at: number | null;
  mark_synced: boolean;
}

/** What is on the disk of one node. */
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

export function openSimulatedSpill({ world, profile, life, disk, keep_ms, step }: SpillOptions): Spill {
  const { random } = world;
  for (const kept of disk.kept) {
    if (kept.committed_at === null || kept.mark_synced || !random.chance(profile.spill_mark_lost)) continue;
    world.happened("spill_mark_lost", life.owner);
    kept.committed_at = null;
  }
  for (const kept of disk.kept) kept.mark_synced = true;

  const isKept = ({ committed_at }: Kept): boolean => committed_at === null || committed_at + keep_ms > world.now();
  const same = (record: SpillRecord, id: string, attempt: number): boolean =>
    record.connection_id === id && record.attempt === attempt;

  function soon<T>(where: string, value: () => T): Promise<T> {
    return new Promise((resolve) => {
      step(life, where, () => world.at(life, BLOCK_MS, () => resolve(value())));
    });
  }

  return {
    append: (record) =>
      new Promise((resolve, reject) => {
        step(life, "before the spill", () => {
          const is_slow = random.chance(profile.spill_slow);
          if (is_slow) world.happened("spill_slow", life.owner);
          const wait_ms = is_slow ? random.between(200, 5_000) : BLOCK_MS;
          if (random.chance(profile.spill_full)) {
            world.happened("spill_full", life.owner);
            world.at(life, wait_ms, () => reject(new ApiError("storage_full")));
            return;
          }
          world.at(life, wait_ms, () => {
            disk.kept = disk.kept.filter((kept) => !same(kept.record, record.connection_id, record.attempt));
            disk.kept.push({ record, committed_at: null, mark_synced: false });
            world.note(() => `${life.owner} spilled attempt ${record.attempt} of ${record.connection_id}`);
            step(life, "after the spill", () => resolve());
          });
        });
      }),
    committed: (id, attempt) =>
      soon("marking the spill", () => {
        for (const kept of disk.kept) {
          if (!same(kept.record, id, attempt)) continue;
          kept.committed_at ??= world.now();
          kept.mark_synced = false;
        }
      }),
    pending: () =>
      soon("reading the spill", () =>
        disk.kept.filter(({ committed_at }) => committed_at === null).map(({ record }) => record),
      ),
    repairable: () =>
      soon("reading the spill", () =>
        disk.kept.filter((kept) => kept.committed_at !== null && isKept(kept)).map(({ record }) => record),
      ),
    latest: (id) =>
      soon(
        "reading the spill",
        () => disk.kept.findLast((kept) => kept.record.connection_id === id && isKept(kept))?.record ?? null,
      ),
    unreadable: 0,
    close: () => Promise.resolve(),
  };
}
