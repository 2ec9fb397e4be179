/**
 * The server: an installation under its lock, with recovery, sweeper, function runner and HTTP. The composition root; it
 * starts parts in order and closes them in reverse.
 */
import type { AddressInfo } from "node:net";
import { every } from "./core/clock.ts";
import { errnoOf } from "./core/errno.ts";
import { ApiError } from "./core/errors.ts";
import { createHttpServer } from "./http/server.ts";
import { openInstallation, type Installation, type InstallationOptions } from "./installation.ts";
import { createHttpClient } from "./net/http-client.ts";
import { hostPatterns } from "./providers/hosts.ts";
import { createFunctionRunner, type FunctionRunner } from "./runner/functions.ts";
import type { Sweeper } from "./service/sweeper.ts";
import { createWebhooks, type Webhooks } from "./service/events/webhooks.ts";
import { lockDataDirectory } from "./store/sqlite-lock.ts";

export interface Server {
  readonly installation: Installation;
  readonly sweeper: Sweeper;
  readonly webhooks: Webhooks;
  /** Where it listens, which behind a proxy is not the public URL. */
  readonly url: string;
  /** Stops taking requests, lets refreshes in flight finish, closes everything. */
  close(): Promise<void>;
}

/** How often the times of last use are written. */
const LAST_USED_EVERY_MS = 10_000;

/** @throws ApiError `database_in_use`, `port_in_use`, and what openInstallation throws */
export async function startServer(options: InstallationOptions): Promise<Server> {
  const { config, log } = options;
  const opened = await openLocked(options);
  const { installation } = opened;
  const { clock } = installation;
  const { refresher, credentials, cache, sweeper, limits } = installation;
  const webhooks = webhooksOf(installation);

  let address = "";
  const functions = functionRunner(installation, () => address);
  const http = await createHttpServer({ ...installation, functions, ready: () => isReady(installation) });
  const stops: (() => void)[] = [];

  try {
    await refresher.recover();
    address = await listen(http, config.host, config.port);
  } catch (error) {
    await http.close();
    await opened.close();
    throw error;
  }
  sweeper.start();
  webhooks.start();
  stops.push(
    () => sweeper.stop(),
    watchOtherProcesses(installation),
    every(clock, LAST_USED_EVERY_MS, () => {
      // A database that is away for a moment costs these times, and must not cost the process.
      void credentials.flush().catch((error: unknown) => log.warn("last_used_not_written", { error }));
    }),
  );
  log.info("listening", { url: address });
  if (config.provider_gateway !== null) log.warn("simulation", { url: config.provider_gateway });

  return {
    installation,
    sweeper,
    webhooks,
    url: address,
    async close() {
      for (const stop of stops) stop();
      await http.close();
      await functions?.close();
      await refresher.drain(limits.shutdown_ms);
      await webhooks.close();
      cache.clear();
      await opened.close();
      log.info("stopped");
    },
  };
}

/** The lock comes after the key check and before the first write. */
async function openLocked(
  options: InstallationOptions,
): Promise<{ installation: Installation; close: () => Promise<void> }> {
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
    close: async () => {
      await installation.close();
      unlock();
    },
  };
}

/** Nothing in a receiver's answer is of interest but its status. */
const RECEIVER_ANSWER_BYTES = 1_024;

function webhooksOf({ config, store, urls, clock, log, random }: Installation): Webhooks {
  const { limits, webhook, events_wanted } = config;
  const httpClient = createHttpClient({
    gateway: null,
    plain_loopback: true,
    limits: { ...limits, provider_response_bytes: RECEIVER_ANSWER_BYTES },
    clock,
  });
  return createWebhooks({ store, httpClient, urls, webhook, events_wanted, clock, limits, log, random });
}

function functionRunner(
  { config, catalog, clock, log, functionTokens }: Installation,
  server_url: () => string,
): FunctionRunner | null {
  if (config.functions_dir === null) return null;
  return createFunctionRunner({
    functions_dir: config.functions_dir,
    server_url,
    gateway: config.provider_gateway,
    gateway_hosts: [...new Set(catalog.all().flatMap(hostPatterns))],
    limits: config.limits,
    clock,
    log: ({ app_id, function_name, level, message }) =>
      log[level]("function_output", { app_id, function_name, line: message }),
    issueToken: ({ app_id, ...claims }) => functionTokens.mint({ ...claims, app_id }),
    endInvocation: (invocation_id) => functionTokens.end(invocation_id),
  });
}

async function listen(http: Awaited<ReturnType<typeof createHttpServer>>, host: string, port: number): Promise<string> {
  try {
    await http.listen({ host, port });
  } catch (error) {
    if (errnoOf(error) === "EADDRINUSE") {
      throw new ApiError("port_in_use", {
        message: `Another program listens on port ${port}. Stop it, or choose another port: --port PORT.`,
        cause: error,
      });
    }
    throw error;
  }
  const bound = http.server.address();
  return `http://${reachable(host)}:${isAddress(bound) ? bound.port : port}`;
}

/** The address under which a process on this machine reaches what listens on `host`. */
function reachable(host: string): string {
  if (["localhost", "0.0.0.0", "::"].includes(host)) return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

function isAddress(address: unknown): address is AddressInfo {
  return typeof address === "object" && address !== null && "port" in address;
}

/** What this process remembers is read again when another one wrote: a command on this machine, or another node. */
function watchOtherProcesses({ store, cache, credentials, refresher, log }: Installation): () => void {
  return store.onChange((notice) => {
    cache.markStale();
    credentials.markStale();
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
