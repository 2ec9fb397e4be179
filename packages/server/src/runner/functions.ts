/**
 * Runs backend functions: gets a process with the given version, and sends one request through it.
 * runner/ owns processes, bundles, and the life of an invocation and its token. It must not know
 * where versions and secrets are stored, how tokens are created, or who is allowed to call a
 * function.
 *
 * An invocation ends when its response is complete *and* the child reports that all promises given
 * to `waitUntil` have settled. It ends `function_token_grace_ms` after the response at the latest.
 * It ends at once if it fails or times out. Then `endInvocation` is called, once, and the
 * invocation's token must stop working.
 */
import { LRUCache } from "lru-cache";
import type { Server } from "node:net";
import type { Readable } from "node:stream";
import { within, type Clock } from "../core/clock.ts";
import { errnoOf } from "../core/errno.ts";
import { CodedError } from "../core/errors.ts";
import type { LiveFunction } from "../core/functions/functions.ts";
import { newId } from "../core/ids.ts";
import type { Limits } from "../core/limits.ts";
import { plus } from "../core/types.ts";
import { GATEWAY_HOST } from "./deno.ts";
import { createDroppedHeaders, type DroppedHeaders } from "./dropped-headers.ts";
import { serveEgress, type EgressOptions } from "./egress/proxy.ts";
import { FAILED_HEADER, requestHeaders, type HeaderRecord } from "./headers.ts";
import { callerLeft, callerTooSlow, functionTooSlow, reportedFailure, responseNotHttp, type Late } from "./failures.ts";
import { createPool, type Pool, type Slot } from "./pool.ts";
import { exitError, startProcess, type FunctionProcess } from "./process.ts";
import { createRedactor } from "./redact.ts";
import { createRefusals } from "./refusals.ts";
import { responseHeaders } from "./response-headers.ts";
import type { Sandbox } from "./sandbox/types.ts";
import { sendRequest, type Exchange } from "./send.ts";
import type { FunctionLogRecord, ProcessOwner, TokenRequest } from "./types.ts";
import { createVersions, type Version, type Versions } from "./versions.ts";

/** After the connection to a child breaks, how long to wait for the exit that explains it. */
const EXIT_WAIT_MS = 2_000;

export interface FunctionRequest {
  /** Identifies the call in logs. */
  readonly request_id: string;
  readonly function: LiveFunction;
  readonly method: string;
  /** The public URL of the call. The function sees it as `req.url`. */
  readonly url: string;
  /** The part of the URL's path that names the function. */
  readonly prefix: string;
  /** The caller's address. Null: the caller is a function of this server. */
  readonly client_address: string | null;
  readonly headers: HeaderRecord;
  /** A stream is opened only when the function's process can receive it. */
  readonly body: Uint8Array | (() => Readable) | null;
  /** The app user's token if it was verified, without "Bearer ". */
  readonly user_authorization: string | null;
  /** Aborts the call when its caller disconnects. */
  readonly signal: AbortSignal | null;
}

export interface FunctionResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Arrives as the function sends it. Fails if the function's process ends or times out. */
  readonly body: Readable;
}

export interface FunctionRunnerOptions {
  readonly sandbox: Sandbox;
  /** Serves the connections of a process's listener as its calls to the API. */
  readonly acceptBridge: (listener: Server, process: { process_id: string; app_id: string }) => void;
  /** The targets that sandboxed processes can reach besides the API. */
  readonly egress: Pick<EgressOptions, "resolve" | "isOwn" | "allowed">;
  /** The origin of this server's connect links. */
  readonly public_url: string;
  readonly gateway: string | null;
  /** Hosts whose https requests go to the gateway: `slack.com`, or `*.salesforce.com`. */
  readonly gateway_hosts: readonly string[];
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: (record: FunctionLogRecord) => void;
  /** Called when the sandbox could not start a process. The error is for the server's log. */
  readonly onFailure: (error: unknown) => void;
  readonly issueToken: (request: TokenRequest) => string | Promise<string>;
  readonly endInvocation: (invocation_id: string) => void | Promise<void>;
}

export interface FunctionRunner {
  /**
   * Calls a function.
   *
   * @throws CodedError `function_invalid`, `function_error`, `function_timeout`,
   *   `function_out_of_memory`, `overloaded`, `body_too_large`, `request_timeout`, `bad_request`
   */
  invoke(request: FunctionRequest): Promise<FunctionResponse>;
  /** Redacts an access token that was released to a process from the process's output. */
  hide(process_id: string, token: string): void;
  /** Returns the functions that have processes. */
  running(): readonly ProcessOwner[];
  /**
   * Ends a function's processes. Its invocations fail with `why`, and their tokens stop working.
   */
  stop(owner: ProcessOwner, why: CodedError): void;
  /** Ends every process. Running invocations fail. */
  close(): Promise<void>;
}

/** A running invocation. */
interface Invocation {
  readonly id: string;
  readonly request: FunctionRequest;
  readonly slot: Slot;
  responded: boolean;
  /** The side that was too slow, once the invocation timed out. */
  late: Late | null;
  /** Why the function was stopped. */
  stopped: CodedError | null;
  /** True if the child has no work left for it. */
  done: boolean;
  cancel: () => void;
}

interface Runner {
  readonly options: FunctionRunnerOptions;
  readonly versions: Versions;
  readonly pool: Pool;
  readonly invocations: Map<string, Invocation>;
  /** By process and invocation. Ended invocations stay, because their timers can still print. */
  readonly request_ids: LRUCache<string, string>;
  /** The processes that can print, by id. */
  readonly processes: Map<string, FunctionProcess>;
  readonly logDropped: DroppedHeaders;
  is_closed: boolean;
}

export function createFunctionRunner(options: FunctionRunnerOptions): FunctionRunner {
  const { limits, clock } = options;
  const runner: Runner = {
    options,
    versions: createVersions(options.sandbox.root),
    pool: createPool({ clock, limits }),
    invocations: new Map(),
    request_ids: new LRUCache({ max: options.limits.function_request_ids }),
    processes: new Map(),
    logDropped: createDroppedHeaders({
      limits,
      log: (line) => options.log({ ...line, version: null, request_id: null }),
    }),
    is_closed: false,
  };
  return {
    invoke: (request) => invoke(runner, request),
    hide: (process_id, token) => runner.processes.get(process_id)?.redactor.hide(token),
    running: () => runner.pool.owners(),
    stop: (owner, why) => stop(runner, owner, why),
    close: () => close(runner),
  };
}

async function invoke(runner: Runner, request: FunctionRequest): Promise<FunctionResponse> {
  const slot = await takeSlot(runner, request.function);
  const id = newId("inv");
  const state = { responded: false, late: null, stopped: null, done: false, cancel: () => {} };
  const invocation: Invocation = { id, request, slot, ...state };
  runner.invocations.set(id, invocation);
  runner.request_ids.set(`${slot.process.id} ${id}`, request.request_id);
  try {
    return await run(runner, invocation);
  } catch (error) {
    finish(runner, invocation);
    throw invocation.stopped ?? error;
  }
}

/** Returns a process of the app and function that runs this version with these secrets. */
async function takeSlot(runner: Runner, live: LiveFunction): Promise<Slot> {
  refuseIfClosed(runner);
  const version = await runner.versions.open(live);
  try {
    refuseIfClosed(runner);
    const { app_id, function_name } = live;
    return await runner.pool.take({ app_id, function_name, version, start: () => start(runner, live, version) });
  } finally {
    version.release();
  }
}

function refuseIfClosed(runner: Runner): void {
  if (runner.is_closed) throw new CodedError("overloaded", { message: "The server is shutting down." });
}

function stop(runner: Runner, { app_id, function_name }: ProcessOwner, why: CodedError): void {
  runner.pool.end({ app_id, function_name });
  for (const invocation of runner.invocations.values()) {
    const { function: called } = invocation.request;
    if (called.app_id !== app_id || called.function_name !== function_name) continue;
    invocation.stopped = why;
    finish(runner, invocation);
  }
}

async function close(runner: Runner): Promise<void> {
  runner.is_closed = true;
  await runner.pool.close();
  for (const invocation of runner.invocations.values()) finish(runner, invocation);
  await runner.versions.close();
}

function start(runner: Runner, live: LiveFunction, version: Version): FunctionProcess {
  const { app_id, function_name, version_id, secrets } = live;
  const { options, processes } = runner;
  const started = startProcess({
    sandbox: options.sandbox,
    app_id,
    directory: version.directory,
    function_name,
    gateway: options.gateway,
    gateway_hosts: options.gateway_hosts,
    secrets,
    limits: options.limits,
    clock: options.clock,
    acceptBridge: (listener, process_id) => options.acceptBridge(listener, { process_id, app_id }),
    serveEgress: (listener) => serveEgress(listener, egressOf(options, { app_id, function_name })),
    onFailure: options.onFailure,
    redactor: createRedactor(secrets),
    onRecord: (record, process_id) => {
      const { invocation_id: id } = record;
      const request_id = id === null ? null : (runner.request_ids.get(`${process_id} ${id}`) ?? null);
      options.log({
        app_id,
        function_name,
        version: version_id,
        request_id,
        level: record.level,
        message: record.message,
      });
    },
    onDone: (id) => {
      const invocation = runner.invocations.get(id);
      // A process that took over its bootstrap can name any invocation.
      if (invocation === undefined || invocation.slot.process !== started) return;
      invocation.done = true;
      if (invocation.responded) finish(runner, invocation);
    },
  });
  processes.set(started.id, started);
  void started.exited.then(() => processes.delete(started.id));
  return started;
}

function egressOf(options: FunctionRunnerOptions, { app_id, function_name }: ProcessOwner): EgressOptions {
  const { egress, gateway, gateway_hosts, limits, clock, log } = options;
  const covers = (host: string): boolean => gateway_hosts.some((pattern) => coversHost(pattern, host));
  return {
    ...egress,
    gateway: gateway === null ? null : { host: GATEWAY_HOST, origin: gateway, covers },
    connections: limits.function_connections,
    total_bytes: null,
    clock,
    connect_timeout_ms: limits.function_connect_timeout_ms,
    idle_timeout_ms: limits.function_connection_idle_ms,
    onRefused: createRefusals(clock, (message) =>
      log({ app_id, function_name, version: null, request_id: null, level: "error", message }),
    ),
  };
}

/** `*.salesforce.com` covers all subdomains. */
const coversHost = (pattern: string, host: string): boolean =>
  pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) : host === pattern;

async function run(runner: Runner, invocation: Invocation): Promise<FunctionResponse> {
  const { limits, clock, public_url } = runner.options;
  const { request, slot } = invocation;
  const deadline = new AbortController();
  const { address, api_url } = await slot.process.ready;
  // Its token would not be ended again.
  if (invocation.stopped !== null) throw invocation.stopped;
  const exchange: Exchange = { waits_for: "function", response: null };
  invocation.cancel = clock.after(limits.function_timeout_ms, () => {
    invocation.late = lateOne(exchange);
    deadline.abort();
  });
  const headers = await headersFor(runner, invocation, api_url);
  const { method, url, body, signal: caller } = request;
  const signal = caller === null ? deadline.signal : AbortSignal.any([deadline.signal, caller]);
  const sending = { address, method, path: pathOf(url), headers, body, signal, limits, clock, exchange };
  const response = await sendRequest(sending).catch(async (error: unknown) => {
    throw error instanceof CodedError ? error : await failureOf(runner, invocation, error);
  });
  // The reader of the body gets its error. Without a listener here, an unread body's error would
  // end the server.
  response.on("error", () => {
    // Unless its caller left or was slow, the process hangs or has died. It gets no more work.
    if (caller?.aborted !== true && invocation.late !== "caller") runner.pool.retire(slot);
  });
  const failure = response.headers[FAILED_HEADER];
  if (typeof failure === "string") {
    const { redactor } = slot.process;
    const error = await reportedFailure(response, failure, { ...request.function, redactor, public_url });
    response.destroy();
    if (failure !== "handler") runner.pool.retire(slot);
    throw error;
  }
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 599) {
    response.destroy();
    throw responseNotHttp(request.function.function_name);
  }
  response.once("close", () => (response.complete ? waitForDone(runner, invocation) : finish(runner, invocation)));
  const { headers: passed, dropped } = responseHeaders(response.headers, url);
  runner.logDropped(request.function, dropped);
  return { status, headers: passed, body: response };
}

/** A slow caller does not mean that the function's process hangs. */
function lateOne({ waits_for, response }: Exchange): Late {
  return response !== null && response.readableLength > 0 ? "caller" : waits_for;
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** Issues the invocation's token, and returns the headers that the function receives. */
async function headersFor(
  { options }: Runner,
  { id, request, slot }: Invocation,
  server_url: string,
): Promise<Record<string, string | readonly string[]>> {
  const { limits, clock } = options;
  const { user_authorization: user_token, url, prefix, client_address } = request;
  const { app_id, function_name } = request.function;
  const expires_at = plus(clock.now(), limits.function_timeout_ms + limits.function_token_grace_ms);
  const { id: process_id, key } = slot.process;
  const issued = { app_id, function_name, expires_at, invocation_id: id, process_id };
  const function_token = await options.issueToken(issued);
  slot.process.redactor.hideDuring(id, [function_token, user_token ?? ""]);
  const length = typeof request.body === "function" ? request.headers["content-length"] : undefined;
  const made = requestHeaders(request.headers, {
    app_id,
    server_url,
    function_token,
    user_token,
    key,
    invocation_id: id,
    url,
    prefix,
    client_address,
  });
  return length === undefined ? made : { ...made, "content-length": length };
}

/**
 * Returns why there is no response. A process that hangs or has exited gets no more work.
 */
async function failureOf(runner: Runner, { slot, request, late }: Invocation, error: unknown): Promise<CodedError> {
  const { limits, clock } = runner.options;
  const { function_name } = request.function;
  if (late === "caller") return callerTooSlow();
  if (late === null && request.signal?.aborted === true) return callerLeft();
  if (errnoOf(error)?.startsWith("HPE_") === true) return responseNotHttp(function_name);
  runner.pool.retire(slot);
  if (late === "function") return functionTooSlow(function_name, limits.function_timeout_ms);
  const exit = await within(clock, slot.process.exited, EXIT_WAIT_MS, { code: null, signal: null, killed_for: null });
  return exitError(function_name, exit);
}

/** Ends an invocation with a complete response as soon as the child has no work left for it. */
function waitForDone(runner: Runner, invocation: Invocation): void {
  const { limits, clock } = runner.options;
  invocation.responded = true;
  if (invocation.done) return finish(runner, invocation);
  invocation.cancel();
  invocation.cancel = clock.after(limits.function_token_grace_ms, () => finish(runner, invocation));
}

function finish(runner: Runner, invocation: Invocation): void {
  const { id, slot } = invocation;
  if (!runner.invocations.delete(id)) return;
  invocation.cancel();
  slot.process.redactor.end(id);
  runner.pool.release(slot);
  void endInvocation(runner, id);
}

async function endInvocation({ options }: Runner, id: string): Promise<void> {
  try {
    await options.endInvocation(id);
  } catch {
    // The caller is not affected. The token works until it expires.
  }
}
