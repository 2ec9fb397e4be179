/**
 * SQLite on a disk that is full (F22), and beside another writer (F23). A file system of its own is filled to the last byte,
 * which takes root; where mounting is refused the test says so.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished, type TestContext } from "vitest";
import type { Simulator } from "@holdfast/simulator";
import { DATABASE_FILE } from "../../packages/server/src/store/sqlite.ts";
import { startHoldfast, type Running } from "../support/holdfast.ts";
import {
  createApp,
  initiate,
  prepareSite,
  setClient,
  signIn,
  startSimulated,
  type App,
  type Site,
} from "../support/server.ts";
import { openStored } from "../support/stored.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { ask, eventually, refreshes, sent } from "./support/postgres-server-nodes.ts";

interface Scene {
  readonly site: Site;
  readonly app: App;
  readonly simulator: Simulator;
  server: Running;
}

const LIMITS = {
  HOLDFAST_LOG_LEVEL: "warn",
  HOLDFAST_SWEEP_INTERVAL_MS: "600000",
  HOLDFAST_SPILL_BYTES: "65536",
  HOLDFAST_BUSY_TIMEOUT_MS: "500",
};

/** notion is good, github is over: its refresh token is good for one use, and its answer takes a while. */
async function prepare(data_dir: string): Promise<Scene> {
  const simulator = await startSimulated();
  const prepared = await prepareSite(simulator.url);
  const port = new URL(prepared.server_url).port;
  const args = ["serve", "--data-dir", data_dir, "--port", port, "--provider-gateway", simulator.url];
  const site = { ...prepared, data_dir, start: () => startHoldfast(args, { home: prepared.home, env: LIMITS }) };
  const server = await site.start();
  const app = await createApp(site);
  const person = await signIn(site, server.ready.text("setup_url"));
  for (const [service, client] of Object.entries({ notion: "sim-ok", github: "sim-rotate+slow-700ms" })) {
    await setClient(site, app, service, client);
    await person.connect(await initiate(site, app, service));
  }
  expect((await ask(site, app, "notion")).status).toBe(200);
  database(
    data_dir,
    "update connections set expires_at = issued_at, refresh_at = issued_at where integration_type = 'github'",
  );
  return { site, app, simulator, server };
}

/** One statement by another process, as SQLite sees it. */
function database(data_dir: string, sql: string): void {
  const other = new DatabaseSync(join(data_dir, DATABASE_FILE), { timeout: 5_000 });
  other.exec(sql);
  other.close();
}

/** What is stored is what the provider honours, and it was asked once. */
async function settledOnce({ site, simulator }: Scene): Promise<void> {
  await eventually("The commit", 10_000, async () => {
    const row = (await openStored(site.data_dir)).find(({ integration_type }) => integration_type === "github");
    const hash = createHash("sha256")
      .update(row?.refresh_token ?? "")
      .digest("hex");
    const is_current = simulator.ledger().refresh_tokens[hash]?.status === "current";
    return row?.status === "active" && !row.is_open && is_current ? true : null;
  });
  expect(refreshes(simulator).map(({ outcome }) => outcome)).toEqual(["ok"]);
  expect(simulator.ledger().families_revoked).toEqual([]);
}

interface Disk {
  readonly directory: string;
  fill(): void;
  free(): void;
}

/** A file system of 4 MiB: the tables of a new installation, written once to the log and once to the file, take up to half of it. */
function smallDisk({ skip }: TestContext): Disk {
  const directory = temporaryDirectory("holdfast-disk-");
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", directory], {
    encoding: "utf8",
  });
  if (mounted.status !== 0)
    skip(`no file system can be mounted here: ${mounted.stderr}${mounted.error?.message ?? ""}`);
  onTestFinished(() => void spawnSync("umount", ["--lazy", directory]));
  const filler = join(directory, "filler");
  return {
    directory,
    fill() {
      // What is left in the log would take the next writes.
      database(directory, "pragma wal_checkpoint(truncate)");
      const file = openSync(filler, "w");
      const page = Buffer.alloc(4_096, 1);
      try {
        for (;;) writeSync(file, page);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler),
  };
}

it("F22: on a full disk nothing is claimed and nothing sent, good tokens are served, and all is well when there is room", async (context) => {
  const disk = smallDisk(context);
  const scene = await prepare(disk.directory);
  const { site, app, simulator } = scene;
  disk.fill();
  for (let reads = 0; reads < 5; reads += 1) {
    const refused = await ask(site, app, "github");
    expect(refused).toMatchObject({ status: 503, code: "storage_full" });
    expect((await ask(site, app, "notion")).status).toBe(200);
  }
  expect(refreshes(simulator)).toEqual([]);
  disk.free();
  expect((await ask(site, app, "github")).status).toBe(200);
  await settledOnce(scene);
});

it("F22: an answer that finds the disk full is in the spill, is served, and outlives a kill", async (context) => {
  const disk = smallDisk(context);
  const scene = await prepare(disk.directory);
  const { site, app, simulator } = scene;
  const waiting = ask(site, app, "github");
  await sent(simulator, 1);
  disk.fill();
  const { status, access_token } = await waiting;
  expect(status).toBe(200);
  for (let reads = 0; reads < 5; reads += 1)
    expect(await ask(site, app, "github")).toMatchObject({ status: 200, access_token });
  scene.server.signal("SIGKILL");
  await scene.server.ended();
  disk.free();
  scene.server = await site.start();
  expect(await ask(site, app, "github")).toMatchObject({ status: 200, access_token });
  await settledOnce(scene);
});

it("F23: while another program writes a refresh is refused as busy and not sent, and an answer is served and stored afterwards", async () => {
  const scene = await prepare(temporaryDirectory());
  const { site, app, simulator } = scene;
  const other = new DatabaseSync(join(site.data_dir, DATABASE_FILE), { timeout: 5_000 });
  other.exec("begin immediate");
  expect(await ask(site, app, "github")).toMatchObject({ status: 503, code: "database_busy" });
  expect((await ask(site, app, "notion")).status).toBe(200);
  expect(refreshes(simulator)).toEqual([]);
  other.exec("rollback");
  const waiting = ask(site, app, "github");
  await sent(simulator, 1);
  other.exec("begin immediate");
  const { status, access_token } = await waiting;
  expect(status).toBe(200);
  expect(await ask(site, app, "github")).toMatchObject({ status: 200, access_token });
  other.exec("rollback");
  other.close();
  await settledOnce(scene);
  expect(await ask(site, app, "github")).toMatchObject({ status: 200, access_token });
});
