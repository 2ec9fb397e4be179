/**
 * SQLite on a full disk (F22), and beside another writer (F23). The tests fill a file system of
 * their own to the last byte, which requires root. Where mounting is not allowed, the test skips
 * with the reason.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished, type TestContext } from "vitest";
import type { Simulator } from "@holdfast/simulator";
import { DATABASE_FILE } from "../../packages/server/src/store/sqlite-driver.ts";
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
import { readToken, eventually, refreshes, waitForRefreshes } from "./support/postgres-server-nodes.ts";

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

/**
 * notion's token is valid. github's has expired, its refresh token is single-use, and its response
 * is slow.
 */
async function prepare(data_dir: string): Promise<Scene> {
  const simulator = await startSimulated();
  const prepared = await prepareSite(simulator.url);
  const port = new URL(prepared.server_url).port;
  const args = ["serve", "--data-dir", data_dir, "--port", port, "--provider-gateway", simulator.url];
  const site = { ...prepared, data_dir, start: () => startHoldfast(args, { home: prepared.home, env: LIMITS }) };
  const server = await site.start();
  const app = await createApp(site);
  const builder = await signIn(site, server.ready.text("setup_url"));
  for (const [service, client] of Object.entries({ notion: "sim-ok", github: "sim-rotate+slow-700ms" })) {
    await setClient(site, app, service, client);
    await builder.connect(await initiate(site, app, service));
  }
  expect((await readToken(site, app, "notion")).status).toBe(200);
  runStatement(
    data_dir,
    "update connections set expires_at = issued_at, refresh_at = issued_at where integration_type = 'github'",
  );
  return { site, app, simulator, server };
}

/** Runs one statement from another process, as SQLite sees it. */
function runStatement(data_dir: string, sql: string): void {
  const other = new DatabaseSync(join(data_dir, DATABASE_FILE), { timeout: 5_000 });
  other.exec(sql);
  other.close();
}

/** Waits for one refresh, whose stored token the provider accepts. */
async function expectSettledOnce({ site, simulator }: Scene): Promise<void> {
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

/**
 * A file system of 8 MiB. The tables of a new installation, written to the log and to the file,
 * take up to half of it.
 */
function mountSmallDisk({ skip }: TestContext): Disk {
  const directory = temporaryDirectory("holdfast-disk-");
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", directory], {
    encoding: "utf8",
  });
  if (mounted.status !== 0)
    skip(`no file system can be mounted here: ${mounted.stderr}${mounted.error?.message ?? ""}`);
  onTestFinished(() => void spawnSync("umount", ["--lazy", directory]));
  const filler = join(directory, "filler");
  return {
    directory,
    fill() {
      // Unused space in the log would accept the next writes.
      runStatement(directory, "pragma wal_checkpoint(truncate)");
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

it("F22: on a full disk nothing is claimed and nothing sent, valid tokens are served, and refreshes resume when there is room", async (context) => {
  const disk = mountSmallDisk(context);
  const scene = await prepare(disk.directory);
  const { site, app, simulator } = scene;
  disk.fill();
  for (let reads = 0; reads < 5; reads += 1) {
    const refused = await readToken(site, app, "github");
    expect(refused).toMatchObject({ status: 503, code: "storage_full" });
    expect((await readToken(site, app, "notion")).status).toBe(200);
  }
  expect(refreshes(simulator)).toEqual([]);
  disk.free();
  expect((await readToken(site, app, "github")).status).toBe(200);
  await expectSettledOnce(scene);
});

it("F22: a response that finds the disk full is stored in the spill, is served, and survives a kill", async (context) => {
  const disk = mountSmallDisk(context);
  const scene = await prepare(disk.directory);
  const { site, app, simulator } = scene;
  const waiting = readToken(site, app, "github");
  await waitForRefreshes(simulator, 1);
  disk.fill();
  const { status, access_token } = await waiting;
  expect(status).toBe(200);
  for (let reads = 0; reads < 5; reads += 1)
    expect(await readToken(site, app, "github")).toMatchObject({ status: 200, access_token });
  scene.server.signal("SIGKILL");
  await scene.server.ended();
  disk.free();
  scene.server = await site.start();
  expect(await readToken(site, app, "github")).toMatchObject({ status: 200, access_token });
  await expectSettledOnce(scene);
});

it("F23: while another program writes, a refresh is refused as busy and not sent, and a response is served and stored afterwards", async () => {
  const scene = await prepare(temporaryDirectory());
  const { site, app, simulator } = scene;
  const other = new DatabaseSync(join(site.data_dir, DATABASE_FILE), { timeout: 5_000 });
  other.exec("begin immediate");
  expect(await readToken(site, app, "github")).toMatchObject({ status: 503, code: "database_busy" });
  expect((await readToken(site, app, "notion")).status).toBe(200);
  expect(refreshes(simulator)).toEqual([]);
  other.exec("rollback");
  const waiting = readToken(site, app, "github");
  await waitForRefreshes(simulator, 1);
  other.exec("begin immediate");
  const { status, access_token } = await waiting;
  expect(status).toBe(200);
  expect(await readToken(site, app, "github")).toMatchObject({ status: 200, access_token });
  other.exec("rollback");
  other.close();
  await expectSettledOnce(scene);
  expect(await readToken(site, app, "github")).toMatchObject({ status: 200, access_token });
});
