/**
 * The session that a node keeps open beside its pool, for its lock and for notifications.
 *
 * Errors: CodedError `database_unavailable`, `configuration`.
 */
import pg from "pg";
import { CodedError } from "../core/errors.ts";
import { connectionOptions, execute, translate, type DatabaseTime, type PostgresOptions } from "./postgres-driver.ts";
import { openPresence, type Presence, type Session, type SessionEvents } from "./postgres-presence.ts";

interface SessionDeps extends PostgresOptions {
  readonly pool: pg.Pool;
  readonly time: DatabaseTime;
}

/** Opens the presence of a node. Ends the pool if that fails. */
export function openNodePresence(deps: SessionDeps, owner: string): Promise<Presence> {
  const { pool, time, limits, warn } = deps;
  const connect = (events: SessionEvents): Promise<Session> => openSession(deps, events);
  return openPresence({ owner, clock: time.clock, limits, warn, connect }).catch(async (error: unknown) => {
    await pool.end();
    throw translate(error);
  });
}

async function openSession(
  { pool, time, limits, warn, database_url }: SessionDeps,
  { notified, lost }: SessionEvents,
): Promise<Session> {
  const client = new pg.Client(connectionOptions(database_url, limits));
  client.on("error", warn);
  client.on("end", lost);
  client.on("notification", ({ payload }) => notified(payload ?? ""));
  try {
    await client.connect();
    await refuseProxy(pool, client);
    await time.sync(client);
  } catch (error) {
    // No other code knows this client. Left open, it would keep the process alive, and each beat
    // would add another client.
    void client.end().catch(warn);
    throw error;
  }
  return {
    query: (text, parameters) => execute(client, text, parameters),
    beat: () => time.sync(client),
    end: () => client.end(),
  };
}

/**
 * Refuses a proxy that pools transactions. Such a proxy gives each statement any connection. The
 * lock that shows this node is alive would stay with another client's connection, and notifications
 * would never arrive.
 *
 * @throws CodedError `configuration`
 */
async function refuseProxy(pool: pg.Pool, client: pg.Client): Promise<void> {
  const other = await pool.connect();
  try {
    const before = await backendOf(client);
    await other.query("begin");
    const [own, others] = [await backendOf(client), await backendOf(other)];
    await other.query("rollback");
    // While a transaction holds one connection, such a proxy gives both clients that connection, or
    // this client another one than before.
    if (own === before && others !== own) return;
  } finally {
    other.release();
  }
  throw new CodedError("configuration", {
    message:
      "HOLDFAST_DATABASE_URL leads to a proxy that pools transactions. Holdfast requires its own connections, for locks and notifications. Use the URL of the database itself, or set the proxy to pool sessions.",
  });
}

async function backendOf(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]?.pid ?? 0;
}
