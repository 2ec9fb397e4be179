import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { LIMITS, type Limits } from "../../src/core/limits.ts";
import { systemClock } from "../../src/core/clock.ts";
import { asFlowId } from "../../src/core/ids.ts";
import { Secret } from "../../src/core/secret.ts";
import { instant, plus, type Instant } from "../../src/core/types.ts";
import type { Lease, ChangeNotice } from "../../src/store/engine.ts";
import { migrations } from "../../src/store/migrations/index.ts";
import { POSTGRES_TYPES } from "../../src/store/migrations/types.ts";
import { postgresKeyIds } from "../../src/store/postgres-migrate.ts";
import { openPostgres } from "../../src/store/postgres.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import { manualClock, until } from "../support/clock.ts";
import { freePort } from "../support/port.ts";
import { createDatabase, type TestDatabase } from "../support/postgres.ts";
import { appOf, claimOf, stored } from "./rows.ts";
import { describeStore } from "./suite.ts";

const START = Date.UTC(2026, 10, 23, 12);
let database: TestDatabase;
let nodes = 0;

interface Node {
  readonly owner: string;
  readonly store: Store;
}

async function openNode(limits: Partial<Limits> = {}, url = database.url): Promise<Node> {
  nodes += 1;
  const owner = `node_${nodes}`;
  const options = { clock: systemClock, limits: { ...LIMITS, ...limits }, warn: () => {} };
  return { owner, store: createStore(await openPostgres({ ...options, owner, database_url: new Secret(url) })) };
}

const leaseOf = (owner: string, taken_at: Instant = instant(0)): Lease => ({ owner, taken_at });

/** Opens a node that closes when the running test ends. */
async function node(limits: Partial<Limits> = {}): Promise<Node> {
  const opened = await openNode(limits);
  onTestFinished(() => opened.store.close());
  return opened;
}

beforeAll(async () => {
  database = await createDatabase();
});

it("rejects a NUL in an id as the client's mistake, not a server error", async () => {
  const { store } = await node();
  await expect(store.getFlow(asFlowId("flw_\0"))).rejects.toMatchObject({ code: "invalid_field", status: 400 });
  await expect(store.listApps()).resolves.toEqual([]);
});

afterAll(() => database.drop());

describe("with a manual database clock", { tags: "all" }, () => {
  let shared: readonly Node[] = [];

  beforeAll(async () => {
    // The search path finds this function before the built-in one. That needs pg_catalog named
    // explicitly, in second place.
    await database.query("create table test_clock (at int8 not null)");
    await database.query(`insert into test_clock values (${START})`);
    await database.query(
      "create function public.clock_timestamp() returns timestamptz language sql volatile as 'select to_timestamp(at / 1000.0) from public.test_clock'",
    );
    const name = new URL(database.url).pathname.slice(1);
    await database.query(`alter database ${name} set search_path = public, pg_catalog`);
    shared = [await openNode(), await openNode()];
  });

  afterAll(async () => {
    await Promise.all(shared.map(({ store }) => store.close()));
    const name = new URL(database.url).pathname.slice(1);
    await database.query(`alter database ${name} reset search_path`);
    await database.query("drop function public.clock_timestamp()");
    await database.query("drop table test_clock");
  });

  describeStore({ engine: "PostgreSQL" }, async () => {
    const [one, two] = shared;
    if (one === undefined || two === undefined) throw new Error("The nodes are not there.");
    let now = START;
    await truncate();
    await database.query("update test_clock set at = $1", [now]);
    return {
      store: one.store,
      other: two.store,
      now: () => instant(now),
      advance: async (ms) => {
        now += ms;
        await database.query("update test_clock set at = $1", [now]);
      },
    };
  });
});

/** Empties every table except the migrations' own and the clock. */
async function truncate(): Promise<void> {
  const [row] = await database.query(
    `select string_agg(quote_ident(tablename), ', ') as names from pg_tables
      where schemaname = 'public' and tablename not like 'kysely%' and tablename <> 'test_clock'`,
  );
  await database.query(`truncate ${String(Object(row).names)}`);
}

describe("PostgreSQL", () => {
  it("lets one of fifty claims from two nodes win", async () => {
    const [one, two] = [await node(), await node()];
    const row = await stored(one.store);
    const claims = await Promise.all(
      Array.from({ length: 50 }, (_, index) => {
        const { store, owner } = index % 2 === 0 ? one : two;
        return store.claimRefresh(claimOf(row, { owner }));
      }),
    );
    expect(claims.filter(({ kind }) => kind === "claimed")).toHaveLength(1);
    expect(claims.filter(({ kind }) => kind === "leased")).toHaveLength(49);
  });

  it("loses no update when two transactions read the same row: one runs again", async () => {
    const [one, two] = [await node(), await node()];
    await one.store.putSetting("count", "0");
    let runs = 0;
    const both_read = Promise.withResolvers<void>();
    const increment = ({ store }: Node) =>
      store.transaction(async (tx) => {
        const [row] = await tx.db.selectFrom("settings").select("value").where("name", "=", "count").execute();
        runs += 1;
        if (runs === 2) both_read.resolve();
        const value = Number(row?.value);
        // Wait until the other transaction has read too.
        if (runs <= 2) await pause(tx);
        await tx.db
          .updateTable("settings")
          .set({ value: String(value + 1) })
          .where("name", "=", "count")
          .execute();
      });
    await Promise.all([increment(one), increment(two), both_read.promise]);
    expect(await one.store.getSetting("count")).toBe("2");
    expect(runs).toBe(3);
  });

  it("reports an insert of an existing key as a defect, and continues", async () => {
    const { store } = await node();
    const insert = () =>
      store.transaction(async (tx) => {
        await tx.db.insertInto("settings").values({ name: "twice", value: "1" }).execute();
      });
    await insert();
    await expect(insert()).rejects.toMatchObject({ code: "23505" });
    expect(await store.getSetting("twice")).toBe("1");
  });

  it("notifies the other nodes of a revoked token within a second, but not the node that revoked it", async () => {
    const [one, two] = [await node(), await node()];
    const app = await appOf(one.store, "announced");
    await one.store.createServiceToken(
      { app_id: app.id, id: "announced", name: "t", digest: Buffer.alloc(32), expires_at: null },
      2,
    );
    const [own, other] = [vi.fn<() => void>(), vi.fn<() => void>()];
    onTestFinished(one.store.onChange(own));
    const notified = Promise.withResolvers<void>();
    onTestFinished(
      two.store.onChange(() => {
        other();
        notified.resolve();
      }),
    );
    const started_at = performance.now();
    await one.store.revokeServiceToken(app.id, "announced");
    await notified.promise;
    expect(performance.now() - started_at).toBeLessThan(1_000);
    expect(own).not.toHaveBeenCalled();
  });

  it("notifies the other nodes of an app user's role, but not of sign-ins", async () => {
    const [one, two] = [await node(), await node()];
    const notified = vi.fn<() => void>();
    onTestFinished(two.store.onChange(notified));
    const app_id = (await appOf(one.store, "roles")).id;
    await until("the new app is announced", () => notified.mock.calls.length === 1);
    notified.mockClear();
    const user = { id: "aus_1", app_id, issuer_id: "iss_1", subject: "u1", email: null, full_name: null };
    for (const email of [null, "ada@example.com"]) await one.store.putAppUser({ ...user, email }, 1);
    expect(notified).not.toHaveBeenCalled();
    const started_at = performance.now();
    await one.store.setAppUserRole(app_id, "aus_1", "admin");
    await until("the role is announced", () => notified.mock.calls.length === 1);
    expect(performance.now() - started_at).toBeLessThan(1_000);
  });

  it("sends no notification about audit events and times of last use, which no cache holds", async () => {
    const [one, two] = [await node(), await node()];
    const notified = vi.fn<() => void>();
    onTestFinished(two.store.onChange(notified));
    const app = await appOf(one.store, "quiet");
    await until("the new app is announced", () => notified.mock.calls.length === 1);
    notified.mockClear();
    await one.store.recordUse(new Map([["announced", instant(1)]]));
    await one.store.putSetting("quiet", "1");
    expect(notified).not.toHaveBeenCalled();
    await one.store.revokeServiceToken(app.id, "nobody");
    await until("the revocation is announced", () => notified.mock.calls.length === 1);
  });

  it("calls listeners repeatedly while notifications can be lost, and stops when they arrive again", async () => {
    const clock = manualClock();
    const options = { clock, limits: LIMITS, owner: "node_deaf", warn: () => {} };
    const store = createStore(await openPostgres({ ...options, database_url: new Secret(database.url) }));
    onTestFinished(() => store.close());
    const notified = vi.fn<() => void>();
    onTestFinished(store.onChange(notified));
    await endSessionOf("node_deaf");
    await until("the loss is noticed", async () => {
      await clock.advance(LIMITS.cache_ttl_without_listener_ms);
      return notified.mock.calls.length > 0;
    });
    expect(notified).toHaveBeenCalled();
    await until("the lock is held again", async () => {
      await clock.advance(LIMITS.cache_ttl_without_listener_ms);
      return !(await store.ownerIsDead(leaseOf("node_deaf"), "node_other"));
    });
    await until("the connection answers", async () => {
      const before = notified.mock.calls.length;
      await clock.advance(LIMITS.cache_ttl_without_listener_ms);
      await store.getSetting("any");
      return notified.mock.calls.length === before;
    });
  });

  it("reports a closed node as dead, and a running one as alive", async () => {
    const asking = await node();
    const asked = await openNode();
    expect(await asking.store.ownerIsDead(leaseOf(asked.owner), asking.owner)).toBe(false);
    expect(await asking.store.ownerIsDead(leaseOf(asking.owner), asking.owner)).toBe(false);
    await asked.store.close();
    await until("the lock is free", () => asking.store.ownerIsDead(leaseOf(asked.owner), asking.owner));
    expect(await asking.store.ownerIsDead(leaseOf("node_never"), asking.owner)).toBe(true);
  });

  it("reports no owner as dead by its lock while a lease can be older than the loss of all sessions", async () => {
    const clock = manualClock();
    const options = { clock, limits: LIMITS, owner: "node_back", warn: () => {} };
    const engine = await openPostgres({ ...options, database_url: new Secret(database.url) });
    onTestFinished(() => engine.close());
    const reconnected = vi.fn<(news: ChangeNotice) => void>();
    onTestFinished(engine.onChange(reconnected));
    const before = leaseOf("node_stopped", engine.clock.now());
    expect(await engine.ownerIsDead(before, "node_back")).toBe(true);
    await endSessionOf("node_back");
    await until("the session is back", async () => {
      await clock.advance(LIMITS.cache_ttl_without_listener_ms);
      return reconnected.mock.calls.some(([notice]) => notice === "reconnected");
    });
    expect(await engine.ownerIsDead(before, "node_back")).toBe(false);
    // Far later, since the manual clock can have been ahead of the database's.
    const after = plus(engine.clock.now(), LIMITS.presence_settle_ms + 3_600_000);
    expect(await engine.ownerIsDead(leaseOf("node_stopped", after), "node_back")).toBe(true);
  });

  it("uses the database's time, even if the node's clock is wrong", async () => {
    const wrong = { ...systemClock, now: () => instant(Date.now() + 86_400_000) };
    const options = { clock: wrong, limits: LIMITS, warn: () => {}, database_url: new Secret(database.url) };
    const engine = await openPostgres({ ...options, owner: "node_wrong" });
    onTestFinished(() => engine.close());
    expect(Math.abs(engine.clock.now() - Date.now())).toBeLessThan(10_000);
  });

  it("lets the sweepers of two nodes reserve different rows at the same time", async () => {
    const [one, two] = [await node(), await node()];
    const due = { refresh_at: instant(1) };
    const rows = await Promise.all(Array.from({ length: 20 }, () => stored(one.store, due)));
    const taken = await Promise.all([one, two].map(({ store }) => store.reserveDue(10, [], 60_000)));
    const ids = taken.flat().map(({ id }) => id);
    expect(new Set(ids)).toEqual(new Set(rows.map(({ id }) => id)));
    expect(ids).toHaveLength(20);
  });

  it("migrates once when several nodes start together on an empty database", async () => {
    const empty = await createDatabase();
    onTestFinished(() => empty.drop());
    expect(
      await postgresKeyIds({ database_url: new Secret(empty.url), clock: systemClock, limits: LIMITS }),
    ).toBeNull();
    const opened = await Promise.all(Array.from({ length: 4 }, () => openNode({}, empty.url)));
    await Promise.all(opened.map(({ store }) => store.close()));
    expect(await empty.query("select name from kysely_migration")).toHaveLength(
      Object.keys(migrations(POSTGRES_TYPES)).length,
    );
    expect(await postgresKeyIds({ database_url: new Secret(empty.url), clock: systemClock, limits: LIMITS })).toEqual(
      [],
    );
  });

  it("refuses a database whose newer schema is incompatible, and one that can lose commits", async () => {
    const other = await createDatabase();
    onTestFinished(() => other.drop());
    await (await openNode({}, other.url)).store.close();
    await other.query("insert into kysely_migration (name, timestamp) values ('9999-later', '')");
    await other.query("update settings set value = '0002-turns' where name = 'schema_compatible_with'");
    await (await openNode({}, other.url)).store.close();
    await other.query("update settings set value = '9999-later' where name = 'schema_compatible_with'");
    await expect(openNode({}, other.url)).rejects.toMatchObject({ code: "schema_too_new" });
    await other.query(`alter database ${new URL(other.url).pathname.slice(1)} set synchronous_commit = off`);
    await expect(openNode({}, other.url)).rejects.toMatchObject({ code: "configuration" });
  });

  it("reports an unavailable database within the limit, without its address", async () => {
    const url = new URL(database.url);
    url.port = "1";
    const error: unknown = await openNode({}, url.href).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "database_unavailable", status: 503 });
    expect(String(error)).not.toContain("127.0.0.1");
  });

  it("waits for a database that responds slowly during a start, and gives up when it never responds", async () => {
    const limits = { database_connect_timeout_ms: 200, database_start_timeout_ms: 600 };
    const links = new Set<Socket>();
    let silent = 2;
    const proxy = createServer((client) => {
      links.add(client.on("error", () => {}));
      silent -= 1;
      if (silent >= 0) return;
      const server = connect(Number(new URL(database.url).port), "127.0.0.1").on("error", () => {});
      links.add(server);
      client.pipe(server).pipe(client);
    });
    const port = await freePort();
    proxy.listen(port, "127.0.0.1");
    onTestFinished(() => {
      for (const link of links) link.destroy();
      proxy.close();
    });
    await once(proxy, "listening");
    const url = new URL(database.url);
    url.port = String(port);
    const opened = await openNode({ ...limits, database_start_timeout_ms: 20_000 }, url.href);
    expect(silent).toBeLessThan(0);
    await opened.store.close();
    silent = 1_000;
    await expect(openNode(limits, url.href)).rejects.toMatchObject({ code: "database_unavailable" });
    expect(silent).toBeLessThanOrEqual(998);
  });

  it("rejects writes as unavailable while the database is read-only, and as busy while a row is locked", async () => {
    const { store } = await node({ database_statement_timeout_ms: 100 });
    await store.putSetting("held", "1");
    await database.query("begin");
    await database.query("update settings set value = '2' where name = 'held'");
    await expect(store.putSetting("held", "3")).rejects.toMatchObject({ code: "database_busy" });
    await database.query("rollback");
    await store.putSetting("held", "3");
    const name = new URL(database.url).pathname.slice(1);
    await database.query(`alter database ${name} set default_transaction_read_only = on`);
    const options = { clock: systemClock, limits: LIMITS, owner: null, warn: () => {} };
    const late = createStore(await openPostgres({ ...options, database_url: new Secret(database.url) }));
    onTestFinished(() => late.close());
    await expect(late.putSetting("held", "4")).rejects.toMatchObject({ code: "database_unavailable" });
    expect(await late.getSetting("held")).toBe("3");
    await database.query("set default_transaction_read_only = off");
    await database.query(`alter database ${name} reset default_transaction_read_only`);
  });

  it("works again after its connections were terminated", async () => {
    const { store } = await node();
    await store.putSetting("cut", "1");
    await database.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holdfast' and datname = current_database()",
    );
    await until("the pool has noticed", () =>
      store.putSetting("cut", "2").then(
        () => true,
        () => false,
      ),
    );
    expect(await store.getSetting("cut")).toBe("2");
  });
});

async function pause(tx: { db: Parameters<Parameters<Store["transaction"]>[0]>[0]["db"] }) {
  await tx.db.selectNoFrom((select) => select.fn("pg_sleep", [select.val(0.2)]).as("slept")).execute();
}

/** Ends the node's session but not its pool, like a firewall that drops one connection. */
async function endSessionOf(owner: string): Promise<void> {
  await database.query(
    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and (classid::int8 << 32) | objid::int8 = hashtextextended($1, 0)",
    [owner],
  );
}
