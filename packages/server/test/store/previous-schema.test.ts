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
import { startTestServer } from "../support/server.ts";

const FIXTURE = new URL("./fixtures/0005-device.sql", import.meta.url);

/** Returns what the comments at the top of the fixture say. */
function noteOf(text: string, name: string): string {
  const note = new RegExp(`^-- ${name}: (.+)$`, "m").exec(text)?.[1];
  if (note === undefined) throw new Error(`The fixture does not say its ${name}.`);
  return note;
}

it("a database without tables for functions is migrated, keeps its tokens, and accepts functions", async () => {
  const data_dir = mkdtempSync(join(tmpdir(), "holdfast-previous-"));
  onTestFinished(() => rmSync(data_dir, { recursive: true, force: true }));
  const text = readFileSync(FIXTURE, "utf8");
  const raw = new Database(join(data_dir, "holdfast.db"));
  raw.exec(text);
  const tablesOf = (): unknown =>
    raw.prepare("select count(*) from sqlite_master where name in ('functions', 'app_secrets')").pluck().get();
  expect(tablesOf()).toBe(0);
  raw.close();
  writeFileSync(join(data_dir, "master.key"), `${noteOf(text, "master key")}\n`, { mode: 0o600 });

  const app_id = asAppId(noteOf(text, "app"));
  const app = { app_id, service_token: "", api_key: "" };
  const holdfast = await startTestServer({ data_dir, app });
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
