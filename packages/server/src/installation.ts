/**
 * Opens an installation: keys, database and the services over them. The server and commands on the
 * server's machine both use it. Only the server adds the lock, recovery of refreshes, the sweeper
 * and HTTP (app.ts).
 *
 * The order protects data: the key is checked against the stored rows before the database is opened
 * for writing. So a wrong or missing key changes nothing.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "./config.ts";
import type { Clock } from "./core/clock.ts";
import { CodedError } from "./core/errors.ts";
import type { Bundler } from "./core/functions/functions.ts";
import { newId } from "./core/ids.ts";
import type { Secret } from "./core/secret.ts";
import { createOAuthProtocol } from "./oauth/protocol.ts";
import type { HttpClient } from "./net/outbound.ts";
import { createBundler } from "./runner/bundler/bundler.ts";
import { isOwnAddress, resolveHost } from "./runner/egress/resolve.ts";
import type { Rules } from "./runner/egress/target.ts";
import { shareSandbox, type SharedSandbox } from "./runner/sandbox/shared.ts";
import type { Sandbox } from "./runner/sandbox/types.ts";
import { openCatalog } from "./providers/open.ts";
import type { Catalog } from "./providers/index.ts";
import { INSTALLATION } from "./service/grants/clients.ts";
import type { Ground } from "./service/ground.ts";
import { openSpill, type Spill } from "./service/refresh/spill.ts";
import { createServices, type Services } from "./service/services.ts";
import { createUrls } from "./service/urls.ts";
import { dataKeyStore } from "./store/data-keys.ts";
import type { Engine } from "./store/engine.ts";
import { DATABASE_FILE } from "./store/sqlite-driver.ts";
import { storedKeyIds } from "./store/sqlite-migrate.ts";
import { openSqlite } from "./store/sqlite.ts";
import { createStore, type Store } from "./store/store.ts";
import type { Log } from "./telemetry/log.ts";
import { checkKeyring, loadKeyring, type Keyring } from "./vault/keyring.ts";
import { createVault, sealedFromStorage, type SealContext, type Vault } from "./vault/seal.ts";

export interface InstallationOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
  /** Default: the built-in providers, and those of the configured directory. */
  readonly catalog?: Catalog;
  /** PEM of the only certificate authority to trust for providers. Default: the system's. */
  readonly ca?: string;
  /** Runs between the check of the keys and the first write. The server acquires its lock here. */
  readonly beforeOpen?: () => void;
}

export interface Installation extends Omit<Ground, "keyring">, Services {
  readonly config: Config;
  readonly keyring: Keyring;
  /** Runs untrusted code. */
  readonly sandbox: SharedSandbox;
  /** Where functions can connect, and their imports. */
  readonly egress: Rules;
  close(): Promise<void>;
}

const PUBLIC_URL_SETTING = "public_url";

/**
 * @throws CodedError `missing_master_key`, `wrong_master_key`, `schema_too_new`,
 *   `database_unavailable`
 */
export async function openInstallation(options: InstallationOptions, mode: "serve" | "command"): Promise<Installation> {
  const { config } = options;
  // Before everything else: a broken provider file must leave nothing behind.
  const catalog = options.catalog ?? (await openCatalog(config));
  const keyring = await openKeys(options, mode);
  options.beforeOpen?.();
  // New at every start, so that a crashed process's leases do not look like ours.
  const owner = newId("node");
  const engine = await openEngine(options, mode === "serve" ? owner : null);
  const store = createStore(engine);
  const { clock } = engine;
  const vault = await createVault({ keyring, data_keys: dataKeyStore(store), clock });
  const spill = mode === "serve" ? await openServerSpill(config, clock, vault) : NO_SPILL;
  const urls = createUrls(await publicUrl(config, store, mode));
  const { limits, provider_gateway: gateway, audit_release, default_plan, events_wanted, issuer_loopback } = config;
  const { functions_isolation, functions_url } = config;
  const { log, random = Math.random } = options;
  const httpClient = mode === "serve" ? await openHttpClient({ ...options, clock }) : NO_HTTP_CLIENT;
  const oauth = createOAuthProtocol({ httpClient, clock, limits });
  const issuerHttp = issuerClient({ ...options, clock });
  const egress = egressOf(config);
  const sandbox = shareSandbox(() => openFunctionSandbox(config, clock, log));
  const clients = { oauth, issuerHttp, bundler: bundlerOf(config, { clock, log, sandbox, egress }) };
  const settings = {
    limits,
    gateway,
    audit_release,
    default_plan,
    events_wanted,
    issuer_loopback,
    functions_isolation,
    functions_url,
  };
  const ground = { store, vault, keyring, catalog, urls, clock, log, random, owner, ...clients, ...settings };
  const services = createServices(ground, spill);
  const closeAll = async (): Promise<void> => {
    await sandbox.close();
    await close(services, spill, store);
  };
  return { config, sandbox, egress, ...ground, ...services, close: closeAll };
}

async function close({ audit, credentials, functionLogs }: Services, spill: Spill, store: Store): Promise<void> {
  await functionLogs.flush();
  await audit.close();
  await credentials.flush();
  await spill.close();
  await store.close();
}

async function openEngine({ config, clock, log }: InstallationOptions, owner: string | null): Promise<Engine> {
  const { data_dir, database_url, limits } = config;
  if (database_url === null) return openSqlite({ data_dir, clock, limits });
  const { openPostgres } = await import("./store/postgres.ts");
  return openPostgres({
    database_url,
    clock,
    limits,
    owner,
    warn: (error) => log.warn("database_connection", { error }),
  });
}

async function openKeys(options: InstallationOptions, mode: "serve" | "command"): Promise<Keyring> {
  const { config } = options;
  const { data_dir, database_url, master_key } = config;
  const on_server = database_url === null ? null : await keyIdsOnServer(database_url, options);
  const has_data = database_url === null ? existsSync(join(data_dir, DATABASE_FILE)) : on_server !== null;
  if (!has_data && mode === "command") throw noData(config);
  // With PostgreSQL the directory still holds the spill file.
  if (mode === "serve") mkdirSync(data_dir, { recursive: true, mode: 0o700 });
  const keyring = loadKeyring({ data_dir, master_key, has_data });
  checkKeyring(keyring, database_url === null ? storedKeyIds(data_dir) : (on_server ?? []));
  return keyring;
}

/** Loads `pg` on demand. SQLite, the default, does not need it. */
async function keyIdsOnServer(
  database_url: Secret,
  { config, clock }: InstallationOptions,
): Promise<readonly string[] | null> {
  const { postgresKeyIds } = await import("./store/postgres-migrate.ts");
  return postgresKeyIds({ database_url, clock, limits: config.limits });
}

function noData({ data_dir, database_url }: Config): CodedError {
  return new CodedError("not_found", {
    message:
      database_url === null
        ? `There is no Holdfast data in ${data_dir}. Start the server first (holdfast serve), or name its directory: --data-dir DIRECTORY.`
        : "There is no Holdfast data in this database. Start the server first (holdfast serve), or correct HOLDFAST_DATABASE_URL.",
  });
}

/**
 * Returns the public URL. The server stores it, so that commands on its machine use the same one.
 */
async function publicUrl(config: Config, store: Store, mode: "serve" | "command"): Promise<string> {
  if (mode === "command") return (await store.getSetting(PUBLIC_URL_SETTING)) ?? config.public_url;
  await store.putSetting(PUBLIC_URL_SETTING, config.public_url);
  return config.public_url;
}

function openServerSpill(config: Config, clock: Clock, vault: Vault): Promise<Spill> {
  const context = (id: string): SealContext => ({
    table: "spill",
    column: "payload",
    scope: INSTALLATION,
    row_id: id,
    generation: 0,
  });
  return openSpill({
    path: join(config.data_dir, "spill.bin"),
    limits: config.limits,
    clock,
    seal: (id: string, plaintext: Secret) => vault.seal(context(id), plaintext),
    open: (id: string, bytes: Uint8Array) => vault.open(context(id), sealedFromStorage(bytes)),
  });
}

/** Loads undici on demand. Commands do not need it. */
async function openHttpClient({ config, clock, ca }: InstallationOptions): Promise<HttpClient> {
  const { createHttpClient } = await import("./net/http-client.ts");
  const { limits, provider_gateway: gateway } = config;
  return createHttpClient({ gateway, limits, clock, ...(ca === undefined ? {} : { ca }) });
}

/** Opens on the first request. Most commands send none, and would wait for undici. */
function issuerClient(options: InstallationOptions): HttpClient {
  let client: Promise<HttpClient> | null = null;
  return { send: async (request) => await (await (client ??= openIssuerClient(options))).send(request) };
}

/** Builders set the URLs of issuers, so this client reaches only global addresses. */
async function openIssuerClient({ config, clock, ca }: InstallationOptions): Promise<HttpClient> {
  const { createHttpClient } = await import("./net/http-client.ts");
  const { issuer_loopback: plain_loopback } = config;
  const limits = { ...config.limits, provider_response_bytes: config.limits.issuer_response_bytes };
  const rules = { global_only: true, plain_loopback };
  return createHttpClient({ gateway: null, ...rules, limits, clock, ...(ca === undefined ? {} : { ca }) });
}

/** Loads the sandbox on demand. Most commands do not need it. */
async function openFunctionSandbox(config: Config, clock: Clock, log: Log): Promise<Sandbox> {
  const [{ openSandbox }, { findDeno }] = await Promise.all([
    import("./runner/sandbox/open.ts"),
    import("./runner/deno.ts"),
  ]);
  const { limits, functions_isolation: isolation, functions_uids: uids, functions_authorities: authorities } = config;
  const { function_poll_ms: poll_ms, function_start_timeout_ms: start_timeout_ms } = limits;
  const limited = { uids, poll_ms, start_timeout_ms, clock };
  const sandbox = await openSandbox({ isolation, deno: findDeno(), authorities, ...limited });
  if (isolation === "none") log.warn("functions_not_isolated");
  return sandbox;
}

function egressOf({ functions_egress_allow: allowed, functions_egress_proxy: upstream }: Config): Rules {
  return { resolve: resolveHost, isOwn: isOwnAddress, allowed, ...(upstream === null ? {} : { upstream }) };
}

type BundlerParts = Pick<Installation, "clock" | "log" | "sandbox" | "egress">;

function bundlerOf({ limits, functions_registries: registries }: Config, parts: BundlerParts): Bundler {
  const { clock, log, sandbox, egress } = parts;
  return createBundler({
    sandbox,
    registries,
    egress,
    limits,
    clock,
    onFailure: ({ output, ...failure }) => log.error("function_bundler_failed", { ...failure, line: output }),
  });
}

/** Commands never call a provider. The running server does that, from the outbox. */
const NO_HTTP_CLIENT: HttpClient = {
  send: () => Promise.reject(new CodedError("internal", { message: "Only the server calls providers." })),
};

/** Commands never refresh, so they have nothing to spill. */
const NO_SPILL: Spill = {
  append: () => Promise.reject(new CodedError("internal", { message: "Only the server refreshes tokens." })),
  committed: () => Promise.resolve(),
  pending: () => Promise.resolve([]),
  repairable: () => Promise.resolve([]),
  latest: () => Promise.resolve(null),
  unreadable: 0,
  close: () => Promise.resolve(),
};
