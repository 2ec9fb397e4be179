/**
 * Readers' access to a database that may be down. Thousands of readers must not all wait for it.
 * The first read that fails closes the gate, and later reads fail at once. While it is closed, one
 * read per `database_probe_ms` tests whether the database is back.
 *
 * Only for reads, which can be abandoned and repeated. Errors: CodedError `database_unavailable`,
 * and the errors of the read itself.
 */
import { within } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import type { Ground } from "../ground.ts";

export interface DatabaseGate {
  /** Runs a read. @throws CodedError `database_unavailable` at once while the gate is closed */
  read<T>(query: () => Promise<T>): Promise<T>;
  isOpen(): boolean;
  /** Opens the gate, because the database answered a query that did not pass through it. */
  markReachable(): void;
}

type GateDeps = Pick<Ground, "clock" | "limits" | "log">;

interface Gate extends GateDeps {
  /** Monotonic time of the next test while the gate is closed, else null. */
  next_probe_at: number | null;
  /** Monotonic time of the last answer. */
  answered_at: number;
}

const TIMED_OUT = Symbol("timed out");
/**
 * No answer to any query for this long means the database is down. A busy one still answers some
 * queries.
 */
const SILENCE_MS = 400;

export function createDatabaseGate({ clock, limits, log }: GateDeps): DatabaseGate {
  const gate: Gate = { clock, limits, log, next_probe_at: null, answered_at: Number.NEGATIVE_INFINITY };
  return {
    read: (query) => read(gate, query),
    isOpen: () => gate.next_probe_at === null,
    markReachable: () => markReachable(gate),
  };
}

async function read<T>(gate: Gate, query: () => Promise<T>): Promise<T> {
  const { clock, limits, log } = gate;
  const now = clock.monotonic_ms();
  if (gate.next_probe_at !== null && now < gate.next_probe_at) throw unavailable();
  if (gate.next_probe_at !== null) gate.next_probe_at = now + limits.database_probe_ms;
  try {
    const value = await answerInTime(gate, query);
    markReachable(gate);
    return value;
  } catch (error) {
    if (!isOutage(error)) {
      markReachable(gate);
      throw error;
    }
    if (gate.next_probe_at === null) log.error("database_away", { error });
    gate.next_probe_at = clock.monotonic_ms() + limits.database_probe_ms;
    throw error;
  }
}

function markReachable(gate: Gate): void {
  if (gate.next_probe_at !== null) gate.log.warn("database_back");
  gate.next_probe_at = null;
  gate.answered_at = gate.clock.monotonic_ms();
}

/** Waits for an answer, and longer while the database still answers other queries. */
async function answerInTime<T>(gate: Gate, query: () => Promise<T>): Promise<T> {
  const { clock, limits } = gate;
  const pending = withRetry(gate, query);
  for (let wait_ms = limits.database_read_wait_ms; ;) {
    const value = await within(clock, pending, wait_ms, TIMED_OUT);
    if (value !== TIMED_OUT) return value;
    wait_ms = gate.answered_at + SILENCE_MS - clock.monotonic_ms();
    if (wait_ms <= 0) throw unavailable();
  }
}

/**
 * Runs a query, and once more if it fails. A single broken connection is replaced, and is not an
 * outage.
 */
async function withRetry<T>(gate: Gate, query: () => Promise<T>): Promise<T> {
  return await query().catch((error: unknown) => {
    if (!isOutage(error) || gate.next_probe_at !== null) throw error;
    return query();
  });
}

export function isOutage(error: unknown): boolean {
  return error instanceof CodedError && error.code === "database_unavailable";
}

function unavailable(): CodedError {
  return new CodedError("database_unavailable", { retry_after_s: 1 });
}
