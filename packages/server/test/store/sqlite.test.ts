import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { LIMITS, type Limits } from "../../src/core/limits.ts";
import { getSetting, putSetting } from "../../src/store/queries/system.ts";
import { lockDataDirectory } from "../../src/store/sqlite-lock.ts";
import { storedKeyIds } from "../../src/store/sqlite-migrate.ts";
import { openSqlite } from "../../src/store/sqlite.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import { manualClock } from "../support/clock.ts";
import { checkedEngine, executed, watchWrites, writers, writersIn } from "./invalidation.ts";
import { appOf } from "./rows.ts";
import { describeStore } from "./suite.ts";

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "holdfast-store-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function openOne(data_dir: string, limits: Partial<Limits> = {}, clock = manualClock()): Promise<Store> {
  const store = createStore(await openSqlite({ data_dir, clock, limits: { ...LIMITS, ...limits } }));
  onTestFinished(() => store.close());
  return store;
}

/** Opens a store whose writes fail unless they declare each cached row that they change. */
async function openChecked(data_dir: string, clock = manualClock()): Promise<Store> {
  const engine = await openSqlite({ data_dir, clock, limits: LIMITS });
  watchWrites(join(data_dir, "holdfast.db"));
  const store = createStore(checkedEngine(engine));
  onTestFinished(() => store.close());
  return store;
}

describeStore({ engine: "SQLite" }, async () => {
  const data_dir = directory();
  const clock = manualClock();
  return {
    store: await openChecked(data_dir, clock),
    other: await openChecked(data_dir, clock),
    now: clock.now,
    advance: (ms) => clock.jump(ms),
  };
});

describe("declarations of writes", () => {
  it("are checked for every function that writes a cached table", () => {
    // Fails when it runs alone, because it needs the tests before it.
    expect(writers().filter((name) => !executed.has(name))).toEqual([]);
    expect(writersIn("planted.ts", 'async function planted() {\n  db.updateTable("apps");\n}\n')).toEqual([
      "planted.ts:planted",
    ]);
  });

  it("fail the write when one is forgotten or names another row", async () => {
    const store = await openChecked(directory());
    const app = await appOf(store);
    const rename = (...ids: string[]) =>
      store.transaction(async (tx) => {
        for (const id of ids) tx.invalidates("apps", id);
        await tx.db.updateTable("apps").set({ name: "renamed" }).where("id", "=", app.id).execute();
      });
    await expect(rename()).rejects.toThrow(`did not declare what it changed: apps ${app.id}.`);
    await expect(rename("app_other")).rejects.toThrow(app.id);
    expect(await store.getApp(app.id)).toMatchObject({ name: "shop" });
    await rename(app.id);
    expect(await store.getApp(app.id)).toMatchObject({ name: "renamed" });
  });

  it("are refused in a read and in bookkeeping, which announce nothing", async () => {
    const engine = await openSqlite({ data_dir: directory(), clock: manualClock(), limits: LIMITS });
    onTestFinished(() => engine.close());
    for (const how of [engine.read, engine.writeEach])
      await expect(how(async (tx) => tx.invalidates("apps", "app_1"))).rejects.toThrow("is not a write");
  });
});

describe("SQLite", () => {
  it("writes to disk before it acknowledges: WAL, synchronous = FULL, readable only by the owner", async () => {
    const opened = vi.spyOn(Database.prototype, "pragma");
    onTestFinished(() => opened.mockRestore());
    const data_dir = directory();
    await openOne(data_dir);
    const connection = opened.mock.contexts[0];
    if (!(connection instanceof Database)) throw new Error("no connection was opened");
    expect(connection.pragma("journal_mode", { simple: true })).toBe("wal");
    expect(connection.pragma("synchronous", { simple: true })).toBe(2);
    expect(connection.pragma("page_size", { simple: true })).toBe(8192);
    expect(statSync(join(data_dir, "holdfast.db")).mode & 0o777).toBe(0o600);
  });

  it("resolves no write before the commit, and commits all writes of one turn together", async () => {
    const commits = commitSpy();
    const store = await openOne(directory());
    const settled: number[] = [];
    let settled_at_commit = -1;
    commits.before = () => (settled_at_commit = settled.length);
    const writes = Array.from({ length: 50 }, (_, index) =>
      store.putSetting(`n${index}`, "x").then(() => settled.push(index)),
    );
    await Promise.all(writes);
    expect(settled_at_commit).toBe(0);
    expect(commits.count).toBe(1);
  });

  it("splits writes beyond the batch size, and keeps their order", async () => {
    const commits = commitSpy();
    const store = await openOne(directory(), { group_commit_items: 10 });
    await Promise.all(Array.from({ length: 35 }, (_, index) => store.putSetting("last", String(index))));
    expect(commits.count).toBe(4);
    expect(await store.getSetting("last")).toBe("34");
  });

  it("rejects every write of a failed commit, and stores none", async () => {
    const commits = commitSpy();
    const store = await openOne(directory());
    commits.before = () => {
      throw new Database.SqliteError("disk I/O error", "SQLITE_IOERR");
    };
    const results = await Promise.allSettled([store.putSetting("a", "1"), store.putSetting("b", "2")]);
    expect(results).toMatchObject([
      { status: "rejected", reason: { code: "database_unavailable" } },
      { status: "rejected", reason: { code: "database_unavailable" } },
    ]);
    commits.before = () => undefined;
    expect([await store.getSetting("a"), await store.getSetting("b")]).toEqual([null, null]);
    await store.putSetting("a", "3");
    expect(await store.getSetting("a")).toBe("3");
  });

  it("reports a busy database when another writer holds it for too long", async () => {
    const data_dir = directory();
    const store = await openOne(data_dir, { busy_timeout_ms: 20 });
    const holder = new Database(join(data_dir, "holdfast.db"));
    onTestFinished(() => void holder.close());
    holder.exec("begin immediate");
    await expect(store.putSetting("a", "1")).rejects.toMatchObject({ code: "database_busy", status: 503 });
    expect(await store.getSetting("a")).toBeNull();
    holder.exec("rollback");
    await store.putSetting("a", "1");
    expect(await store.getSetting("a")).toBe("1");
  });

  it("reports a full disk, and works again when there is space", async () => {
    const opened = vi.spyOn(Database.prototype, "pragma");
    onTestFinished(() => opened.mockRestore());
    const store = await openOne(directory());
    const connection = opened.mock.contexts[0];
    if (!(connection instanceof Database)) throw new Error("no connection was opened");
    const pages = Number(connection.pragma("page_count", { simple: true }));
    connection.pragma(`max_page_count = ${pages}`);
    const results = await Promise.allSettled([
      store.putSetting("big", "x".repeat(1_000_000)),
      store.putSetting("small", "y"),
    ]);
    // A full disk ends the transaction, so the other writes of the commit fail the same way.
    for (const result of results)
      expect(result).toMatchObject({ status: "rejected", reason: { code: "storage_full", status: 503 } });
    connection.pragma(`max_page_count = ${pages + 1_000}`);
    await store.putSetting("big", "x".repeat(1_000_000));
    expect(await store.getSetting("big")).toHaveLength(1_000_000);
    expect(await store.getSetting("small")).toBeNull();
  });

  it("commits queued writes when it closes, and refuses later reads and writes", async () => {
    const data_dir = directory();
    const store = createStore(await openSqlite({ data_dir, clock: manualClock(), limits: LIMITS }));
    const queued = [store.putSetting("a", "1"), store.putSetting("b", "2")];
    await store.close();
    await Promise.all(queued);
    await expect(store.putSetting("c", "3")).rejects.toMatchObject({ code: "database_unavailable" });
    await expect(store.getSetting("a")).rejects.toMatchObject({ code: "database_unavailable" });
    const again = await openOne(data_dir);
    expect([await again.getSetting("a"), await again.getSetting("b")]).toEqual(["1", "2"]);
  });

  it("closes quietly with purged data still in the log and a write queued", async () => {
    const rejections = vi.fn<(error: unknown) => void>();
    process.on("unhandledRejection", rejections);
    onTestFinished(() => void process.off("unhandledRejection", rejections));
    const data_dir = directory();
    const store = createStore(await openSqlite({ data_dir, clock: manualClock(), limits: LIMITS }));
    await store.putSetting("a", "1");
    const reader = new Database(join(data_dir, "holdfast.db"));
    onTestFinished(() => void reader.close());
    reader.exec("begin");
    reader.prepare("select value from settings").all();
    await store.putSetting("a", "2");
    await store.purge();
    const queued = store.putSetting("a", "3");
    await store.close();
    await queued;
    await new Promise((resolve) => void setTimeout(resolve, 10));
    expect(rejections).not.toHaveBeenCalled();
  });

  it("lets a read that began before finish when it closes", async () => {
    const engine = await openSqlite({ data_dir: directory(), clock: manualClock(), limits: LIMITS });
    const read = engine.read(async (tx) => {
      const names = ["a", "b", "c", "d"];
      for (const name of names) await getSetting(tx, name);
      return names.length;
    });
    await engine.close();
    expect(await read).toBe(4);
  });

  it("loses no other write of its last commit to an operation that waits", async () => {
    const store = createStore(await openSqlite({ data_dir: directory(), clock: manualClock(), limits: LIMITS }));
    const results = Promise.allSettled([
      store.transaction(async () => await new Promise<never>(() => {})),
      store.putSetting("a", "1"),
    ]);
    await store.close();
    expect((await results).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  });

  it("refuses an operation that waits for anything but the database, and rolls back its writes", async () => {
    const store = await openOne(directory());
    const waiting = Promise.withResolvers<void>();
    const results = await Promise.allSettled([
      store.putSetting("before", "1"),
      store.transaction(async (tx) => {
        await putSetting(tx, "waited", "1");
        await waiting.promise;
        await putSetting(tx, "later", "1");
      }),
      store.putSetting("after", "1"),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(results[1]).toMatchObject({ reason: { message: expect.stringContaining("waited for something other") } });
    // It continues while another transaction is open, and must not write into that one.
    await store.transaction(async (tx) => {
      await putSetting(tx, "another", "1");
      waiting.resolve();
      for (let microtask = 0; microtask < 50; microtask += 1) await Promise.resolve();
    });
    const names = ["before", "waited", "later", "after", "another"];
    const stored = await Promise.all(names.map((name) => store.getSetting(name)));
    expect(stored).toEqual(["1", null, null, "1", "1"]);
  });

  it("shows a reader nothing of an uncommitted transaction", async () => {
    const store = await openOne(directory());
    const reads: Promise<string | null>[] = [];
    const failing = store.transaction(async (tx) => {
      await putSetting(tx, "a", "1");
      reads.push(store.getSetting("a"));
      for (let microtask = 0; microtask < 50; microtask += 1) await Promise.resolve();
      throw new Error("changed its mind");
    });
    await expect(failing).rejects.toThrow("changed its mind");
    expect(await Promise.all(reads)).toEqual([null]);
  });

  it("notices writes of another handle, and not its own", async () => {
    const data_dir = directory();
    const clock = manualClock();
    const [mine, other] = [await openOne(data_dir, {}, clock), await openOne(data_dir)];
    const notified = vi.fn<() => void>();
    onTestFinished(mine.onChange(notified));
    await mine.putSetting("a", "1");
    await clock.advance(LIMITS.data_version_poll_ms);
    expect(notified).not.toHaveBeenCalled();
    await other.putSetting("a", "2");
    await clock.advance(LIMITS.data_version_poll_ms);
    expect(notified).toHaveBeenCalledOnce();
  });

  it("refuses a database that a newer version migrated, and changes nothing in it", async () => {
    const data_dir = directory();
    await (await openOne(data_dir)).close();
    const raw = new Database(join(data_dir, "holdfast.db"));
    onTestFinished(() => void raw.close());
    const applied = raw.prepare("select count(*) from kysely_migration").pluck();
    const before = Number(applied.get());
    raw.prepare("insert into kysely_migration (name, timestamp) values ('9999-later', '')").run();
    raw.prepare("delete from settings where name = 'schema_compatible_with'").run();
    await expect(openOne(data_dir)).rejects.toMatchObject({ code: "schema_too_new" });
    expect(applied.get()).toBe(before + 1);
  });

  it("works on a newer schema marked as compatible, and on no other", async () => {
    const data_dir = directory();
    await (await openOne(data_dir)).close();
    const raw = new Database(join(data_dir, "holdfast.db"));
    onTestFinished(() => void raw.close());
    raw.prepare("insert into kysely_migration (name, timestamp) values ('9999-later', '')").run();
    const note = raw.prepare("insert or replace into settings (name, value) values ('schema_compatible_with', ?)");
    note.run("0002-turns");
    await (await openOne(data_dir)).close();
    note.run("9999-later");
    await expect(openOne(data_dir)).rejects.toMatchObject({ code: "schema_too_new" });
  });

  it("returns the master keys in use without writing a byte, and none if there is no data", async () => {
    const data_dir = directory();
    expect(storedKeyIds(data_dir)).toEqual([]);
    const store = await openOne(data_dir);
    const key = { dek_id: "d", scope: "installation", kek_id: "kek_7", wrapped: Buffer.alloc(8), encryptions: 0 };
    await store.insertDataKey({ ...key, created_at: manualClock().now() }, null);
    expect(storedKeyIds(data_dir)).toEqual(["kek_7"]);
  });
});

describe("the lock on a data directory", () => {
  it("belongs to one server, until that server releases it", () => {
    const data_dir = directory();
    const unlock = lockDataDirectory(data_dir);
    expect(() => lockDataDirectory(data_dir)).toThrow(expect.objectContaining({ code: "database_in_use" }));
    unlock();
    lockDataDirectory(data_dir)();
  });

  it("makes a second process exit with code 75", async () => {
    const data_dir = directory();
    await (await openOne(data_dir)).close();
    onTestFinished(lockDataDirectory(data_dir));
    const main = new URL("../../src/main.ts", import.meta.url).pathname;
    const parameters = ["-C", "holdfast-source", main, "serve", "--data-dir", data_dir, "--port", "0"];
    const environment = {
      PATH: process.env["PATH"] ?? "",
      HOLDFAST_MASTER_KEY: Buffer.alloc(32, 1).toString("base64"),
    };
    const failed = promisify(execFile)(process.execPath, parameters, { env: environment });
    await expect(failed).rejects.toMatchObject({ code: 75, stderr: expect.stringContaining("already serves") });
  });
});

/** Counts commits, and can make one fail as a failing disk does. */
function commitSpy(): { count: number; before: () => unknown } {
  const spy = { count: 0, before: (): unknown => undefined };
  const prepare = Database.prototype.prepare;
  const mocked = vi.spyOn(Database.prototype, "prepare").mockImplementation(function prepareWatched(
    this: Database.Database,
    sql: string,
  ) {
    const statement = prepare.call(this, sql);
    if (sql !== "commit") return statement;
    const run = statement.run.bind(statement);
    vi.spyOn(statement, "run").mockImplementation(() => {
      spy.before();
      spy.count += 1;
      return run([]);
    });
    return statement;
  });
  onTestFinished(() => mocked.mockRestore());
  return spy;
}
