/**
 * The sweeper: renews tokens before anyone waits for them, takes up what a crash left open, sends revocations, and forgets
 * what is over. One tick at a time, bounded in batch and concurrency; a tick that fails is logged and the next one runs.
 * A service that may get no more requests now keeps its place until a later tick, and the others go on.
 */
import { plus } from "../core/types.ts";
import { warnOfEnd } from "../store/queries/connections.ts";
import type { ConnectionRow } from "../store/tables.ts";
import { sessionLife } from "./access/cli-sessions.ts";
import { emit } from "./events/events.ts";
import type { Refresher } from "./refresh/refresh.ts";
import type { Revocations } from "./grants/revocation.ts";
import type { Ground } from "./ground.ts";

/** Finished outbox items are kept this long, to be looked at. */
const OUTBOX_KEEP_MS = 86_400_000;
const HOUSEKEEPING_EVERY_TICKS = 20;

export interface Sweeper {
  start(): void;
  /** One round now; resolves when it is done. */
  tick(): Promise<void>;
  stop(): void;
}

export interface SweeperDeps extends Pick<Ground, "store" | "clock" | "limits" | "log" | "random"> {
  readonly refresher: Refresher;
  readonly revocations: Revocations;
}

export function createSweeper({ store, refresher, revocations, clock, limits, log, random }: SweeperDeps): Sweeper {
  let cancel = (): void => {};
  let stopped = false;
  let ticks = 0;

  async function tick(): Promise<void> {
    await refresher.releaseDead();
    await refreshDue();
    await revocations.run();
    await warnOfEnds();
    if (ticks % HOUSEKEEPING_EVERY_TICKS === 0) await forgetOld();
    ticks += 1;
  }

  async function refreshDue(): Promise<void> {
    for (let round = 0; round < limits.sweep_rounds; round += 1) {
      // Asked for by the query: thousands of rows of a service that is down would fill every batch, and hide all others.
      const due = await store.reserveDue(limits.sweep_batch, [...refresher.busy()], limits.sweep_reserve_ms);
      const is_full = due.length === limits.sweep_batch;
      await refreshAll(due);
      await store.unreserve(due.map(({ id }) => id));
      // Rows that were left make others wait behind them, and so does a batch that was full.
      if (stopped || (due.length === 0 && !is_full)) return;
    }
  }

  /** Takes out of `due` what may be refreshed now; what stays is left for later. */
  async function refreshAll(due: ConnectionRow[]): Promise<void> {
    const worker = async (): Promise<void> => {
      for (let row = takeNext(due); row !== null; row = stopped ? null : takeNext(due)) await refreshOne(row);
    };
    await Promise.all(Array.from({ length: Math.min(limits.sweep_concurrency, due.length) }, worker));
  }

  /** The first whose service may get a request now. Its turn is taken before anything is awaited. */
  function takeNext(due: ConnectionRow[]): ConnectionRow | null {
    const busy = refresher.busy();
    const index = due.findIndex(({ oauth_client_id }) => !busy.has(oauth_client_id));
    return index === -1 ? null : (due.splice(index, 1)[0] ?? null);
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
      await store.transaction(async (tx) => {
        const days = await warnOfEnd(tx, row);
        if (days !== null) await emit(tx, "connection.expiring_soon", row, { days });
      });
    }
  }

  async function forgetOld(): Promise<void> {
    const now = clock.now();
    await store.deleteOldFlows(plus(now, -limits.finished_flow_ttl_ms));
    await store.deleteOldCredentials(plus(now, -limits.session_absolute_ms), now);
    // A device code that is over is still told from one that never was.
    await store.deleteOldLogins(sessionLife(limits), plus(now, -limits.device_code_ttl_ms));
    await store.deleteOldWindows();
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
