/**
 * Runs inside Deno, before the function. Listens on a Unix socket, or without a sandbox on a free
 * loopback port. Loads `./function.mjs`, and passes it the requests of the server that started this
 * process. Must not know any vendor, token or path.
 *
 * Input: one line of JSON on stdin ({@link Settings}). Output on stdout are lines that begin with
 * `@@KEY`: `ready PORT`, `done ID` when an invocation has no work left, and `log …` for each
 * console call and each uncaught error. `ready` comes before any code of the function runs, so that
 * no function can name another program's port. The end of stdin means that the server has exited.
 * Then this process exits too.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { define, refuseSockets, replaceFetch } from "./bootstrap-network.deno.ts";

interface Settings {
  /** Random, per process. A request without it is not from the server, and is rejected. */
  readonly key: string;
  /** Random, per process. Without it, a line on stdout is not from this file. */
  readonly output_key: string;
  /** The Unix socket to listen on. Null: a free loopback port. */
  readonly path: string | null;
  /** `http://HOST[:PORT]`, or null. */
  readonly gateway: string | null;
  /**
   * Hosts whose requests go to the gateway: `slack.com`, or `*.salesforce.com` for all subdomains.
   */
  readonly hosts: readonly string[];
  readonly secrets: Readonly<Record<string, string>>;
}

interface Invocation {
  readonly id: string;
  /** Promises passed to `waitUntil` that have not settled. */
  readonly pending: Set<Promise<unknown>>;
}

type Handler = (request: Request, info: Deno.ServeHandlerInfo) => Response | Promise<Response>;
type OnError = (error: unknown) => Response | Promise<Response>;
/** Deno's own class. It formats its arguments and passes the text to a callback. */
type ConsoleClass = new (print: (text: string, level: number) => void) => Console;
type Served = {
  readonly handler: Handler;
  readonly onError?: OnError;
  readonly onListen?: (address: Deno.Addr) => void;
};
/** The value of `x-holdfast-failed` in a response that is not from the function. See headers.ts. */
type Failure = "load" | "no_handler" | "handler" | "memory";

const KEY = "x-holdfast-key";
const INVOCATION = "x-holdfast-invocation";
const FAILED = "x-holdfast-failed";
/** The public URL of the call, instead of this process's own. */
const PUBLIC_URL = "x-holdfast-url";
/** V8's message of a RangeError when an ArrayBuffer, or a view of one, gets no memory. */
const NO_MEMORY = "Array buffer allocation failed";
/** Errors of the two SDKs, which carry the server's error code. */
const KNOWN_ERRORS: readonly string[] = ["HoldfastError", "Base44Error"];
/** Longest text of a console call. The server keeps less, but searches all of it for secrets. */
const RECORD_LENGTH = 16_384;
/** Longer settings would be a bug in the server. A hundred secrets of 64 KiB fit, escaped. */
const SETTINGS_BYTES = 67_108_864;

/** The listening address that a function sees. It cannot use the real one. */
const ADDRESS: Deno.NetAddr = { transport: "tcp", hostname: "127.0.0.1", port: 8000 };

/** Properties of the public SDK's errors, and of an HTTP client's response, that logs leave out. */
const NOISE: readonly string[] = ["originalError", "config", "request"];
const RESPONSE_NOISE: readonly string[] = ["config", "request", "headers"];

/** Levels of Deno's console. It has one level above error, for traces. */
const INFO = 1;
const ERROR = 3;
const { internal } = Deno as unknown as { readonly internal: unique symbol };

/** Saved now, because the function can replace the globals. */
const { serve, exit } = Deno;
const { stringify } = JSON;
const { defineProperty, getOwnPropertyDescriptor } = Object;
const writeToServer = Deno.stdout.writeSync.bind(Deno.stdout);
const encode = TextEncoder.prototype.encode.bind(new TextEncoder());
const settings = readSettings();
const invocations = new AsyncLocalStorage<Invocation>();
const currentInvocation = invocations.getStore.bind(invocations);
const logError = replaceConsole();
let served: Served | null = null;
let loading = true;
/** The latest error that a timer threw, and the invocation that set the timer. */
let thrown: { readonly error: unknown; readonly invocation: Invocation | undefined } | null = null;

replaceEnvironment(settings.secrets);
replaceFetch(settings.gateway, settings.hosts);
if (settings.path !== null) refuseSockets();
define(globalThis, "Base44", Object.freeze({ secrets: Object.freeze({ get: secret }), waitUntil }));
define(Deno, "serve", replacedServe);
// Packages that write files ask for it when they load. A function cannot.
define(process, "umask", () => 0o22);
replaceTimers();
keepRunningAfterStrayErrors();

const loaded = Promise.withResolvers<Served | Failure>();
const server = listen(settings.path);
void exitWithServer();
loaded.resolve(await load());

function listen(path: string | null): Deno.HttpServer {
  if (path === null) {
    return serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => print(`ready ${port}`) }, dispatch);
  }
  const server = serve({ path, onListen: () => print("ready") }, dispatch);
  // The socket is open. The function needs no file.
  Deno.permissions.revokeSync({ name: "read" });
  Deno.permissions.revokeSync({ name: "write" });
  return server;
}

/** Handles a request from the server. Hides the key and the invocation's id from the function. */
async function dispatch(request: Request, { completed }: { completed: Promise<void> }): Promise<Response> {
  if (request.headers.get(KEY) !== settings.key)
    return new Response("Only the server can call this.\n", { status: 403 });
  const id = request.headers.get(INVOCATION) ?? "";
  const headers = new Headers(request.headers);
  headers.delete(KEY);
  headers.delete(INVOCATION);
  headers.delete(PUBLIC_URL);
  const invocation: Invocation = { id, pending: new Set() };
  const { method, body, signal } = request;
  const call = new Request(request.headers.get(PUBLIC_URL) ?? request.url, { method, headers, body, signal });
  const response = await invocations.run(invocation, () => handle(call, { remoteAddr: ADDRESS, completed }));
  void invocations.run(invocation, () => reportDone(invocation, completed));
  return response;
}

async function handle(request: Request, info: Deno.ServeHandlerInfo): Promise<Response> {
  const target = await loaded.promise;
  if (typeof target === "string") return failed(target);
  try {
    return checked(await target.handler(request, info));
  } catch (error) {
    if (target.onError === undefined) return reported(error);
    try {
      return checked(await target.onError(error));
    } catch (second) {
      return reported(second);
    }
  }
}

function checked(response: unknown): Response {
  if (response instanceof Response) return response;
  throw new TypeError("The handler must return a Response.");
}

function reported(error: unknown): Response {
  logError(error);
  return isOutOfMemory(error) ? failed("memory") : failed("handler", knownError(error));
}

/**
 * Reports whether the sandbox refused memory outside the heap. On the heap, V8 ends the process
 * instead.
 */
function isOutOfMemory(error: unknown): boolean {
  try {
    return error instanceof RangeError && error.message === NO_MEMORY;
  } catch {
    // A function can throw an error whose message is a getter that throws.
    return false;
  }
}

function failed(failure: Failure, body: string | null = null): Response {
  return new Response(body, { status: 500, headers: { [FAILED]: failure } });
}

/**
 * Returns the fields of an SDK's error that the caller receives, as JSON. The server checks them
 * again. Null for any other error.
 */
function knownError(error: unknown): string | null {
  if (!(error instanceof Error) || !KNOWN_ERRORS.includes(error.name)) return null;
  try {
    const { message, status, code, data } = error as Error & { status?: unknown; code?: unknown; data?: unknown };
    const { extra_data } = Object(data);
    const { reason, reconnect_url } = Object(extra_data);
    return stringify({ message, status, code, reason, reconnect_url });
  } catch {
    return null;
  }
}

async function load(): Promise<Served | Failure> {
  try {
    // A literal, so that Deno loads it with the main module. A computed path would need
    // --allow-read.
    const module: { default?: unknown } = await import("./function.mjs");
    loading = false;
    const target = served ?? fromDefaultExport(module.default);
    if (target === null) return "no_handler";
    target.onListen?.(ADDRESS);
    return target;
  } catch (error) {
    logError(error);
    return isOutOfMemory(error) ? "memory" : "load";
  }
}

function fromDefaultExport(value: unknown): Served | null {
  if (typeof value === "function") return { handler: (request, info) => value(request, info) };
  if (typeof value !== "object" || value === null || !("fetch" in value)) return null;
  const { fetch } = value;
  return typeof fetch === "function" ? { handler: (request, info) => fetch.call(value, request, info) } : null;
}

/** Accepts (handler), (options, handler) and (options with handler). Ignores port and hostname. */
function replacedServe(...args: unknown[]): Deno.HttpServer {
  if (served !== null) throw new Error("Deno.serve was called twice. A function has one handler.");
  if (!loading) throw new Error("Deno.serve must be called while the function loads, not later.");
  const [first, second] = args;
  const options = (typeof first === "object" && first !== null ? first : {}) as Partial<Served>;
  const handler = [first, second, options.handler].find((candidate) => typeof candidate === "function");
  if (handler === undefined) throw new TypeError("Deno.serve requires a handler function.");
  served = { ...options, handler: handler as Handler };
  return server;
}

/** Keeps the invocation and its token until `promise` settles, or the server's limit. */
function waitUntil<T>(promise: T): T {
  currentInvocation()?.pending.add(Promise.resolve(promise));
  return promise;
}

async function reportDone({ id, pending }: Invocation, completed: Promise<void>): Promise<void> {
  await completed.catch(() => {});
  while (pending.size > 0) {
    const batch = [...pending];
    for (const result of await Promise.allSettled(batch)) {
      if (result.status === "rejected") logError(result.reason);
    }
    for (const promise of batch) pending.delete(promise);
  }
  print(`done ${id}`);
}

function secret(name: string): string | undefined {
  return Object.hasOwn(settings.secrets, name) ? settings.secrets[name] : undefined;
}

/** Makes Deno.env return only the function's secrets. A real lookup would throw. */
function replaceEnvironment(secrets: Readonly<Record<string, string>>): void {
  const refuse = (): never => {
    throw new Deno.errors.NotCapable("A function cannot change its environment.");
  };
  const has = (name: string): boolean => Object.hasOwn(secrets, name);
  define(
    Deno,
    "env",
    Object.freeze({ get: secret, has, toObject: () => ({ ...secrets }), set: refuse, delete: refuse }),
  );
}

/**
 * Logs stray errors. An unhandled rejection of one invocation must not end the process for all
 * others.
 */
function keepRunningAfterStrayErrors(): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    logStray(event.reason, currentInvocation());
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    const invocation = thrown?.error === event.error ? thrown?.invocation : currentInvocation();
    thrown = null;
    logStray(event.error, invocation);
  });
}

function logStray(error: unknown, invocation: Invocation | undefined): void {
  if (invocation === undefined) logError("Outside a call:", error);
  else invocations.run(invocation, () => logError(error));
}

/** Remembers whose timer threw, because the error's event arrives outside any invocation. */
function replaceTimers(): void {
  for (const name of ["setTimeout", "setInterval", "setImmediate"] as const) {
    const original: unknown = Reflect.get(globalThis, name);
    if (typeof original !== "function") continue;
    const replaced = (callback: unknown, ...rest: unknown[]): unknown =>
      original(typeof callback === "function" ? remembering(callback as Callback) : callback, ...rest);
    const value = Object.defineProperties(replaced, Object.getOwnPropertyDescriptors(original));
    // Writable, because packages that fake time assign to it.
    Object.defineProperty(globalThis, name, { value, configurable: true, enumerable: true, writable: true });
  }
}

type Callback = (...args: unknown[]) => unknown;

function remembering(callback: Callback): Callback {
  return function (this: unknown, ...args) {
    try {
      return Reflect.apply(callback, this, args);
    } catch (error) {
      thrown = { error, invocation: currentInvocation() };
      throw error;
    }
  };
}

async function exitWithServer(): Promise<void> {
  const rest = new Uint8Array(256);
  while ((await Deno.stdin.read(rest)) !== null);
  exit(0);
}

/** Reads one line. The server sends nothing else, so a chunk cannot contain more than its end. */
function readSettings(): Settings {
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length < SETTINGS_BYTES) {
    const chunk = new Uint8Array(65_536);
    const count = Deno.stdin.readSync(chunk) ?? 0;
    if (count === 0) break;
    chunks.push(chunk.subarray(0, count));
    length += count;
    if (chunk[count - 1] === 10) break;
  }
  const decoder = new TextDecoder();
  return JSON.parse(chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join(""));
}

/**
 * Makes each console call one record of the current invocation. Returns a function that logs an
 * error, which the function's own code cannot replace.
 */
function replaceConsole(): (...parts: unknown[]) => void {
  const { Console } = (Deno as unknown as { [internal]: { Console: ConsoleClass } })[internal];
  const replaced = new Console((text, level) => record(level > ERROR ? INFO : level, text));
  for (const method of ["debug", "log", "info", "warn", "error"] as const) {
    const print = replaced[method];
    replaced[method] = (...values) => withoutNoise(values, () => print(...values));
  }
  define(globalThis, "console", replaced);
  return replaced.error;
}

/**
 * Prints errors without what an HTTP client attaches to them: 100 lines of its settings, its
 * request and its response hide the few lines of the error. The function finds them unchanged.
 */
function withoutNoise(values: readonly unknown[], print: () => void): void {
  const noise = values.flatMap(noiseOf);
  const show = (enumerable: boolean): void =>
    noise.forEach(([object, name]) => defineProperty(object, name, { enumerable }));
  show(false);
  try {
    print();
  } finally {
    show(true);
  }
}

/** Returns the properties to hide: those that are shown, and that can be changed back. */
function noiseOf(value: unknown): readonly (readonly [object, string])[] {
  try {
    if (!(value instanceof Error) || !(value.name === "Base44Error" || "isAxiosError" in value)) return [];
    const response = Object(getOwnPropertyDescriptor(value, "response")?.value);
    const found = [
      ...NOISE.map((name) => [value, name] as const),
      ...RESPONSE_NOISE.map((name) => [response, name] as const),
    ];
    return found.filter(([object, name]) => {
      const { configurable, enumerable } = getOwnPropertyDescriptor(object, name) ?? {};
      return configurable === true && enumerable === true;
    });
  } catch {
    // The function's own error, with a getter that throws. It is logged as it is.
    return [];
  }
}

/**
 * Sends one record. Its parts are primitives, so no method that the function replaced can see the
 * key.
 */
function record(level: number, text: string): void {
  const is_cut = text.length > RECORD_LENGTH;
  const message = stringify(is_cut ? text.slice(0, RECORD_LENGTH) : text);
  print(`log ${level} ${is_cut ? 1 : 0} ${currentInvocation()?.id ?? "-"} ${message}`);
}

/** Prints a separate line, even if the function has just printed a partial line. */
function print(line: string): void {
  writeToServer(encode(`\n@@${settings.output_key} ${line}\n`));
}
