/**
 * Starts a real server for tests: startServer of app.ts over a temporary data directory, with a
 * real simulator as the gateway. Both use one clock that tests move by hand.
 *
 *     const holdfast = await startTestServer();
 *     await holdfast.setClient("googlecalendar", ["500-then-ok"]);
 *     await holdfast.connect("googlecalendar");
 *     await holdfast.clock.jump(2 * HOUR);
 *     expect((await holdfast.token("googlecalendar")).status).toBe(200);
 *     expect(holdfast.refreshes()).toHaveLength(2);
 *
 * Sweeper and scheduler do not run by themselves: `holdfast.server.sweeper.tick()` runs it once.
 * Everything is closed and deleted when the test ends.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import {
  clientSecretOf,
  simulatedClientId,
  startSimulator,
  type Consent,
  type LedgerRequest,
  type Simulator,
} from "@holdfast/simulator";
import { onTestFinished } from "vitest";
import { startServer, type Server } from "../../src/app.ts";
import { loadConfig, type Config } from "../../src/config.ts";
import { LIMITS, type Limits } from "../../src/core/limits.ts";
import { CodedError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { newId, newUserId, newWorkspaceId } from "../../src/core/ids.ts";
import type { Role } from "../../src/core/roles.ts";
import type { AppId, UserId, WorkspaceId } from "../../src/core/types.ts";
import type { Installation } from "../../src/installation.ts";
import type { CreatedApp } from "../../src/service/apps/apps.ts";
import { createCatalog } from "../../src/providers/index.ts";
import type { Provider } from "../../src/providers/provider.ts";
import type { Store } from "../../src/store/store.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createBrowser, fieldsOf, textOf, type Browser } from "./browser.ts";
import { manualClock, MINUTE, simulatorTime, type ManualClock } from "./clock.ts";
import { freePort } from "./port.ts";
import { TEST_UIDS } from "./uids.ts";
import { asObject, readReply, type Json, type Reply } from "./http.ts";

export interface TestServerOptions {
  /** Default: a new manualClock(). The simulator uses it too. */
  readonly clock?: ManualClock;
  /** Replace values of LIMITS. By default the sweeper never runs and the spill file is small. */
  readonly limits?: Partial<Limits>;
  /** A running simulator, which the test closes itself. Default: a new one. */
  readonly simulator?: Simulator;
  /** Providers besides the built-in ones. */
  readonly providers?: readonly Provider[];
  /** Default: a new directory, which is deleted at the end. A given one is kept. */
  readonly data_dir?: string;
  /** An app that exists in the data directory. Default: a new one, named `test`. */
  readonly app?: TestApp;
  /** A folder of functions, served to the app. Default: none. */
  readonly functions_dir?: string;
  /** Default `http://localhost:<port>`. */
  readonly public_url?: string;
  readonly config?: Partial<Config>;
  /** Returns 0..1, for jitter. Default: always 0.5. */
  readonly random?: () => number;
}

/** The account that owns the default workspace and created the app. It has no password. */
export interface TestBuilder {
  readonly user_id: UserId;
  readonly workspace_id: WorkspaceId;
  readonly email: string;
}

export interface TestApp {
  readonly app_id: AppId;
  readonly service_token: string;
  readonly api_key: string;
}

export interface ConnectOptions extends Consent {
  readonly app?: TestApp;
  readonly browser?: Browser;
  readonly declared?: readonly string[];
  /** Values to type into the confirm page, by field name. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent unchanged. */
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

export interface TestServer {
  readonly server: Server;
  readonly installation: Installation;
  readonly config: Config;
  readonly simulator: Simulator;
  readonly clock: ManualClock;
  /** Every log line so far, parsed, at level debug. */
  readonly log: readonly Json[];
  readonly builder: TestBuilder;
  /** An app of the builder with its credentials, from `apps.create`. */
  readonly app: TestApp;
  /**
   * The address that the server listens on, http://127.0.0.1:PORT. config.public_url names
   * `localhost`.
   */
  readonly url: string;

  createApp(name: string): Promise<TestApp>;
  /** Registers a simulated OAuth client with these modes for a service. Returns its client id. */
  setClient(integration_type: string, modes?: readonly string[], label?: string): Promise<string>;
  /** Returns a browser without cookies. */
  browser(): Browser;
  /** Returns a browser that is signed in as the builder, or as another user. */
  signedIn(user_id?: UserId): Promise<Browser>;
  /** Sends PUT external-auth/integrations/:type with the app's API key. */
  initiate(integration_type: string, body?: unknown, app?: TestApp): Promise<Reply>;
  /** Runs a whole consent. Registers a well-behaved OAuth client if there is none. */
  connect(integration_type: string, options?: ConnectOptions): Promise<void>;
  /** Sends GET external-auth/tokens/:type. `rejected` is an access token that the API rejected. */
  token(integration_type: string, options?: { app?: TestApp; rejected?: string }): Promise<Reply>;
  /**
   * Returns the access token.
   *
   * @throws Error unless the status is 200
   */
  accessToken(integration_type: string, app?: TestApp): Promise<string>;
  request(method: string, path: string, options?: RequestOptions): Promise<Reply>;
  /** Sends a request with the app's API key. */
  manage(method: string, path: string, options?: RequestOptions): Promise<Reply>;
  /**
   * Returns the stored row.
   *
   * @throws Error if there is none
   */
  row(integration_type: string, app?: TestApp): Promise<ConnectionRow>;
  /** Returns the refresh requests at the simulator, for one host or all. */
  refreshes(host?: string): readonly LedgerRequest[];
  /** Returns the types of the app's events in the outbox, oldest first. */
  events(app?: TestApp): Promise<readonly string[]>;
  /** Closes the server and opens it again over the same data, simulator and clock. */
  restart(change?: TestServerOptions): Promise<TestServer>;
  /** Closes server and simulator. The end of the test does it too. */
  close(): Promise<void>;
}

const NEVER_MS = 1e13;
/** How long closing can take in real time before the clock is moved to speed it up. */
const CLOSE_PATIENCE_MS = 500;

/** Starts a server for the running test. `openTestServer` starts one that a file shares. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const opened = await openTestServer(options);
  onTestFinished(() => opened.close());
  return opened;
}

/** Starts a server, as startTestServer does, for beforeAll. The caller closes it. */
export async function openTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const clock = options.clock ?? manualClock();
  const simulator = options.simulator ?? (await startSimulator(simulatorTime(clock)));
  const data_dir = options.data_dir ?? mkdtempSync(join(tmpdir(), "holdfast-test-"));
  const ground = { ...options, clock, simulator, data_dir };
  const opened = await openOver(ground);
  return {
    ...opened,
    async close() {
      await opened.close();
      if (options.simulator === undefined) await simulator.close();
      if (options.data_dir === undefined) rmSync(data_dir, { recursive: true, force: true });
    },
  };
}

type Ground = TestServerOptions & Required<Pick<TestServerOptions, "clock" | "simulator" | "data_dir">>;

async function openOver(ground: Ground): Promise<TestServer> {
  const { clock, simulator } = ground;
  const log: Json[] = [];
  const { server, config } = await listenOnFreePort(ground, log);
  const { installation, url } = server;
  let current: TestServer | null = null;
  let closing: Promise<void> | null = null;
  const builder = await builderOf(installation);
  const app = ground.app ?? (await newApp(installation, "test"));
  if (ground.functions_dir !== undefined) installation.functions.useDirectory(app.app_id, ground.functions_dir);

  async function closeServer(): Promise<void> {
    const state = { closed: false };
    const done = server.close().finally(() => (state.closed = true));
    const deadline = performance.now() + CLOSE_PATIENCE_MS;
    while (!state.closed) {
      await turn();
      // A refresh in flight waits for the clock. A test that ends during one must not hang.
      if (performance.now() > deadline) await clock.jump(MINUTE);
    }
    await done;
  }

  const request: TestServer["request"] = async (method, path, { headers = {}, json, body } = {}) => {
    const content = json === undefined ? body : JSON.stringify(json);
    const type = json === undefined ? {} : { "content-type": "application/json" };
    return readReply(
      await fetch(`${url}${path}`, {
        method,
        redirect: "manual",
        headers: { ...type, ...headers },
        ...(content === undefined ? {} : { body: content }),
      }),
    );
  };
  const browser = (): Browser => createBrowser(config.public_url, url);

  const self: TestServer = {
    server,
    installation,
    config,
    simulator,
    clock,
    log,
    builder,
    app,
    url,
    request,
    browser,
    createApp: (name) => newApp(installation, name),
    async setClient(integration_type, modes = [], label) {
      const client_id = simulatedClientId(modes, label);
      await installation.clients.set({
        integration_type,
        client_id,
        client_secret: new Secret(clientSecretOf(client_id)),
        shared_callback: false,
      });
      return client_id;
    },
    async signedIn(user_id = builder.user_id) {
      const person = browser();
      await person.signIn(await installation.accounts.createSetupLink(user_id));
      return person;
    },
    initiate: (integration_type, body = { scopes: [] }, owner = app) =>
      request("PUT", `/api/apps/${owner.app_id}/external-auth/integrations/${integration_type}`, {
        headers: { api_key: owner.api_key },
        json: body,
      }),
    async connect(
      integration_type,
      { app: owner = app, browser: given, declared = [], config: typed = {}, ...consent } = {},
    ) {
      if ((await installation.store.installationClient(integration_type)) === null)
        await self.setClient(integration_type);
      const page = `/apps/${owner.app_id}/connect/${integration_type}`;
      const person = given ?? (await self.signedIn());
      const connect_url =
        declared.length > 0
          ? String((await self.initiate(integration_type, { scopes: declared }, owner)).json["redirect_url"])
          : await pressConnect(person, page);
      const fields = Object.fromEntries(Object.entries(typed).map(([name, value]) => [`config.${name}`, value]));
      const shown = await person.consent(connect_url, consent, fields);
      const result = textOf(shown.text).includes("This is a different account") ? await agree(person, shown) : shown;
      if (!textOf(result.text).includes("is connected"))
        throw new Error(`The consent ended with ${result.status}: ${textOf(result.text)}`);
    },
    token: (integration_type, { app: owner = app, rejected } = {}) =>
      request("GET", `/api/apps/${owner.app_id}/external-auth/tokens/${integration_type}`, {
        headers: {
          authorization: `Bearer ${owner.service_token}`,
          ...(rejected === undefined ? {} : { "x-holdfast-rejected-token-hash": sha256(rejected) }),
        },
      }),
    async accessToken(integration_type, owner = app) {
      const reply = await self.token(integration_type, { app: owner });
      const { access_token } = reply.json;
      if (reply.status !== 200 || typeof access_token !== "string")
        throw new Error(`getConnection returned ${reply.status}: ${reply.text}`);
      return access_token;
    },
    manage: (method, path, options = {}) =>
      request(method, path, { ...options, headers: { api_key: app.api_key, ...options.headers } }),
    async row(integration_type, owner = app) {
      const row = await installation.store.findConnection(owner.app_id, integration_type);
      if (row === null) throw new Error(`There is no connection for ${integration_type}.`);
      return row;
    },
    refreshes: (host) =>
      simulator.ledger().requests.filter((one) => one.kind === "refresh" && (host === undefined || one.host === host)),
    async events(owner = app) {
      const items = await installation.store.listOutbox(owner.app_id, "event");
      return items.map(({ payload }) => (typeof payload?.["type"] === "string" ? payload["type"] : ""));
    },
    async restart(change = {}) {
      await closeServer();
      closing = Promise.resolve();
      current = await openOver({ ...ground, ...change, app, clock, simulator, data_dir: ground.data_dir });
      return current;
    },
    async close() {
      await current?.close();
      closing ??= closeServer();
      await closing;
    },
  };
  return self;
}

/**
 * Finds or inserts the builder's rows. Signing up would hash a password, which takes longer than
 * most tests.
 */
async function builderOf({ store }: Installation): Promise<TestBuilder> {
  const workspace_id = await store.defaultWorkspace(newWorkspaceId(), "builder");
  const known = (await store.listMembers(workspace_id)).find((member) => member.role === "owner");
  const email = known?.email ?? "ada@example.com";
  const user_id = known?.user_id ?? (await addAccount(store, { name: "Ada", email, workspace_id, role: "owner" }));
  return { user_id, workspace_id, email };
}

/** Inserts an account without a password into a workspace. */
export async function addAccount(
  store: Store,
  { name, email, workspace_id, role }: { name: string; email: string; workspace_id: WorkspaceId; role: Role },
): Promise<UserId> {
  const user_id = newUserId();
  await store.transaction(async (tx) => {
    const user = { id: user_id, name, email, email_verified: 0, created_at: tx.now, updated_at: tx.now };
    await tx.db.insertInto("auth_user").values(user).execute();
    const member = { id: newId("mem"), workspace_id, user_id, role, created_at: tx.now };
    await tx.db.insertInto("auth_member").values(member).execute();
  });
  return user_id;
}

async function newApp(installation: Installation, name: string): Promise<TestApp> {
  return exposed(await installation.apps.create(name));
}

/** Returns a new app with its credentials as plain text. */
export function exposed({ app_id, service_token, api_key }: CreatedApp): TestApp {
  if (api_key === null) throw new Error("The workspace has no room for an API key.");
  return { app_id, service_token: service_token.expose(), api_key: api_key.expose() };
}

/**
 * Chooses a port first, since the public URL names it. Tries again if another test already uses it.
 */
async function listenOnFreePort(ground: Ground, log: Json[]): Promise<{ server: Server; config: Config }> {
  const { clock, simulator, providers, random = () => 0.5 } = ground;
  for (let tries = 1; ; tries += 1) {
    const config = configOf(ground, simulator.url, await freePort());
    try {
      const server = await startServer({
        config,
        clock,
        log: createLog("debug", (line) => void log.push(asObject(JSON.parse(line)))),
        random,
        ...(providers === undefined ? {} : { catalog: createCatalog(providers) }),
      });
      return { server, config };
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== "port_in_use" || tries === 5) throw error;
    }
  }
}

function configOf({ limits, data_dir, public_url, config }: Ground, gateway: string, port: number): Config {
  const loaded = loadConfig(
    {
      dataDir: data_dir,
      host: "127.0.0.1",
      port: String(port),
      publicUrl: public_url ?? `http://localhost:${port}`,
      providerGateway: gateway,
      logLevel: "debug",
    },
    {},
  );
  return {
    ...loaded,
    functions_uids: TEST_UIDS,
    // Time stands still in most tests, so the minute in which requests are counted never ends.
    limits: {
      ...LIMITS,
      ...UNCOUNTED,
      spill_bytes: 262_144,
      sweep_interval_ms: NEVER_MS,
      schedule_poll_ms: NEVER_MS,
      ...limits,
    },
    ...config,
  };
}

const UNCOUNTED = {
  requests_per_minute: NEVER_MS,
  lists_per_minute: NEVER_MS,
  status_polls_per_minute: NEVER_MS,
  disconnects_per_minute: NEVER_MS,
  oauth_requests_per_minute: NEVER_MS,
  failed_authentications_per_minute: NEVER_MS,
};

/** Presses the button of the reconnect page. Returns the connect link that it leads to. */
async function pressConnect(person: Browser, page: string): Promise<string> {
  const shown = await person.get(page);
  const form_token = /name="form_token" value="([^"]+)"/.exec(shown.text)?.[1] ?? "";
  const pressed = await person.post(page, { form_token });
  const location = pressed.headers.get("location");
  if (location === null) throw new Error(`The connect page returned ${pressed.status}: ${textOf(pressed.text)}`);
  return location;
}

/** Decides on the page for a different account. Returns the result page. */
export async function agree(person: Browser, shown: Reply, decision = "replace"): Promise<Reply> {
  const action = /<form method="post" action="([^"]+)"/.exec(shown.text)?.[1] ?? "";
  const pressed = await person.post(action, { ...fieldsOf(shown.text), decision });
  const location = pressed.headers.get("location");
  return location === null ? pressed : person.get(location);
}

/** Returns the secret of a service token or API key, without its prefix, id and checksum. */
export function secretPart(credential: string): string {
  const secret = /^[a-z0-9]+_[a-z0-9]{20}_(.{43})_[0-9a-f]{8}$/.exec(credential)?.[1];
  if (secret === undefined) throw new Error("This is not a credential.");
  return secret;
}

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
