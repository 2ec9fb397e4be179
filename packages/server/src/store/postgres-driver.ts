/**
 * Shared by the parts of the PostgreSQL engine: opens connections, translates their errors, and
 * reads the database's time.
 *
 * Errors: CodedError `database_unavailable`, `database_busy`, `storage_full`, `invalid_field`.
 * Conflicts and errors in the SQL stay the driver's.
 */
import pg from "pg";
import type { Limits } from "../core/limits.ts";
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import { instant, type Instant } from "../core/types.ts";

export interface PostgresOptions {
  readonly database_url: Secret;
  readonly clock: Clock;
  readonly limits: Limits;
  /**
   * Names this node in leases and in its lock. Null for a command, which has no leases and no
   * caches.
   */
  readonly owner: string | null;
  /** Receives the errors of lost connections. The pool replaces those without the caller. */
  readonly warn: (error: unknown) => void;
}

export interface QueryOutcome {
  readonly rows: readonly unknown[];
  readonly changes: number;
}

const INT8 = 20;
const NOW = "select (extract(epoch from clock_timestamp()) * 1000)::int8 as now";

/**
 * Reads int8 as a number: instants and counters stay far below 2^53. Set per connection, since the
 * driver's own table is global.
 */
const types = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === INT8 ? (text: string) => Number(text) : pg.types.getTypeParser(oid, format),
};

export function connectionOptions(database_url: Secret, limits: Limits): pg.ClientConfig {
  return {
    connectionString: database_url.expose(),
    application_name: "holdfast",
    connectionTimeoutMillis: limits.database_connect_timeout_ms,
    statement_timeout: limits.database_statement_timeout_ms,
    // Longer than the server's own limit, which is reached first unless the server is unreachable.
    query_timeout: limits.database_statement_timeout_ms + limits.database_connect_timeout_ms,
    idle_in_transaction_session_timeout: limits.database_idle_transaction_ms,
    keepAlive: true,
    keepAliveInitialDelayMillis: limits.database_idle_transaction_ms,
    types,
  };
}

export async function execute(
  client: pg.ClientBase,
  text: string,
  parameters: readonly unknown[] = [],
): Promise<QueryOutcome> {
  const { rows, rowCount } = await client.query<object>(text, [...parameters]).catch(rethrow);
  return { rows, changes: rowCount ?? 0 };
}

/**
 * Runs `action` again while the database does not respond, up to `database_start_timeout_ms`. When
 * many processes start on a busy machine, a connection can take seconds.
 *
 * A refused connection is an answer, so its error is thrown at once.
 */
export async function withRetry<T>(
  { clock, limits }: Pick<PostgresOptions, "clock" | "limits">,
  action: () => Promise<T>,
): Promise<T> {
  const until = clock.monotonic_ms() + limits.database_start_timeout_ms;
  for (;;) {
    // A timer can fire up to a millisecond early.
    const timed_out_at = clock.monotonic_ms() + limits.database_connect_timeout_ms - 1;
    try {
      return await action();
    } catch (error) {
      const now = clock.monotonic_ms();
      if (!isUnavailable(error) || now < timed_out_at || now >= until) throw error;
    }
  }
}

/** Opens one connection outside the pool for one action. It has no statement timeout. */
export async function withClient<T>(
  { database_url, limits }: Pick<PostgresOptions, "database_url" | "limits">,
  action: (client: pg.Client) => Promise<T>,
): Promise<T> {
  // A migration can take minutes, and so can waiting for another node's migration.
  const no_timeouts = { statement_timeout: 0, query_timeout: 0, idle_in_transaction_session_timeout: 0 };
  const client = new pg.Client({ ...connectionOptions(database_url, limits), ...no_timeouts });
  client.on("error", () => {});
  try {
    await client.connect();
    return await action(client);
  } catch (error) {
    throw translate(error);
  } finally {
    await client.end();
  }
}

export interface DatabaseTime {
  readonly clock: Clock;
  /** Reads the database's clock. */
  sync(client: pg.ClientBase): Promise<Instant>;
}

/**
 * Returns the database's clock. The nodes' own clocks differ and can jump, so a token dated by one
 * node would expire too early or too late on the others.
 *
 * Each operation reads the database's time. Between two readings, this process's monotonic clock
 * advances it.
 *
 * The time in an answer was true at some moment between request and answer. The clock assumes the
 * earliest such moment, so that a process paused in between does not mistake the past for the
 * present. It keeps the reading that was answered fastest, so that a slow one does not set the
 * clock ahead. A contradicting reading shows that the database's clock jumped, and replaces it.
 */
export function databaseTime(clock: Clock): DatabaseTime {
  /**
   * An upper bound of the milliseconds between this process's monotonic clock and the database's.
   */
  let ahead_ms = clock.now() - clock.monotonic_ms();
  let is_synced = false;
  return {
    clock: { ...clock, now: () => instant(Math.floor(ahead_ms + clock.monotonic_ms())) },
    async sync(client) {
      const before = clock.monotonic_ms();
      const { rows } = await client.query<{ now: number }>(NOW).catch(rethrow);
      const now = instant(rows[0]?.now ?? Number.NaN);
      const [most, least] = [now - before, now - clock.monotonic_ms()];
      if (!is_synced || most < ahead_ms || least > ahead_ms) ahead_ms = most;
      is_synced = true;
      return now;
    },
  };
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof CodedError && error.code === "database_unavailable";
}

export function rethrow(error: unknown): never {
  throw translate(error);
}

/** SQLSTATE classes. Each has many codes, and all of them need the same action of the operator. */
const UNAVAILABLE = /^(?:08|28|3D|53|57P|58|XX|25006|25P03)/;

const NUL_REFUSED = "A value contains a character that cannot be stored (NUL, written %00 in a URL). Remove it.";

/**
 * Returns the CodedError for a driver error. Conflicts stay as they are, for the retry. So does an
 * error in the SQL, which is a defect.
 */
export function translate(error: unknown): unknown {
  if (error instanceof CodedError) return error;
  if (!(error instanceof pg.DatabaseError)) return new CodedError("database_unavailable", { cause: error });
  const code = error.code ?? "";
  if (code === "53100") return new CodedError("storage_full", { cause: error });
  // SQLite can store a NUL, and PostgreSQL text cannot. In any field it is the client's mistake.
  if (code === "22021") return new CodedError("invalid_field", { message: NUL_REFUSED, cause: error });
  // A statement or a lock timed out.
  if (code === "57014" || code === "55P03") return new CodedError("database_busy", { cause: error });
  if (UNAVAILABLE.test(code)) return new CodedError("database_unavailable", { cause: error });
  return error;
}
