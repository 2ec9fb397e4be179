/**
 * The server: an installation under its lock, with recovery, sweeper, function runner, webhooks and
 * HTTP. The composition root: starts the parts in order and closes them in reverse. Must hold no
 * rules of its own.
 */
import type { AddressInfo } from "node:net";
import type { Config } from "./config.ts";
import { every } from "./core/clock.ts";
import { errnoOf } from "./core/errno.ts";
import { CodedError } from "./core/errors.ts";
import { asAppId } from "./core/ids.ts";
import { appNamed } from "./core/names.ts";
import { acceptBridge } from "./http/bridge.ts";
import { listenOn } from "./http/listen.ts";
import { createHttpServer } from "./http/server.ts";
import { openInstallation, type Installation, type InstallationOptions } from "./installation.ts";
import { createHttpClient } from "./net/http-client.ts";
import { hostPatterns } from "./providers/hosts.ts";
import { callFunction } from "./runner/call.ts";
import { createFunctionRunner, type FunctionRunner, type FunctionRunnerOptions } from "./runner/functions.ts";
import type { Sandbox } from "./runner/sandbox/types.ts";
import type { FunctionLogRecord } from "./runner/types.ts";
import { recheck } from "./service/functions/recheck.ts";
import { createScheduler, type Scheduler } from "./service/functions/scheduler.ts";
import type { AppRow } from "./service/apps/apps.ts";
import type { Sweeper } from "./service/sweeper.ts";
import { createWebhooks, type Webhooks } from "./service/events/webhooks.ts";
import { lockDataDirectory } from "./store/sqlite-lock.ts";

export interface Server {
  readonly installation: Installation;
  readonly sweeper: Sweeper;
  readonly webhooks: Webhooks;
  readonly scheduler: Scheduler;
  /** The address that the server listens on. Behind a proxy this is not the public URL. */
  readonly url: string;
  /** Serves a listener's connections as calls from one function process. */
  readonly acceptBridge: FunctionRunnerOptions["acceptBridge"];
  /** Refuses new connections, waits for requests and refreshes in flight, closes everything. */
  close(): Promise<void>;
}

/** How often the times of last use are stored. */
const LAST_USED_EVERY_MS = 10_000;

type HttpServer = Awaited<ReturnType<typeof createHttpServer>>;

interface ServerParts extends OpenedInstallation {
  readonly webhooks: Webhooks;
  readonly scheduler: Scheduler;
  readonly functions: RunningFunctions;
  readonly http: HttpServer;
}

/** @throws CodedError `database_in_use`, `port_in_use`, and what openInstallation throws */
export async function startServer(options: InstallationOptions): Promise<Server> {
  const { config, log } = options;
  const opened = await openLocked(options);
  const { installation } = opened;
  const { refresher, sweeper } = installation;
  const webhooks = webhooksOf(installation);
  const bridge: Server["acceptBridge"] = (listener, process) => acceptBridge(http, listener, process, config.limits);
  const functions = runFunctions(installation, bridge);
  const http = await createHttpServer({
    ...installation,
    functionRunner: functions,
    ready: () => isReady(installation),
  });
  let url: string;
  try {
    await refuseSharedOrigin(installation);
    await refuseNeighborsWithoutIsolation(installation, await useFunctionsDirectory(installation));
    if (await hasFunctions(installation)) await functions.open();
    await refresher.recover();
    url = await listen(http, config);
  } catch (error) {
    await http.close();
    await functions.close();
    await opened.closeInstallation();
    throw error;
  }
  const scheduler = schedulerOf(installation, functions);
  const parts = { ...opened, webhooks, scheduler, functions, http };
  const stopLoops = startLoops(parts);
  log.info("listening", { url });
  if (config.provider_gateway !== null) log.warn("simulation", { url: config.provider_gateway });
  return {
    installation,
    sweeper,
    webhooks,
    scheduler,
    url,
    acceptBridge: bridge,
    close: () => close(parts, stopLoops),
  };
}

/** Starts the loops and returns the function that stops them. */
function startLoops({ installation, webhooks, scheduler, functions }: ServerParts): () => void {
  const { clock, sweeper, limits } = installation;
  sweeper.start();
  webhooks.start();
  scheduler.start();
  const unwatch = watchOtherProcesses(installation);
  const stopFlushing = every(clock, LAST_USED_EVERY_MS, () => flushLastUses(installation));
  const stopRechecking = every(
    clock,
    limits.function_recheck_ms,
    () => void recheck({ ...installation, ...functions }),
  );
  return () => {
    sweeper.stop();
    unwatch();
    stopFlushing();
    stopRechecking();
  };
}

/** An unreachable database loses these times. It must not stop the process. */
function flushLastUses({ credentials, log }: Installation): void {
  void credentials.flush().catch((error: unknown) => log.warn("last_used_not_written", { error }));
}

async function close(parts: ServerParts, stopLoops: () => void): Promise<void> {
  const { installation, webhooks, scheduler, functions, http } = parts;
  const { refresher, cache, limits, log } = installation;
  stopLoops();
  await Promise.all([http.close(), scheduler.stop()]);
  await functions.close();
  await refresher.drain(limits.shutdown_ms);
  await webhooks.close();
  cache.clear();
  await parts.closeInstallation();
  log.info("stopped");
}

interface OpenedInstallation {
  readonly installation: Installation;
  /** Closes the installation, then releases the lock. */
  readonly closeInstallation: () => Promise<void>;
}

/** Acquires the lock after the key check and before the first write. */
async function openLocked(options: InstallationOptions): Promise<OpenedInstallation> {
  let unlock = (): void => {};
  const installation = await openInstallation(
    { ...options, beforeOpen: () => (unlock = lockDataDirectory(options.config.data_dir)) },
    "serve",
  ).catch((error: unknown) => {
    unlock();
    throw error;
  });
  return {
    installation,
    closeInstallation: async () => {
      await installation.close();
      unlock();
    },
  };
}

/** Only the status of a receiver's response matters. */
const RECEIVER_RESPONSE_BYTES = 1_024;

function webhooksOf({ config, store, urls, clock, log, random }: Installation): Webhooks {
  const { limits, webhook, events_wanted } = config;
  const httpClient = createHttpClient({
    gateway: null,
    plain_loopback: true,
    limits: { ...limits, provider_response_bytes: RECEIVER_RESPONSE_BYTES },
    clock,
  });
  return createWebhooks({ store, httpClient, urls, webhook, events_wanted, clock, limits, log, random });
}

/**
 * Serves the configured directory of functions to its app.
 *
 * @throws CodedError `configuration` if the app does not exist, or its name is not unique
 */
async function useFunctionsDirectory({ config, apps, functions }: Installation): Promise<AppRow | null> {
  const { functions_directory } = config;
  if (functions_directory === null) return null;
  const { app: id_or_name, path, secrets } = functions_directory;
  const app = functionsApp(await apps.list(), id_or_name);
  functions.useDirectory(app.id, path, secrets);
  return app;
}

/** @throws CodedError `configuration` */
function functionsApp(apps: readonly AppRow[], id_or_name: string): AppRow {
  try {
    return appNamed(apps, id_or_name);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const advice =
      error.code === "not_found"
        ? " To create it, start the server without --functions, run holdfast apps create NAME, and start again."
        : "";
    throw new CodedError("configuration", { message: `--functions-app: ${error.message}${advice}`, cause: error });
  }
}

async function hasFunctions({ config, store }: Installation): Promise<boolean> {
  return config.functions_directory !== null || (await store.hasFunctions());
}

interface RunningFunctions extends FunctionRunner {
  /**
   * Opens the sandbox. Otherwise the first call of a function opens it.
   *
   * @throws CodedError `functions_isolation_unavailable`
   */
  open(): Promise<void>;
}

/** A server without functions needs no sandbox, and opens none. */
function runFunctions(installation: Installation, bridge: FunctionRunnerOptions["acceptBridge"]): RunningFunctions {
  let runner: FunctionRunner | null = null;
  const open = async (): Promise<FunctionRunner> => {
    const sandbox = await installation.sandbox.open();
    runner ??= functionRunner(installation, sandbox, bridge);
    return runner;
  };
  return {
    open: async () => void (await open()),
    invoke: async (request) => (await open()).invoke(request),
    // Sync, because the token must be hidden before its reply is sent.
    hide: (process_id, token) => runner?.hide(process_id, token),
    running: () => runner?.running() ?? [],
    stop: (owner, why) => runner?.stop(owner, why),
    close: async () => await runner?.close(),
  };
}

function functionRunner(
  installation: Installation,
  sandbox: Sandbox,
  bridge: FunctionRunnerOptions["acceptBridge"],
): FunctionRunner {
  const { config, catalog, clock, log, functionTokens } = installation;
  return createFunctionRunner({
    sandbox,
    acceptBridge: bridge,
    egress: installation.egress,
    public_url: config.public_url,
    gateway: config.provider_gateway,
    gateway_hosts: [...new Set(catalog.all().flatMap(hostPatterns))],
    limits: config.limits,
    clock,
    log: (record) => logOutput(installation, record),
    onFailure: (error) => log.error("function_process_not_started", { error }),
    issueToken: functionTokens.mint,
    endInvocation: (invocation_id) => functionTokens.end(invocation_id),
  });
}

function schedulerOf(installation: Installation, runner: FunctionRunner): Scheduler {
  const { config, functions } = installation;
  return createScheduler({
    ...installation,
    run: async ({ app_id, function_name, body }) =>
      await callFunction(runner, await functions.live(app_id, function_name), body, config.public_url),
  });
}

/** Stores a record for the app's builders, and logs it for the operator. */
function logOutput({ functionLogs, clock, log }: Installation, record: FunctionLogRecord): void {
  const { app_id, function_name, request_id, level, message } = record;
  functionLogs.write({ ...record, app_id: asAppId(app_id), time: clock.now() });
  const request = request_id === null ? {} : { request_id };
  log[level === "warning" ? "warn" : level]("function_output", { app_id, function_name, ...request, line: message });
}

/** @throws CodedError `configuration` if functions of several workspaces would share one origin */
async function refuseSharedOrigin({ config, store }: Installation): Promise<void> {
  const { functions_url } = config;
  if (functions_url === null || functions_url.is_per_app || (await store.countWorkspaces()) < 2) return;
  throw new CodedError("configuration", {
    message: `HOLDFAST_FUNCTIONS_URL is ${functions_url.template}, but this installation has several workspaces, whose functions would share that origin. Give each app its own: HOLDFAST_FUNCTIONS_URL=https://{app}.fn.example.com`,
  });
}

/**
 * @throws CodedError `functions_not_isolated` if functions of several workspaces would run without
 *   a sandbox
 */
async function refuseNeighborsWithoutIsolation(
  { config, store }: Installation,
  served_live: Pick<AppRow, "workspace_id"> | null,
): Promise<void> {
  if (config.functions_isolation !== "none") return;
  const workspaces = new Set(await store.functionWorkspaces());
  if (served_live !== null) workspaces.add(served_live.workspace_id);
  if (workspaces.size > 1) throw new CodedError("functions_not_isolated");
}

async function listen(http: HttpServer, { host, port, limits }: Config): Promise<string> {
  try {
    await listenOn(http, host, port, limits);
  } catch (error) {
    if (errnoOf(error) === "EADDRINUSE") {
      throw new CodedError("port_in_use", {
        message: `Another program is already listening on port ${port}. Stop it, or choose another port: --port PORT.`,
        cause: error,
      });
    }
    throw error;
  }
  const bound = http.server.address();
  return `http://${reachableHost(host)}:${isAddress(bound) ? bound.port : port}`;
}

/** Returns the host by which a process on this machine reaches a server that listens on `host`. */
function reachableHost(host: string): string {
  if (["localhost", "0.0.0.0", "::"].includes(host)) return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

function isAddress(address: unknown): address is AddressInfo {
  return typeof address === "object" && address !== null && "port" in address;
}

/**
 * Reads cached rows again after another process wrote: a command on this machine, or another node.
 */
function watchOtherProcesses(installation: Installation): () => void {
  const { store, cache, credentials, appUsers, functions, appSecrets, refresher, log } = installation;
  return store.onChange((notice) => {
    for (const cached of [cache, credentials, appUsers, functions, appSecrets]) cached.markStale();
    if (notice === "reconnected")
      void refresher.repair().catch((error: unknown) => log.error("repair_failed", { error }));
  });
}

async function isReady({ store }: Installation): Promise<boolean> {
  return store.keyIdsInUse().then(
    () => true,
    () => false,
  );
}
