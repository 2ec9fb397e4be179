/**
 * The sweeper does the work that no caller waits for. It refreshes tokens before they expire,
 * continues refreshes that a crash interrupted, sends revocations, warns of refresh tokens that
 * expire, and deletes expired rows. Must not know how a refresh works, nor any provider.
 *
 * One tick at a time, bounded in batch and concurrency. A tick that fails is logged, and the next
 * one runs. If a service can get no more requests now, its connections stay due until a later tick,
 * and the others proceed.
 */
import { warnOfEnd } from "../store/queries/connections.ts";
import type { ConnectionRow } from "../store/tables.ts";
import { emit } from "./events/events.ts";
import type { Revocations } from "./grants/revocation.ts";
import type { Ground } from "./ground.ts";
import { deleteExpired } from "./housekeeping.ts";
import type { Refresher } from "./refresh/refresh.ts";

const HOUSEKEEPING_EVERY_TICKS = 20;

export interface Sweeper {
  start(): void;
  /** Runs one round now. Resolves when it is done. */
  tick(): Promise<void>;
  stop(): void;
}

export interface SweeperDeps extends Pick<Ground, "store" | "clock" | "limits" | "log" | "random"> {
  readonly refresher: Refresher;
  readonly revocations: Pick<Revocations, "run">;
}

interface SweeperState extends SweeperDeps {
  cancelTimer: () => void;
  stopped: boolean;
  ticks: number;
}

export function createSweeper(deps: SweeperDeps): Sweeper {
  const sweeper: SweeperState = { ...deps, cancelTimer: () => {}, stopped: false, ticks: 0 };
  return {
    start: () => schedule(sweeper),
    tick: () => tick(sweeper),
    stop: () => stop(sweeper),
  };
}

function schedule(sweeper: SweeperState): void {
  const { clock, limits, log, random } = sweeper;
  if (sweeper.stopped) return;
  // Half to one and a half of the interval, so that several nodes do not sweep at the same times.
  sweeper.cancelTimer = clock.after(limits.sweep_interval_ms * (0.5 + random()), () => {
    void tick(sweeper)
      .catch((error: unknown) => log.error("sweep_failed", { error }))
      .finally(() => schedule(sweeper));
  });
}

function stop(sweeper: SweeperState): void {
  sweeper.stopped = true;
  sweeper.cancelTimer();
}

async function tick(sweeper: SweeperState): Promise<void> {
  await sweeper.refresher.releaseDeadLeases();
  await refreshDue(sweeper);
  await sweeper.revocations.run();
  await warnOfEnds(sweeper);
  if (sweeper.ticks % HOUSEKEEPING_EVERY_TICKS === 0) await deleteExpired(sweeper);
  sweeper.ticks += 1;
}

async function refreshDue(sweeper: SweeperState): Promise<void> {
  const { store, refresher, limits } = sweeper;
  for (let round = 0; round < limits.sweep_rounds; round += 1) {
    // The query skips busy clients: thousands of rows of a service that is down would fill every
    // batch and hide all others.
    const due = await store.reserveDue(limits.sweep_batch, [...refresher.busy()], limits.sweep_reserve_ms);
    const is_full = due.length === limits.sweep_batch;
    await refreshAll(sweeper, due);
    await store.unreserve(due.map(({ id }) => id));
    // More rows can be due behind a full batch, and behind postponed rows.
    if (sweeper.stopped || (due.length === 0 && !is_full)) return;
  }
}

/** Refreshes rows and removes them from `due`. Those that must wait stay in it. */
async function refreshAll(sweeper: SweeperState, due: ConnectionRow[]): Promise<void> {
  const workers = Math.min(sweeper.limits.sweep_concurrency, due.length);
  await Promise.all(Array.from({ length: workers }, () => refreshSome(sweeper, due)));
}

async function refreshSome(sweeper: SweeperState, due: ConnectionRow[]): Promise<void> {
  for (let row = takeNext(sweeper, due); row !== null; row = sweeper.stopped ? null : takeNext(sweeper, due))
    await refreshOne(sweeper, row);
}

/**
 * Removes the first row whose service can get a request now. Returns null if there is none. Its
 * refresh acquires the permit before the next await, so the next worker's `busy` counts it.
 */
function takeNext({ refresher }: SweeperState, due: ConnectionRow[]): ConnectionRow | null {
  const busy = refresher.busy();
  const index = due.findIndex(({ oauth_client_id }) => !busy.has(oauth_client_id));
  return index === -1 ? null : (due.splice(index, 1)[0] ?? null);
}

async function refreshOne({ refresher, log }: SweeperState, row: ConnectionRow): Promise<void> {
  try {
    await refresher.refresh(row, "background");
  } catch (error) {
    log.error("background_refresh_failed", { connection_id: row.id, integration_type: row.integration_type, error });
  }
}

/**
 * Warns of refresh tokens that expire. Refreshing cannot prevent that, so a user has to consent
 * again.
 */
async function warnOfEnds({ store, limits }: SweeperState): Promise<void> {
  for (const row of await store.endingConnections(limits.sweep_batch)) {
    await store.transaction(async (tx) => {
      const days = await warnOfEnd(tx, row);
      if (days !== null) await emit(tx, "connection.expiring_soon", row, { days });
    });
  }
}
