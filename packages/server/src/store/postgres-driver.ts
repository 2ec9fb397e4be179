/**
 * What the parts of the PostgreSQL engine share: how a connection is made, what its errors mean, and what time it is.
 *
 * Errors: ApiError `database_unavailable`, `database_busy`, `storage_full`, `invalid_field`. Conflicts and errors in the SQL
 * stay the driver's.
 */
import pg from "pg";
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import { instant, type Instant } from "../core/types.ts";

export interface PostgresOptions {
  readonly database_url: Secret;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Names this node while it runs, in leases and by a lock. Null for a command, which takes no leases and caches nothing. */
  readonly owner: string | null;
  /** Told of lost connections, which come back by themselves. */
  readonly warn: (error: unknown) => void;
}

export interface QueryOutcome {
  readonly rows: readonly unknown[];
  readonly changes: number;
}

const INT8 = 20;
const NOW = "select (extract(epoch from clock_timestamp()) * 1000)::int8 as now";

/** int8 as numbers: instants and counters stay far below 2^53. Per connection, since the driver's table is global. */
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
    // The server's own limit comes first, unless the server is out of reach.
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
 * Again and again for a while when the database is silent: of many processes that start at once on a busy machine none may
 * get a word in for seconds. A refusal is told at once.
 */
export async function patiently<T>(
  { clock, limits }: Pick<PostgresOptions, "clock" | "limits">,
  action: () => Promise<T>,
): Promise<T> {
  const until = clock.monotonic_ms() + limits.database_start_timeout_ms;
  for (;;) {
    const silent_at = clock.monotonic_ms() + limits.database_connect_timeout_ms;
    try {
      return await action();
    } catch (error) {
      const now = clock.monotonic_ms();
      if (!isUnavailable(error) || now < silent_at || now >= until) throw error;
    }
  }
}

/** One connection outside the pool, for one action. */
export async function alone<T>(
  { database_url, limits }: Pick<PostgresOptions, "database_url" | "limits">,
  action: (client: pg.Client) => Promise<T>,
): Promise<T> {
  // A migration may take its time, and so may waiting for another node's.
  const patient = { statement_timeout: 0, query_timeout: 0, idle_in_transaction_session_timeout: 0 };
  const client = new pg.Client({ ...connectionOptions(database_url, limits), ...patient });
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
  ask(client: pg.ClientBase): Promise<Instant>;
}

/**
 * The nodes' clocks differ, and may jump: a token that one node dates by its own would be over too late or too early for all
 * others. So the database is asked, as it is with each statement anyway, and in between only the time that went by counts.
 *
 * What the database says was true at some moment between asking and hearing. The earliest of these moments is taken, so that
 * a process that stood still in between never takes the past for now, and of all statements the one that was answered
 * soonest, so that a slow one does not put the clock ahead; until the database shows that its clock has jumped.
 */
export function databaseTime(clock: Clock): DatabaseTime {
  /** Milliseconds between this process's monotonic clock and the database's; at most so many. */
  let ahead_ms = clock.now() - clock.monotonic_ms();
  let is_asked = false;
  return {
    clock: { ...clock, now: () => instant(Math.floor(ahead_ms + clock.monotonic_ms())) },
    async ask(client) {
      const before = clock.monotonic_ms();
      const { rows } = await client.query<{ now: number }>(NOW).catch(rethrow);
      const now = instant(rows[0]?.now ?? Number.NaN);
      const [most, least] = [now - before, now - clock.monotonic_ms()];
      if (!is_asked || most < ahead_ms || least > ahead_ms) ahead_ms = most;
      is_asked = true;
      return now;
    },
  };
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof ApiError && error.code === "database_unavailable";
}

export function rethrow(error: unknown): never {
  throw translate(error);
}

/** By SQLSTATE class, since the codes below a class are many: what the operator has to do is the same. */
const UNAVAILABLE = /^(?:08|28|3D|53|57P|58|XX|25006|25P03)/;

const NUL_REFUSED = "A value holds a character that cannot be stored (NUL, written %00 in an address). Remove it.";

/** Driver errors become ours. Conflicts stay as they are for the retry; an error in the SQL is a defect and does, too. */
export function translate(error: unknown): unknown {
  if (error instanceof ApiError) return error;
  if (!(error instanceof pg.DatabaseError)) return new ApiError("database_unavailable", { cause: error });
  const code = error.code ?? "";
  if (code === "53100") return new ApiError("storage_full", { cause: error });
  // A NUL, which SQLite stores and no PostgreSQL text can hold: the sender's mistake, in whatever field it stands.
  if (code === "22021") return new ApiError("invalid_field", { message: NUL_REFUSED, cause: error });
  // Statement or lock timed out.
  if (code === "57014" || code === "55P03") return new ApiError("database_busy", { cause: error });
  if (UNAVAILABLE.test(code)) return new ApiError("database_unavailable", { cause: error });
  return error;
}
