/** Databases on the run's PostgreSQL server. */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";

export interface TestDatabase {
  readonly url: string;
  /** Runs statements as the database's superuser. */
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly unknown[]>;
  drop(): Promise<void>;
}

/** Creates an empty database. The caller drops it. */
export async function createDatabase(): Promise<TestDatabase> {
  const server_url = inject("postgres_url");
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  const admin = new pg.Client({ connectionString: server_url });
  await admin.connect();
  await admin.query(`create database ${name}`);
  const url = new URL(server_url);
  url.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  return {
    url: url.href,
    query: async (sql, parameters = []) => (await client.query<object>(sql, [...parameters])).rows,
    async drop() {
      await client.end();
      await admin.query(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}
