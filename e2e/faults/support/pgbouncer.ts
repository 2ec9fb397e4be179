/** PgBouncer in front of PostgreSQL (Debian: pgbouncer). It accepts any user name. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { onTestFinished, type TestContext } from "vitest";
import { freePort } from "../../../packages/server/test/support/port.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { eventually, withPort } from "./postgres-server-nodes.ts";

const PROGRAM = "/usr/sbin/pgbouncer";
/** Debian's user, which also runs the database. PgBouncer does not run as root. */
const USER = "postgres";

export interface PgBouncerOptions {
  readonly pool_mode: "session" | "transaction";
  /** Startup parameters that PgBouncer accepts from clients and ignores. */
  readonly ignore_startup_parameters: string;
}

/**
 * Returns the database's URL through PgBouncer. Skips the test if it is not installed. Stops when
 * the test ends.
 */
export async function startPgBouncer(
  database_url: string,
  { pool_mode, ignore_startup_parameters }: PgBouncerOptions,
  { skip }: TestContext,
): Promise<string> {
  if (!existsSync(PROGRAM)) skip("PgBouncer is not installed (apt-get install pgbouncer)");
  const directory = temporaryDirectory("holdfast-pgbouncer-");
  chmodSync(directory, 0o755);
  const [port, url] = [await freePort(), new URL(database_url)];
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "any",
    pool_mode,
    ignore_startup_parameters,
    default_pool_size: 30,
  };
  const config = join(directory, "pgbouncer.ini");
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const target = `host=127.0.0.1 port=${url.port} user=${url.username} password=${url.password}`;
  writeFileSync(config, `[databases]\n* = ${target}\n[pgbouncer]\n${lines.join("\n")}\n`, { mode: 0o644 });
  const child = spawn(PROGRAM, [config], { stdio: "ignore", ...user() });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await eventually("PgBouncer listens", 5_000, () => listens(port));
  return withPort(database_url, port);
}

function user(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(spawnSync("id", [flag, USER], { encoding: "utf8" }).stdout);
  return { uid: id("-u"), gid: id("-g") };
}

function listens(port: number): Promise<true | null> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(null));
  });
}
