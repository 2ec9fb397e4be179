/**
 * Sends known secrets through every flow, at log level debug, then searches everything the server
 * leaves behind for them. They are allowed only in the replies that exist to carry them.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { approveConsent, type Simulator } from "@holdfast/simulator";
import { expect, it, onTestFinished, vi } from "vitest";
import { sha256Hex } from "../packages/server/src/core/secret.ts";
import { descendantsOf } from "../packages/server/test/support/processes.ts";
import { holdfast, type Running } from "./support/holdfast.ts";
import { FORMS, filesOf, findLeaks, type Leak, type Place, type Secrets } from "./support/leaks.ts";
import { startRecordingGateway } from "./support/recording-gateway.ts";
import {
  asBuilder,
  createApp,
  deployFunction,
  getConnection,
  initiate,
  prepareSite,
  signIn,
  startSimulated,
  type App,
  type Site,
} from "./support/server.ts";

const FUNCTION = fileURLToPath(new URL("../examples/functions/post-to-slack/entry.ts", import.meta.url));
const CLIENTS: Readonly<Record<string, string>> = {
  slack: "sim-rotate.canary",
  notion: "sim-ok.canary",
  googlecalendar: "sim-ok.canary-2",
  salesforce: "sim-echo.canary",
  github: "sim-rotate.canary-2",
};

it("leaves no secret in logs, errors, files or process lists, and the search would find each one", async () => {
  const simulator = await startSimulated();
  const gateway = await startRecordingGateway(simulator.url);
  const site = await prepareSite(gateway.url);
  const replies = recordReplies(site.server_url);
  const server = await site.start({
    HOLDFAST_LOG_LEVEL: "debug",
    HOLDFAST_FORCED_REFRESH_INTERVAL_MS: "1",
    HOLDFAST_SWEEP_INTERVAL_MS: "200",
  });
  const app = await createApp(site);
  await deployFunction(site, app, "post-to-slack", readFileSync(FUNCTION, "utf8"));
  const client_secrets = registerClients(simulator);

  const { wrong_secret, session_cookies } = await runAllFlows(site, app, server, simulator, client_secrets);
  const processes = processesOf(server.pid);
  // Killed, so the WAL and the spill stay as they are.
  server.signal("SIGKILL");
  await server.ended();

  const secrets = {
    ...Object.fromEntries(gateway.seen),
    client_secret: new Set([...(gateway.seen.get("client_secret") ?? []), ...client_secrets.values(), wrong_secret]),
    service_token: [app.service_token],
    api_key: [app.api_key],
    setup_token: replies.setup_tokens,
    cookie: session_cookies(replies),
    master_key: keysIn(join(site.data_dir, "master.key")),
  } satisfies Secrets;
  for (const [kind, values] of Object.entries(secrets)) expect([kind, [...values].length > 0]).toEqual([kind, true]);

  const places: readonly Place[] = [
    { name: "log", bytes: Buffer.from(server.output.stderr) },
    { name: "stdout", bytes: Buffer.from(server.output.stdout) },
    ...replies.places,
    ...filesOf(site.home),
    ...processes,
  ];
  expectComplete(places, app);
  const found = findLeaks(places, secrets);
  expect(found.filter((leak) => !isIntended(leak))).toEqual([]);
  // Each exception is still used: a stale one could hide a leak.
  expect(
    INTENDED.filter(([place, kind]) => !found.some((leak) => leak.kind === kind && place.test(leak.place))),
  ).toEqual([]);

  expectSearchFinds(places, secrets);
});

/**
 * Plants each kind of secret, in each form, in each kind of place, and expects the search to find
 * it.
 */
function expectSearchFinds(places: readonly Place[], secrets: Secrets): void {
  const kinds_of_places = new Map(
    places.map((place) => [place.name.replace(/^(\w+ )\/.*? (\d)\d\d$/, "$1$2xx"), place]),
  );
  for (const place of kinds_of_places.values()) {
    for (const [kind, values] of Object.entries(secrets)) {
      const [value = ""] = values;
      for (const [form, encode] of Object.entries(FORMS)) {
        const planted = Buffer.concat([place.bytes.subarray(0, 100_000), Buffer.from(`"${encode(value)[0]}"`)]);
        expect(findLeaks([{ name: place.name, bytes: planted }], { [kind]: [value] })).toContainEqual({
          place: place.name,
          kind,
          form,
        });
      }
    }
  }
}

/** The replies whose purpose is to return a secret, and the location of the key itself. */
const INTENDED: readonly (readonly [RegExp, string])[] = [
  [/^GET \/api\/apps\/\w+\/external-auth\/tokens\/\w+ 200$/, "access_token"],
  // The request to the provider carries the state by definition.
  [/^GET \/connect\/\w+\/go 200$/, "state"],
  // The page sets the cookie that its form is bound to, and the form sets the session's.
  [/^GET \/setup\/:token 200$/, "cookie"],
  [/^POST \/setup\/:token 303$/, "cookie"],
  [/^POST \/connect\/\w+ 303$/, "cookie"],
  [/^stdout$/, "setup_token"],
  [/^file master\.key$/, "master_key"],
];

const isIntended = ({ place, kind }: Leak): boolean =>
  INTENDED.some(([pattern, allowed]) => kind === allowed && pattern.test(place));

function registerClients(simulator: Simulator): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(CLIENTS).map(([service, client_id]) => {
      // Characters that change in every encoding, so that the forms differ.
      const client_secret = `canary/${service}+${randomBytes(18).toString("hex")}=`;
      simulator.registerClient({ client_id, client_secret });
      return [service, client_secret];
    }),
  );
}

async function runAllFlows(
  site: Site,
  app: App,
  server: Running,
  simulator: Simulator,
  client_secrets: ReadonlyMap<string, string>,
): Promise<{ wrong_secret: string; session_cookies: (replies: RecordedReplies) => Iterable<string> }> {
  const put = (service: string, body: unknown): Promise<Response> =>
    fetch(`${site.server_url}/api/management/clients/${service}`, {
      method: "PUT",
      headers: { api_key: app.api_key, "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  const set = (service: string, client_secret: string | undefined): Promise<Response> =>
    put(service, { client_id: CLIENTS[service], client_secret });
  const builder = await signIn(site, server.ready.text("setup_url"));
  const connect = async (service: string, decision: "approve" | "deny" = "approve"): Promise<void> =>
    builder.connect(await initiate(site, app, service), (url) => approveConsent(url, { decision }));

  for (const service of ["slack", "notion", "googlecalendar", "salesforce"]) {
    await set(service, client_secrets.get(service));
    await connect(service);
    const { access_token } = await getConnection(site, app, service);
    await getConnection(site, app, service, sha256Hex(access_token ?? ""));
    await getConnection(site, app, service);
  }
  expect(simulator.ledger().requests.flatMap(({ faults }) => faults)).toContain("echo");

  await holdfast(
    [
      "clients",
      "set",
      "github",
      "--client-id",
      CLIENTS["github"] ?? "",
      "--client-secret-stdin",
      "--data-dir",
      site.data_dir,
    ],
    { home: site.home, stdin: client_secrets.get("github") ?? "", env: { HOLDFAST_LOG_LEVEL: "debug" } },
  );
  await connect("github", "deny");
  const wrong_secret = `canary/wrong+${randomBytes(18).toString("hex")}=`;
  await set("github", wrong_secret);
  await expect(connect("github")).rejects.toThrow("returned status 502");

  await sendMisplacedSecrets(site, app, client_secrets.get("slack") ?? "", put);

  const function_reply = await fetch(`${site.server_url}/api/apps/${app.app_id}/functions/post-to-slack`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${app.service_token}` },
    body: JSON.stringify({ text: "Hello" }),
  });
  expect(await function_reply.json()).toMatchObject({ ok: true });

  await asBuilder(site, app, "DELETE", `/api/apps/${app.app_id}/external-auth/integrations/slack`);
  await asBuilder(site, app, "DELETE", `/api/apps/${app.app_id}/external-auth/integrations/notion/remove`);
  const revocations = (): readonly string[] =>
    simulator.ledger().requests.flatMap(({ kind, outcome }) => (kind === "revoke" ? [outcome] : []));
  await vi.waitFor(() => expect(revocations()).toEqual(["ok", "ok"]), 5_000);
  // The audit trail and the times of last use are written after the replies.
  await delay(1_000);
  return { wrong_secret, session_cookies: ({ cookies }) => cookies };
}

/**
 * Sends secrets in bodies and addresses where they do not belong. The server refuses all of them.
 */
async function sendMisplacedSecrets(
  site: Site,
  app: App,
  secret: string,
  put: (service: string, body: unknown) => Promise<Response>,
): Promise<void> {
  const tokens_url = `${site.server_url}/api/apps/${app.app_id}/external-auth/tokens/slack`;
  const refused = await Promise.all([
    put("slack", { client_id: "x", client_secret: [secret] }),
    put("slack", { client_id: secret, client_secret: secret, [secret.slice(0, 20)]: secret, extra: secret }),
    put("slack", `{"client_secret": "${secret}"`),
    fetch(`${tokens_url}?access_token=${app.service_token}`),
    fetch(tokens_url, { headers: { authorization: `Basic ${app.service_token}` } }),
    fetch(`${site.server_url}/api/management/apps`, { headers: { api_key: `${app.api_key}x` } }),
    fetch(
      `${site.server_url}/api/external-auth/callback/slack?state=${secret}&code=${secret}&error_description=${secret}`,
    ),
    fetch(`${site.server_url}/setup/${"A".repeat(43)}`, { headers: { accept: "text/html" } }),
  ]);
  expect(refused.map(({ status }) => status)).toEqual([400, 400, 400, 401, 401, 401, 400, 400]);
}

interface RecordedReplies {
  readonly places: readonly Place[];
  readonly cookies: ReadonlySet<string>;
  readonly setup_tokens: ReadonlySet<string>;
}

/**
 * Records every reply of the server to this process: headers and body. Paths lose the setup token.
 */
function recordReplies(server_url: string): RecordedReplies {
  const places: Place[] = [];
  const cookies = new Set<string>();
  const setup_tokens = new Set<string>();
  const real = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const reply = await real(input, init);
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== server_url) return reply;
    const [, setup_token] = /^\/setup\/([\w-]+)$/.exec(url.pathname) ?? [];
    if (setup_token !== undefined && reply.ok) setup_tokens.add(setup_token);
    for (const cookie of reply.headers.getSetCookie()) cookies.add(/=([^;]{20,})/.exec(cookie)?.[1] ?? "");
    const path = setup_token === undefined ? url.pathname : "/setup/:token";
    const headers = [...reply.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const body = await reply.clone().text();
    places.push({
      name: `${init?.method ?? "GET"} ${path} ${reply.status}`,
      bytes: Buffer.from(`${headers}\n\n${body}`),
    });
    return reply;
  };
  onTestFinished(() => void (globalThis.fetch = real));
  return { places, cookies, setup_tokens };
}

/** Returns what `ps` shows of the server and its functions. Only Linux has it as files. */
function processesOf(pid: number): readonly Place[] {
  if (process.platform !== "linux") return [];
  return [pid, ...descendantsOf(pid)].flatMap((one) =>
    ["cmdline", "environ"].map((file) => ({
      name: `process ${file}`,
      bytes: readFileSync(`/proc/${one}/${file}`),
    })),
  );
}

/** Returns each key as the file has it, and its bytes as hex. */
const keysIn = (path: string): readonly string[] =>
  readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => line.split(" ").slice(1))
    .flatMap((key) => [key, Buffer.from(key, "base64").toString("hex")]);

/** Checks that the collected places are real: a search of nothing finds nothing. */
function expectComplete(places: readonly Place[], { app_id }: App): void {
  const bytesOf = (name: string): Buffer => places.find((place) => place.name === name)?.bytes ?? Buffer.alloc(0);
  expect(Buffer.concat([bytesOf("file holdfast.db"), bytesOf("file holdfast.db-wal")]).includes(app_id)).toBe(true);
  // Its length proves nothing, because a deletion empties it.
  expect(places.map(({ name }) => name)).toContain("file holdfast.db-wal");
  expect(bytesOf("file spill.bin").some((byte) => byte !== 0)).toBe(true);
  expect(bytesOf("log").toString()).toMatch(/"level":"debug"[^\n]*"event":"request"/);
  expect(places.filter(({ name }) => /^\w+ \/.* [45]\d\d$/.test(name)).length).toBeGreaterThan(8);
  // The server's own process and the function's.
  const cmdlines = places.filter(({ name }) => name === "process cmdline").length;
  expect(cmdlines > 1 || process.platform !== "linux").toBe(true);
}
