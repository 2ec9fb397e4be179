/**
 * What a deleted app or workspace leaves: no row in any table except the audit trail and pending
 * events and revocations, and no byte of its secrets in the database's files.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import Database from "better-sqlite3";
import { clientSecretOf, simulatedClientId } from "@holdfast/simulator";
import { expect, it, onTestFinished } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import type { AppId, UserId, WorkspaceId } from "../../src/core/types.ts";
import { sealContext } from "../../src/service/grants/grant.ts";
import { createApp } from "../../src/store/queries/apps.ts";
import { CONNECTION, DATA_KEY } from "../../src/store/rows.ts";
import type { ConnectionRow, DataKeyRow } from "../../src/store/tables.ts";
import { sealedFromStorage } from "../../src/vault/seal.ts";
import { HOUR } from "../support/clock.ts";
import { asObject } from "../support/http.ts";
import { addAccount, exposed, startTestServer, type TestApp, type TestServer } from "../support/server.ts";

/** Counts the rows that contain one of `ids`, by table. */
function naming({ config }: TestServer, ids: readonly string[]): Readonly<Record<string, number>> {
  const raw = new Database(join(config.data_dir, "holdfast.db"), { readonly: true });
  try {
    const tables = raw
      .prepare<[], string>("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
      .pluck()
      .all();
    const counts = tables.map((table): [string, number] => {
      const rows = raw.prepare(`select * from "${table}"`).all();
      return [table, rows.filter((row) => ids.some((id) => JSON.stringify(row).includes(id))).length];
    });
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  } finally {
    raw.close();
  }
}

/**
 * Returns the tables with such rows. The audit trail and pending notifications are allowed to stay.
 */
const left = (holdfast: TestServer, ids: readonly string[]): readonly string[] =>
  Object.keys(naming(holdfast, ids)).filter((table) => table !== "audit_events" && table !== "outbox");

/** Returns the database files that contain one of `needles`, as `file: needle`. */
function findBytes({ config }: TestServer, needles: ReadonlyMap<string, Buffer>): readonly string[] {
  return readdirSync(config.data_dir)
    .filter((file) => file.startsWith("holdfast.db"))
    .flatMap((file) => {
      const bytes = readFileSync(join(config.data_dir, file));
      return [...needles].filter(([, needle]) => bytes.includes(needle)).map(([name]) => `${file}: ${name}`);
    });
}

const PIECE = 24;
const GZIP_HEADER_BYTES = 10;

/**
 * Cuts a record into pieces, since a long one can span several pages. Omits its header, which names
 * the key: that is searched for separately.
 */
function piecesOf(name: string, record: Uint8Array | null, header = 2 + (record?.[1] ?? 0)): [string, Buffer][] {
  if (record === null) return [];
  const body = Buffer.from(record.subarray(header));
  return Array.from({ length: Math.floor(body.length / PIECE) }, (_, index) => [
    `${name} at ${index * PIECE}`,
    body.subarray(index * PIECE, (index + 1) * PIECE),
  ]);
}

const keysOf = ({ installation }: TestServer, scope: string): Promise<DataKeyRow[]> =>
  installation.store.listDataKeys().then((keys) => keys.filter((key) => key.scope === scope));

/** Returns the app's current secrets, sealed and in the clear. */
async function secretsOf(holdfast: TestServer, { app_id }: TestApp): Promise<Map<string, Buffer>> {
  const { store, vault } = holdfast.installation;
  const needles = new Map<string, Buffer>();
  for (const { dek_id, wrapped } of await keysOf(holdfast, app_id)) {
    needles.set(`key id ${dek_id}`, Buffer.from(dek_id));
    for (const [name, piece] of piecesOf(`wrapped ${dek_id}`, wrapped, 0)) needles.set(name, piece);
  }
  for (const row of await store.listConnections(app_id)) {
    for (const column of ["access", "refresh"] as const) {
      const sealed = row[`sealed_${column}`];
      const name = `${row.integration_type} ${column} ${row.generation}`;
      for (const [piece, bytes] of piecesOf(name, sealed)) needles.set(piece, bytes);
      if (sealed === null) continue;
      const plain = await vault.open(sealContext(row, column), sealedFromStorage(sealed));
      needles.set(`${name} in the clear`, Buffer.from(plain.expose()));
    }
  }
  return needles;
}

const SERVICES = ["box", "salesforce", "hubspot", "linear", "googlecalendar"] as const;

/** Connects and refreshes a few times, so that SQLite's files contain older records. */
async function used(holdfast: TestServer, app: TestApp, rounds: number): Promise<Map<string, Buffer>> {
  for (const type of SERVICES) await holdfast.connect(type, { app });
  const needles = await secretsOf(holdfast, app);
  for (let round = 0; round < rounds; round += 1) {
    await holdfast.clock.jump(24 * HOUR);
    for (const type of SERVICES) expect((await holdfast.token(type, { app })).status).toBe(200);
    for (const [name, needle] of await secretsOf(holdfast, app)) needles.set(name, needle);
  }
  return needles;
}

it("a deleted app leaves no key, sealed value or plaintext in the database, its log or its free pages", async () => {
  const holdfast = await startTestServer();
  const [gone, stays] = [await holdfast.createApp("gone"), await holdfast.createApp("stays")];
  const kept = await used(holdfast, stays, 1);
  const needles = await used(holdfast, gone, 4);
  const isSealed = (name: string): boolean => !name.endsWith("in the clear");

  // The search works: it finds the key and the current records.
  const before = findBytes(holdfast, needles);
  const now = await secretsOf(holdfast, gone);
  for (const name of [...now.keys()].filter(isSealed))
    expect(before.some((line) => line.endsWith(`: ${name}`))).toBe(true);

  expect((await holdfast.manage("DELETE", `/api/management/apps/${gone.app_id}`)).status).toBe(200);
  // Before and after the revocation at the provider.
  expect(findBytes(holdfast, needles)).toEqual([]);
  const outbox = await holdfast.installation.store.listOutbox(gone.app_id, "revoke");
  const waiting = new Map(outbox.flatMap(({ id, sealed }) => piecesOf(id, sealed)));
  expect(waiting.size).toBeGreaterThan(0);
  expect(findBytes(holdfast, waiting)).not.toEqual([]);
  await holdfast.server.sweeper.tick();
  expect(findBytes(holdfast, new Map([...needles, ...waiting]))).toEqual([]);
  expect(left(holdfast, [gone.app_id])).toEqual([]);

  expect(findBytes(holdfast, new Map([...kept].filter(([name]) => name.startsWith("key id"))))).not.toEqual([]);
  expect((await holdfast.token("box", { app: stays })).status).toBe(200);
});

it("a deleted app leaves no function, source, bundle or secret, and another app keeps its own", async () => {
  const holdfast = await startTestServer();
  const { appSecrets, functions, store } = holdfast.installation;
  const [gone, stays] = [await holdfast.createApp("gone"), await holdfast.createApp("stays")];
  const shared = "Deno.serve(() => new Response());";
  const deploy = (app: TestApp, name: string, content: string) =>
    functions.deploy(app.app_id, name, { entry: "e.js", files: [{ path: "e.js", content }], automations: [] }, "test");
  const stored = () => store.transaction(({ db }) => db.selectFrom("function_blobs").selectAll().execute());
  for (const app of [gone, stays]) await deploy(app, "shared", shared);
  const common = new Set((await stored()).map(({ digest }) => digest));
  await deploy(gone, "own", `Deno.serve(() => new Response("a string that only this function has"));`);
  await appSecrets.set(gone.app_id, { KEY: new Secret("value") });
  const [row] = await store.listAppSecrets(gone.app_id);
  const content = (await stored())
    .filter(({ digest }) => !common.has(digest))
    .flatMap(({ digest, bytes }) => piecesOf(digest, bytes, GZIP_HEADER_BYTES));
  const needles = new Map([...content, ...piecesOf("secret", row?.sealed_value ?? null)]);
  expect(content.length).toBeGreaterThan(1);
  for (const name of needles.keys())
    expect(findBytes(holdfast, needles).some((line) => line.endsWith(`: ${name}`))).toBe(true);

  await holdfast.installation.apps.remove(gone.app_id);
  expect(findBytes(holdfast, needles)).toEqual([]);
  expect(left(holdfast, [gone.app_id])).toEqual([]);
  const kept = await functions.live(stays.app_id, "shared");
  expect(kept.code).toContain("Deno.serve");
  expect(await Readable.from(functions.list(stays.app_id)).toArray()).toMatchObject([
    { name: "shared", files: [{ content: shared }] },
  ]);
  await holdfast.installation.apps.remove(stays.app_id);
  expect(await store.transaction(({ db }) => db.selectFrom("function_blobs").select("digest").execute())).toEqual([]);
});

it("the log is emptied with the next commit if there was a concurrent reader", async () => {
  const holdfast = await startTestServer();
  const gone = await holdfast.createApp("gone");
  await holdfast.connect("box", { app: gone });
  const needles = await secretsOf(holdfast, gone);
  const reader = new Database(join(holdfast.config.data_dir, "holdfast.db"), { readonly: true });
  onTestFinished(() => void reader.close());
  reader.exec("begin");
  reader.prepare("select count(*) from apps").get();
  await holdfast.installation.apps.remove(gone.app_id);
  await holdfast.server.sweeper.tick();
  expect(findBytes(holdfast, needles)).not.toEqual([]);
  reader.exec("commit");
  await holdfast.createApp("next");
  expect(findBytes(holdfast, needles)).toEqual([]);
});

it("rows from an older copy open only with the data key", async () => {
  const holdfast = await startTestServer();
  const { store } = holdfast.installation;
  const gone = await holdfast.createApp("gone");
  await holdfast.connect("box", { app: gone });
  const row = await holdfast.row("box", gone);
  const keys = await keysOf(holdfast, gone.app_id);
  const app = await store.getApp(gone.app_id);
  await holdfast.installation.apps.remove(gone.app_id);
  expect(await openedBy(holdfast, row)).toBe("credential_unreadable");

  // Restored, and read by a server that never had the key in memory.
  const again = await holdfast.restart();
  if (app === null) throw new Error("The app was not there.");
  await again.installation.store.transaction(async (tx) => {
    await createApp(tx, { id: app.id, workspace_id: app.workspace_id, name: app.name });
    await tx.db.insertInto("connections").values(CONNECTION.encode(row)).execute();
  });
  expect(await openedBy(again, row)).toBe("credential_unreadable");
  const { service_token } = await again.installation.apps.createToken(app.id, "new", null);
  const read = await again.token("box", { app: { ...gone, service_token: service_token.expose() } });
  expect([read.status, read.code]).toEqual([500, "credential_unreadable"]);

  // A full older copy also has the key, so it opens until the copy is destroyed.
  await again.installation.store.transaction(async (tx) => {
    await tx.db
      .insertInto("data_keys")
      .values(keys.map((key) => DATA_KEY.encode(key)))
      .execute();
  });
  expect(await openedBy(again, row)).toBe("opened");
});

async function openedBy({ installation }: TestServer, row: ConnectionRow): Promise<string> {
  const sealed = sealedFromStorage(row.sealed_access ?? new Uint8Array());
  return installation.vault.open(sealContext(row, "access"), sealed).then(
    () => "opened",
    (error: unknown) =>
      String(asObject(error)["code"] ?? (error instanceof Error && "code" in error ? error.code : "")),
  );
}

interface Team {
  readonly id: WorkspaceId;
  readonly owner: UserId;
  readonly app: TestApp;
  readonly other_app: AppId;
  readonly client_id: string;
}

/** Creates a workspace with an owner, OAuth client, connection, key, invitation and switches. */
async function team(holdfast: TestServer, name: string): Promise<Team> {
  const { accounts, apps, apiKeys, appProfiles, clients, governance, store, workspaces } = holdfast.installation;
  const id = await accounts.createWorkspace(name, holdfast.builder.user_id);
  const email = `${name}@example.com`;
  const owner = await addAccount(store, { name, email, workspace_id: id, role: "owner" });
  const app = exposed(await apps.create(name, { workspace_id: id, user_id: owner }));
  const other_app = await apps.add("second", id);
  await appProfiles.put(other_app, { user_description: "x", public_settings: null });
  const client_id = simulatedClientId([], name);
  const client_secret = new Secret(clientSecretOf(client_id));
  await clients.set({ workspace_id: id, integration_type: "box", client_id, client_secret, shared_callback: false });
  await holdfast.connect("box", { app, browser: await holdfast.signedIn(owner) });
  await apiKeys.create({ workspace_id: id, user_id: owner, name: "ci", scope: "read", expires_at: null });
  await workspaces.invite(id, { email: "new@example.com", role: "viewer", by: "owner", actor: "test" });
  await workspaces.shareClients(id, true);
  await governance.set(id, "slack", { builder_connection_enabled: false });
  return { id, owner, app, other_app, client_id };
}

it("a deleted workspace leaves nothing in any table, and takes no rows of another one", async () => {
  const holdfast = await startTestServer();
  const [gone, stays] = [await team(holdfast, "gone"), await team(holdfast, "stays")];
  const idsOf = ({ id, app, other_app, client_id }: Team) => [id, app.app_id, other_app, client_id];
  const before = naming(holdfast, idsOf(stays));
  for (const table of ["workspaces", "auth_member", "apps", "app_profiles", "connections", "oauth_clients", "flows"])
    expect(before).toHaveProperty(table);
  for (const table of ["service_tokens", "api_keys", "invitations", "governance", "data_keys", "settings"])
    expect(before).toHaveProperty(table);
  const keys = await keysOf(holdfast, gone.id);
  expect(keys).toHaveLength(1);
  const [key] = keys;
  const wrapped = new Map(piecesOf("wrapped", key?.wrapped ?? null, 0)).set("key id", Buffer.from(key?.dek_id ?? ""));
  expect(findBytes(holdfast, wrapped)).not.toEqual([]);

  const path = `/api/management/workspaces/${gone.id}`;
  const browser = await holdfast.signedIn(gone.owner);
  const headers = { origin: holdfast.config.public_url, cookie: cookieOf(browser.cookies) };
  expect((await holdfast.request("DELETE", path, { headers })).code).toBe("workspace_not_empty");
  expect(left(holdfast, idsOf(gone))).toEqual(Object.keys(before).filter((name) => !/audit|outbox/.test(name)));
  expect((await holdfast.request("DELETE", `${path}?with_apps=true`, { headers })).status).toBe(200);

  expect(left(holdfast, idsOf(gone))).toEqual([]);
  expect(findBytes(holdfast, wrapped)).toEqual([]);
  expect(naming(holdfast, idsOf(stays))).toEqual(before);
  expect((await holdfast.token("box", { app: stays.app })).status).toBe(200);
  expect((await holdfast.token("box", { app: gone.app })).code).toBe("invalid_token");
  // The user's account stays.
  expect(await holdfast.installation.store.getUser(gone.owner)).not.toBeNull();
});

it("a workspace's tokens are revoked with its own deleted client, whose secret is erased afterwards", async () => {
  const holdfast = await startTestServer();
  const { id, client_id } = await team(holdfast, "gone");
  await holdfast.installation.apps.removeWorkspace(id, true);
  await holdfast.server.sweeper.tick();
  const revocations = holdfast.simulator.ledger().requests.filter(({ kind }) => kind === "revoke");
  expect(revocations.map((request) => [request.client_id, request.status])).toEqual([[client_id, 200]]);
  await holdfast.installation.audit.flush();
  expect((await holdfast.installation.store.listAudit("", 50)).map(({ action }) => action)).not.toContain(
    "revocation.failed",
  );
  const secret = new Map([["client secret", Buffer.from(clientSecretOf(client_id))]]);
  expect(findBytes(holdfast, secret)).toEqual([]);
});

it("a disconnected account's tokens are revoked with their client, even if that was removed meanwhile", async () => {
  const holdfast = await startTestServer();
  const { installation, server, simulator } = holdfast;
  const ends: ((one: Team) => Promise<unknown>)[] = [
    ({ id }) => installation.clients.remove("box", id),
    ({ id }) => installation.apps.removeWorkspace(id, true),
  ];
  for (const [index, end] of ends.entries()) {
    const one = await team(holdfast, `team-${index}`);
    await installation.connections.disconnect(one.app.app_id, "box");
    await end(one);
    await server.sweeper.tick();
    const revoked = simulator.ledger().requests.filter(({ kind }) => kind === "revoke");
    expect(revoked.map(({ client_id, status }) => [client_id, status])[index]).toEqual([one.client_id, 200]);
    const secret = new Map([["client secret", Buffer.from(clientSecretOf(one.client_id))]]);
    expect(findBytes(holdfast, secret)).toEqual([]);
  }
});

it("a workspace stays whole if an app is created during its deletion, and a deleted one gets no app", async () => {
  const holdfast = await startTestServer();
  const { apps, store, clients } = holdfast.installation;
  const { id, app } = await team(holdfast, "busy");
  const real = store.transaction;
  Object.assign(store, {
    transaction: async (...rest: Parameters<typeof real>) => {
      Object.assign(store, { transaction: real });
      await apps.add("created meanwhile", id);
      return real(...rest);
    },
  });
  await expect(apps.removeWorkspace(id, true)).rejects.toMatchObject({ code: "workspace_not_empty" });
  expect((await apps.list(id)).map(({ name }) => name).toSorted()).toEqual(["busy", "created meanwhile", "second"]);
  expect((await holdfast.token("box", { app })).status).toBe(200);
  expect(await clients.list(id)).toHaveLength(1);

  await apps.removeWorkspace(id, true);
  await expect(apps.add("late", id)).rejects.toMatchObject({ code: "not_found" });
  const late = { workspace_id: id, integration_type: "box", client_id: "x", shared_callback: false };
  await expect(clients.set({ ...late, client_secret: new Secret("y") })).rejects.toMatchObject({ code: "not_found" });
  expect(left(holdfast, [id])).toEqual([]);
});

const cookieOf = (cookies: ReadonlyMap<string, string>): string =>
  [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
