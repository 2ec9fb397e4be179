/**
 * The sweeper: renews tokens before anyone waits for them, takes up what a crash left open, sends revocations, and forgets
 * what is over. One tick at a time, bounded in batch and concurrency; a tick that fails is logged and the next one runs.
 */
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { plus } from "../core/types.ts";
import { warnOfEnd } from "../store/queries/connections.ts";
import type { Store } from "../store/store.ts";
import type { ConnectionRow } from "../store/tables.ts";
import type { Log } from "../telemetry/log.ts";
import { emit } from "./events.ts";
import type { Refresher } from "./refresh.ts";
import type { Revocations } from "./revocation.ts";

/** Undelivered events and finished outbox items are kept this long. */
const OUTBOX_KEEP_MS = 86_400_000;
const HOUSEKEEPING_EVERY_TICKS = 20;

export interface Sweeper {
  start(): void;
  /** One round now; resolves when it is done. */
  tick(): Promise<void>;
  stop(): void;
}

export interface SweeperDeps {
  readonly store: Store;
  readonly refresher: Refresher;
  readonly revocations: Revocations;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Log;
  readonly random: () => number;
}

export function createSweeper({ store, refresher, revocations, clock, limits, log, random }: SweeperDeps): Sweeper {
  let cancel = (): void => {};
  let stopped = false;
  let ticks = 0;

  async function tick(): Promise<void> {
    await refreshDue();
    await revocations.run();
    await warnOfEnds();
    if (ticks % HOUSEKEEPING_EVERY_TICKS === 0) await forgetOld();
    ticks += 1;
  }

  async function refreshDue(): Promise<void> {
    const due = await store.dueConnections(limits.sweep_batch);
    const next = due[Symbol.iterator]();
    const worker = async (): Promise<void> => {
      for (const row of { [Symbol.iterator]: () => next }) {
        if (stopped) return;
        await refreshOne(row);
      }
    };
    await Promise.all(Array.from({ length: Math.min(limits.sweep_concurrency, due.length) }, worker));
  }

  async function refreshOne(row: ConnectionRow): Promise<void> {
    try {
      await refresher.refresh(row, "background");
    } catch (error) {
      log.error("background_refresh_failed", { connection_id: row.id, integration_type: row.integration_type, error });
    }
  }

  /** Refreshing cannot help here: the refresh token itself ends, and a person has to be told in time. */
  async function warnOfEnds(): Promise<void> {
    for (const row of await store.endingConnections(limits.sweep_batch)) {
      const days = await store.transaction(function* (tx) {
        const warned = yield* warnOfEnd(tx, row);
        if (warned !== null) yield* emit(tx, "connection.expiring_soon", row, { days: warned });
        return warned;
      });
      if (days !== null)
        log.warn("expiring_soon", { connection_id: row.id, integration_type: row.integration_type, count: days });
    }
  }

  async function forgetOld(): Promise<void> {
    const now = clock.now();
    await store.deleteOldFlows(plus(now, -limits.finished_flow_ttl_ms));
    await store.deleteOldCredentials(plus(now, -limits.session_absolute_ms), now);
    await store.deleteOldOutbox(plus(now, -OUTBOX_KEEP_MS));
  }

  function schedule(): void {
    if (stopped) return;
    // Between half and one and a half of the interval: several nodes must not sweep in step.
    cancel = clock.after(limits.sweep_interval_ms * (0.5 + random()), () => {
      void tick()
        .catch((error: unknown) => log.error("sweep_failed", { error }))
        .finally(schedule);
    });
  }

  return {
    start: schedule,
    tick,
    stop() {
      stopped = true;
      cancel();
    },
  };
}
