/**
 * A database of the previous release, as its server wrote it. The next server migrates it, and
 * everything that it held still works.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it, onTestFinished } from "vitest";
import { sha256Hex } from "../../src/core/secret.ts";
import { asAppId } from "../../src/core/ids.ts";
import { hmacSigned } from "../service/users/tokens.ts";
import { startTestServer } from "../support/server.ts";

const fixture = (name: string): string => readFileSync(new URL(`./fixtures/${name}.sql`, import.meta.url), "utf8");

/** Returns what the comments at the top of the fixture say. */
function noteOf(text: string, name: string): string {
  const note = new RegExp(`^-- ${name}: (.+)$`, "m").exec(text)?.[1];
  if (note === undefined) throw new Error(`The fixture does not say its ${name}.`);
  return note;
}

/** Starts a server over the database. `count` counts what the database must not have yet. */
async function startOver(text: string, count: string) {
  const data_dir = mkdtempSync(join(tmpdir(), "holdfast-previous-"));
  onTestFinished(() => rmSync(data_dir, { recursive: true, force: true }));
  const raw = new Database(join(data_dir, "holdfast.db"));
  raw.exec(text);
  expect(raw.prepare(count).pluck().get()).toBe(0);
  raw.close();
  writeFileSync(join(data_dir, "master.key"), `${noteOf(text, "master key")}\n`, { mode: 0o600 });
  const app_id = asAppId(noteOf(text, "app"));
  const app = { app_id, service_token: "", api_key: "" };
  return { app_id, app, holdfast: await startTestServer({ data_dir, app }) };
}

it("a database without tables for functions is migrated, keeps its tokens, and accepts functions", async () => {
  const text = fixture("0005-device");
  const { app_id, app, holdfast } = await startOver(
    text,
    "select count(*) from sqlite_master where name in ('functions', 'app_secrets')",
  );
  const { apps, appSecrets, functions } = holdfast.installation;
  const { service_token } = await apps.createToken(app_id, "new", null);
  const token = await holdfast.token("slack", { app: { ...app, service_token: service_token.expose() } });
  expect([token.status, sha256Hex(String(token.json["access_token"]))]).toEqual([
    200,
    noteOf(text, "access token, SHA-256"),
  ]);
  const files = [{ path: "entry.js", content: `Deno.serve(() => new Response("new"));` }];
  await functions.deploy(app_id, "hello", { entry: "entry.js", files, automations: [] }, "test");
  expect(await appSecrets.list(app_id)).toEqual([]);
  const called = await holdfast.request("POST", `/api/apps/${app_id}/functions/hello`);
  expect([called.status, called.text]).toEqual([200, "new"]);
});

it("a database whose users have no roles is migrated, and its users keep their ids and get the role user", async () => {
  const text = fixture("0007-app-users");
  const { app_id, holdfast } = await startOver(
    text,
    "select count(*) from pragma_table_info('app_users') where name = 'role'",
  );
  const { appUsers } = holdfast.installation;
  const exp = Math.floor(holdfast.clock.now() / 1000) + 600;
  const bearer = hmacSigned(noteOf(text, "issuer secret"), { iss: "shop", aud: "shop", sub: "u1", exp });
  const id = noteOf(text, "user");
  expect(await appUsers.verify(app_id, bearer)).toMatchObject({ id, role: "user" });
  await appUsers.setRole(app_id, id, "admin");
  expect(await appUsers.verify(app_id, bearer)).toMatchObject({ id, role: "admin" });
});
