/**
 * Known secrets in every place that a function must not read, and functions that try every known
 * way to read them. No secret is in a reply or a log. The same search finds them without a sandbox.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { descendantsOf } from "../packages/server/test/support/processes.ts";
import { ATTACKER, importsOf } from "./support/attacker.ts";
import { holdfast, type Running } from "./support/holdfast.ts";
import { findLeaks, type Place, type Secrets } from "./support/leaks.ts";
import {
  asBuilder,
  createApp,
  deployFunction,
  getConnection,
  initiate,
  prepareSite,
  setClient,
  signIn,
  startSimulated,
  type App,
  type Site,
} from "./support/server.ts";

const createCanary = (): string => `canary/${randomBytes(18).toString("hex")}+=`;

/** Holds a secret in its memory and in its scratch folder, and stays running. */
const VICTIM = `
  const secret = Deno.env.get("SECRET");
  Deno.serve(async (request) => {
    const left = await request.text();
    localStorage.setItem("left", left);
    await (await caches.open("left")).put("http://left/", new Response(left));
    return new Response(String(secret.length));
  });`;

interface Stage {
  readonly site: Site;
  readonly server: Running;
  readonly attacker: App;
  readonly secrets: Secrets;
  /** A file that every user of this machine can read. */
  readonly open_file: string;
}

async function prepare(isolation: string): Promise<Stage> {
  const environment = createCanary();
  const stored_name = createCanary();
  const secret = createCanary();
  const scratch = createCanary();
  const host_file = createCanary();
  const open_file = `/tmp/holdfast-canary-${randomBytes(8).toString("hex")}`;
  writeFileSync(open_file, `${host_file}\n`, { mode: 0o644 });
  onTestFinished(() => rmSync(open_file));
  const site = await prepareSite((await startSimulated()).url);
  const server = await site.start({
    CANARY: environment,
    HOLDFAST_FUNCTIONS_ISOLATION: isolation,
    HOLDFAST_LOG_LEVEL: "debug",
  });
  const victim = await createApp(site, stored_name);
  const attacker = await createApp(site, "attacker");
  const builder = await signIn(site, server.ready.text("setup_url"));
  await setClient(site, victim, "slack", "sim-ok");
  await builder.connect(await initiate(site, victim, "slack"));
  const { access_token } = await getConnection(site, victim, "slack");
  await asBuilder(site, victim, "POST", `/api/apps/${victim.app_id}/secrets`, { SECRET: secret });
  await deployFunction(site, victim, "victim", VICTIM);
  const url = `${site.server_url}/api/apps/${victim.app_id}/functions/victim`;
  expect(await (await fetch(url, { method: "POST", body: scratch })).text()).toBe(String(secret.length));
  await deployFunction(site, attacker, "attacker", ATTACKER);
  const master_key = readFileSync(join(site.data_dir, "master.key"), "utf8").match(/\S{40,}/g) ?? [];
  const secrets = { master_key, environment: [environment], stored_name: [stored_name], secret: [secret] };
  const others = { access_token: [access_token ?? ""], scratch: [scratch], host_file: [host_file] };
  return { site, server, attacker, open_file, secrets: { ...secrets, ...others } };
}

/** The files that hold the secrets, by each name that a function could reach them with. */
function targetsOf({ site, server, open_file }: Stage): readonly string[] {
  const stored = ["master.key", "holdfast.db", "holdfast.db-wal"].map((name) => join(site.data_dir, name));
  const files = [...stored, open_file];
  const processes = [server.pid, ...descendantsOf(server.pid)].flatMap((pid) =>
    ["environ", "cmdline", "root/tmp"].map((name) => `/proc/${pid}/${name}`),
  );
  const own = ["1", "2", "self", "self/task/1", String(process.pid)].flatMap((pid) => [
    // 0 to 2 are its own streams: a read would wait for the server.
    ...["environ", "cmdline", "mountinfo", "maps", "fd/3", "fd/4", "fd/5"].map((name) => `/proc/${pid}/${name}`),
    ...files.flatMap((path) => [`/proc/${pid}/root${path}`, `/proc/${pid}/cwd${path}`]),
  ]);
  return [...files, `/proc/${server.pid}/root${open_file}`, ...processes, ...own];
}

/** Runs all attacks. Returns every reply and log. */
async function attack(
  stage: Stage,
  targets: readonly string[],
): Promise<{ places: readonly Place[]; results: number }> {
  const { site, server, attacker } = stage;
  const places: Place[] = [];
  const keep = async (name: string, reply: Response): Promise<string> => {
    const text = await reply.text();
    // Once as it is, and once without the escapes of JSON.
    const headers = JSON.stringify([...reply.headers]);
    places.push({ name, bytes: Buffer.from(`${headers}\n${text}\n${text.replaceAll("\\/", "/")}`) });
    return text;
  };
  const functions = `${site.server_url}/api/apps/${attacker.app_id}`;
  const body = JSON.stringify(targets);
  const reply = await fetch(`${functions}/functions/attacker`, { method: "POST", body });
  expect(reply.status).toBe(200);
  const results: unknown = JSON.parse(await keep("reply", reply));
  for (const content of importsOf(join(site.data_dir, "master.key"))) {
    const put = await fetch(`${functions}/backend-functions/import`, {
      method: "PUT",
      headers: { api_key: attacker.api_key, "content-type": "application/json" },
      body: JSON.stringify({ entry: "entry.ts", files: [{ path: "entry.ts", content }] }),
    });
    await keep("deployment", put);
    if (put.ok) await keep("import", await fetch(`${functions}/functions/import`, { method: "POST" }));
  }
  await logged(stage);
  const logs = await holdfast(["logs", "--app", attacker.app_id, "--data-dir", site.data_dir, "--limit", "500"], {
    home: site.home,
  });
  expect(logs.exit_code).toBe(0);
  places.push({ name: "holdfast logs", bytes: Buffer.from(logs.stdout + logs.stderr) });
  places.push({ name: "log", bytes: Buffer.from(server.output.stderr) });
  // The first line is the document with the setup link, printed before any function ran.
  places.push({ name: "stdout", bytes: Buffer.from(server.output.stdout) });
  return { places, results: Array.isArray(results) ? results.length : 0 };
}

/** Waits until the attacker's last output so far is stored. */
async function logged({ site, attacker }: Stage): Promise<void> {
  await deployFunction(site, attacker, "last", `console.log("last"); Deno.serve(() => new Response("ok"));`);
  await fetch(`${site.server_url}/api/apps/${attacker.app_id}/functions/last`, { method: "POST" });
  const path = `/api/management/apps/${attacker.app_id}/logs`;
  await expect
    .poll(async () => JSON.stringify((await asBuilder(site, attacker, "GET", path)).value), { timeout: 10_000 })
    .toContain(`"last"`);
}

it("no function and no deployment reads a secret of the server, of another app or of the host", async () => {
  const stage = await prepare("bubblewrap");
  for (const [kind, values] of Object.entries(stage.secrets))
    expect([kind, [...values].join("")]).not.toEqual([kind, ""]);
  const { places, results } = await attack(stage, targetsOf(stage));
  // Each attempt was made.
  expect(results).toBeGreaterThan(1_000);
  expect(findLeaks(places, stage.secrets)).toEqual([]);
});

it("without a sandbox the same search finds the master key and a file of the host", { tags: "all" }, async () => {
  const stage = await prepare("none");
  const { places } = await attack(stage, [join(stage.site.data_dir, "master.key"), stage.open_file]);
  const found = findLeaks(places, stage.secrets).filter(({ place }) => place === "reply");
  expect(found).toContainEqual({ place: "reply", kind: "master_key", form: "plain" });
  expect(found).toContainEqual({ place: "reply", kind: "host_file", form: "plain" });
});
