/**
 * Reading from a database that may be away. Those who ask for tokens by the thousand must not all wait for it: the first who
 * finds it gone says so to the others, who are turned away at once; once in a while somebody tries again.
 *
 * Only for readings, which may be given up and repeated. Errors: ApiError `database_unavailable`, and what the reading throws.
 */
import { within } from "../../core/clock.ts";
import { ApiError } from "../../core/errors.ts";
import type { Ground } from "../ground.ts";

export interface DatabaseGate {
  read<T>(action: () => Promise<T>): Promise<T>;
  isOpen(): boolean;
  /** Something else got an answer from the database: nobody has to be turned away any more. */
  answered(): void;
}

const LATE = Symbol("late");
/** Of a database that is away nobody hears for so long. One that is only busy answers somebody, if not everybody in time. */
const SILENCE_MS = 400;

export function createDatabaseGate({ clock, limits, log }: Pick<Ground, "clock" | "limits" | "log">): DatabaseGate {
  /** Null while the database answers; else the monotonic instant from when on somebody may try. */
  let next_probe: number | null = null;
  let answered_at = Number.NEGATIVE_INFINITY;

  async function read<T>(action: () => Promise<T>): Promise<T> {
    const now = clock.monotonic_ms();
    if (next_probe !== null && now < next_probe) throw unavailable();
    if (next_probe !== null) next_probe = now + limits.database_probe_ms;
    try {
      const value = await timely(action);
      answered();
      return value;
    } catch (error) {
      if (!isOutage(error)) {
        answered();
        throw error;
      }
      if (next_probe === null) log.error("database_away", { error });
      next_probe = clock.monotonic_ms() + limits.database_probe_ms;
      throw error;
    }
  }

  function answered(): void {
    if (next_probe !== null) log.warn("database_back");
    next_probe = null;
    answered_at = clock.monotonic_ms();
  }

  /** A single connection that broke is replaced by the second try, and is no outage. */
  async function timely<T>(action: () => Promise<T>): Promise<T> {
    const patient = async (): Promise<T> =>
      action().catch((error: unknown) => {
        if (!isOutage(error) || next_probe !== null) throw error;
        return action();
      });
    const pending = patient();
    for (let wait_ms = limits.database_read_wait_ms; ;) {
      const value = await within(clock, pending, wait_ms, LATE);
      if (value !== LATE) return value;
      wait_ms = answered_at + SILENCE_MS - clock.monotonic_ms();
      if (wait_ms <= 0) throw unavailable();
    }
  }

  return { read, isOpen: () => next_probe === null, answered };
}

export function isOutage(error: unknown): boolean {
  return error instanceof ApiError && error.code === "database_unavailable";
}

function unavailable(): ApiError {
  return new ApiError("database_unavailable", { retry_after_s: 1 });
}
