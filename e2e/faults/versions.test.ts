/**
 * Two versions of the server on one database (F59), as during a rolling upgrade. The newer version
 * is this one with one more migration, in a directory of its own.
 */
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../../packages/server/test/support/postgres.ts";
import { holdfast } from "../support/holdfast.ts";
import { startSimulated } from "../support/server.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import {
  readToken,
  connectedApp,
  expire,
  FULL,
  storedTokenStatus,
  refreshes,
  startNode,
  storedConnection,
  type TimedReply,
} from "./support/postgres-server-nodes.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const ROUNDS = FULL ? 20 : 3;
const READERS_PER_NODE = FULL ? 100 : 25;
const PLANTED = "9999-planted";

/**
 * Copies the server and adds one more migration, which adds a nullable column. `compatible_with` is
 * the oldest migration whose servers the copy accepts beside itself. Returns a program that runs
 * the copy in place of Node.
 */
function newerVersion(compatible_with: string): string {
  const copy = temporaryDirectory("holdfast-newer-");
  const server = join(copy, "packages", "server");
  mkdirSync(server, { recursive: true });
  for (const part of ["bin", "src", "package.json"])
    cpSync(join(REPOSITORY, "packages", "server", part), join(server, part), { recursive: true });
  symlinkSync(join(REPOSITORY, "node_modules"), join(copy, "node_modules"));
  symlinkSync(join(REPOSITORY, "packages", "server", "node_modules"), join(server, "node_modules"));
  plant(join(server, "src", "store", "migrations", "index.ts"), compatible_with);
  const program = join(copy, "node");
  // Replaces the launcher path among its arguments.
  writeFileSync(program, `#!/bin/sh\nshift\nexec "${process.execPath}" "${join(server, "bin", "holdfast.js")}" "$@"\n`);
  chmodSync(program, 0o755);
  return program;
}

function plant(path: string, compatible_with: string): void {
  const text = readFileSync(path, "utf8");
  const migration = `  "${PLANTED}": {
    up: (db) => db.schema.alterTable("connections").addColumn("planted", "text").execute(),
  },
});`;
  const planted = text
    .replace("\n});", `\n${migration}`)
    .replace(/COMPATIBLE_WITH = "[^"]*"/, `COMPATIBLE_WITH = "${compatible_with}"`);
  if (!planted.includes(PLANTED) || !planted.includes(`COMPATIBLE_WITH = "${compatible_with}"`))
    throw new Error("The migration could not be planted.");
  writeFileSync(path, planted);
}

const migrationsOf = async ({ query }: TestDatabase): Promise<string> =>
  JSON.stringify(await query("select name from kysely_migration order by name"));

it("F59: old and new nodes on one database refresh a single-use token once a round, through the migration and a restart of an old node", async () => {
  const database = await createDatabase();
  const simulator = await startSimulated();
  const old = [await startNode(simulator.url, database.url), await startNode(simulator.url, database.url)];
  const [first, second] = old;
  if (first === undefined || second === undefined) throw new Error("no nodes");
  const app = await connectedApp(first, { github: "sim-rotate+slow-100ms" });
  expect(await migrationsOf(database)).not.toContain(PLANTED);
  const newer = await startNode(simulator.url, database.url, {}, newerVersion("0001-initial"));
  expect(await migrationsOf(database)).toContain(PLANTED);

  for (let round = 1; round <= ROUNDS; round += 1) {
    await expire(database, "github");
    const { generation } = await storedConnection(database, "github");
    if (round === 2) await second.kill();
    const nodes = round === 2 ? [first, newer] : [first, second, newer];
    const storm = nodes.flatMap((node) =>
      Array.from({ length: READERS_PER_NODE }, () => readToken(node, app, "github")),
    );
    if (round === 2) await second.restart();
    const replies: readonly TimedReply[] = await Promise.all(storm);
    expect(new Set(replies.map(({ status, code }) => `${status} ${code}`))).toEqual(new Set(["200 null"]));
    expect(new Set(replies.map(({ access_token }) => access_token)).size).toBe(1);
    expect(refreshes(simulator)).toHaveLength(round);
    expect(await storedConnection(database, "github")).toMatchObject({ generation: generation + 1, is_open: false });
  }
  expect(simulator.ledger().families_revoked).toEqual([]);
  expect(await storedTokenStatus(first, app, "github", simulator)).toBe("current");
  await database.drop();
});

it(
  "F59: a server older than the schema refuses to start, explains why, and changes nothing",
  { tags: "all" },
  async () => {
    const database = await createDatabase();
    const simulator = await startSimulated();
    const old = await startNode(simulator.url, database.url);
    const app = await connectedApp(old, { github: "sim-rotate" });
    await old.kill();
    const newer = await startNode(simulator.url, database.url, {}, newerVersion(PLANTED));
    const before = await contents(database);
    const refused = await holdfast(["serve", "--data-dir", old.data_dir, "--port", "0", "--json"], old);
    expect(refused.exit_code).toBe(78);
    expect(refused.stdout + refused.stderr).toContain("schema_too_new");
    expect(refused.stdout + refused.stderr).toContain(PLANTED);
    expect(await contents(database)).toBe(before);
    expect((await readToken(newer, app, "github")).status).toBe(200);
    await database.drop();
  },
);

/** Returns everything that a server could damage. */
async function contents({ query }: TestDatabase): Promise<string> {
  const tables = [
    "connections",
    "apps",
    "service_tokens",
    "data_keys",
    "oauth_clients",
    "settings",
    "kysely_migration",
  ];
  const rows: unknown[] = [];
  for (const table of tables) rows.push(await query(`select md5(t::text) from ${table} t order by 1`));
  return JSON.stringify(rows);
}
