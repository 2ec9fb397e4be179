/** Starts one PostgreSQL for the run. Tests create databases on it (test/support/postgres.ts). */
import type { TestProject } from "vitest/node";
import { newPostgres } from "./packages/server/test/support/postgres-server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    postgres_url: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { server, url, remove } = await newPostgres();
  await server.start();
  project.provide("postgres_url", url);
  return async () => {
    await server.stop();
    remove();
  };
}
