/**
 * One Deno process of one app and function: starts it, passes its settings, reads its output, sends
 * it requests, and ends it. Must not know when a process should end. pool.ts does.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { Transform, type Readable, type TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import { isOutOfMemory, spawnDeno, type DenoProcess, type Exit } from "./deno.ts";
import { readLines } from "./lines.ts";

export interface ProcessOptions {
  readonly binary: string;
  readonly directory: string;
  readonly function_name: string;
  /** Serves the connections of this process's listener as its calls to the API. */
  readonly acceptBridge: (listener: Server, process_id: string) => void;
  readonly gateway: string | null;
  readonly gateway_hosts: readonly string[];
  readonly start_timeout_ms: number;
  readonly heap_mb: number;
  readonly clock: Clock;
  readonly onLine: (stream: "stdout" | "stderr", line: string) => void;
  /** Called when the child has no work left for this invocation. */
  readonly onDone: (invocation_id: string) => void;
}

/** Where a process listens, and where it reaches the API. */
export interface Addresses {
  readonly port: number;
  readonly api_url: string;
}

export interface FunctionProcess {
  readonly id: string;
  /** Random, per process. Proves that a request is from the server. */
  readonly key: string;
  /** Resolves once the child listens. Rejects with an CodedError. */
  readonly addresses: Promise<Addresses>;
  readonly exited: Promise<Exit>;
  /** Kills the child immediately, because a function has nothing to clean up. */
  kill(): void;
}

export function startProcess(options: ProcessOptions): FunctionProcess {
  const start: Start = {
    options,
    id: newId("prc"),
    key: randomBytes(32).toString("base64url"),
    listening: Promise.withResolvers(),
    exited: Promise.withResolvers(),
    child: null,
    is_killed: false,
  };
  const { id, key, listening, exited } = start;
  const cancelStart = options.clock.after(options.start_timeout_ms, () => {
    const message = `The function ${options.function_name} did not start in time.`;
    listening.reject(new CodedError("function_timeout", { message }));
    kill(start);
  });
  void listening.promise.catch(() => {}).finally(cancelStart);
  void exited.promise.then((exit) => listening.reject(exitError(options.function_name, exit)));
  void run(start);
  return { id, key, addresses: listening.promise, exited: exited.promise, kill: () => kill(start) };
}

interface Start {
  readonly options: ProcessOptions;
  readonly id: string;
  readonly key: string;
  readonly listening: PromiseWithResolvers<Addresses>;
  readonly exited: PromiseWithResolvers<Exit>;
  child: DenoProcess | null;
  /** True after this server sent SIGKILL. A SIGKILL from the kernel means that memory ran out. */
  is_killed: boolean;
}

function kill(start: Start): void {
  start.is_killed = true;
  start.child?.kill("SIGKILL");
}

/** Opens the bridge, then starts the child, which can reach nothing else of this server. */
async function run(start: Start): Promise<void> {
  const { options, id, exited } = start;
  const bridge = createServer();
  try {
    options.acceptBridge(bridge, id);
    await once(bridge.listen({ host: "127.0.0.1", port: 0 }), "listening");
    exited.resolve(start.is_killed ? NO_EXIT : await runChild(start, urlOf(bridge)));
  } catch {
    exited.resolve(NO_EXIT);
  }
  bridge.close();
}

const NO_EXIT: Exit = { code: null, signal: null };

function urlOf(listener: Server): string {
  const bound = listener.address();
  if (bound === null || typeof bound === "string") throw new CodedError("internal");
  return `http://127.0.0.1:${bound.port}`;
}

/** Starts the child. Resolves when it has exited. */
function runChild(start: Start, api_url: string): Promise<Exit> {
  const { options, key, listening } = start;
  const { directory, heap_mb, gateway, gateway_hosts, clock } = options;
  const reachable = gateway === null ? null : [new URL(api_url).host, new URL(gateway).host];
  const child = spawnDeno(options.binary, { directory, reachable, heap_mb });
  start.child = child;
  const onControl = (line: string): void => {
    const [word, value = ""] = line.split(" ");
    // Only the first line counts. It comes before any code of the function, which could print
    // another port.
    if (word === "@@ready") listening.resolve({ port: Number(value), api_url });
    if (word === "@@done") options.onDone(value);
  };
  const now_ms = (): number => clock.monotonic_ms();
  readLines(child.stdout, { now_ms, onLine: (line) => options.onLine("stdout", line), onControl });
  readLines(child.stderr, { now_ms, onLine: (line) => options.onLine("stderr", line) });
  // A child that exits immediately closes its stdin. Its exit explains why.
  child.stdin.on("error", () => {});
  // Left open. When this server dies, the child reads the end of stdin and exits.
  child.stdin.write(`${JSON.stringify({ key, gateway, hosts: gateway_hosts, secrets: {} })}\n`);
  return new Promise((resolve) => {
    child.once("error", () => resolve(NO_EXIT));
    child.once("close", (code, signal) => resolve({ code, signal: start.is_killed ? null : signal }));
  });
}

/** Returns the error for the invocations of a process that exited on its own. */
export function exitError(function_name: string, exit: Exit): CodedError {
  if (isOutOfMemory(exit))
    return new CodedError("function_out_of_memory", { message: `The function ${function_name} ran out of memory.` });
  return new CodedError("function_error", {
    message: `The process of the function ${function_name} exited before it responded. Its log may say why.`,
  });
}

export interface Sending {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Uint8Array | Readable | null;
  readonly body_bytes: number;
  /** Aborts the request, and the response body if it has started. */
  readonly signal: AbortSignal;
}

/**
 * Resolves with the response's headers. Never retries, because the function may have acted on the
 * request.
 */
export async function sendRequest(sending: Sending): Promise<IncomingMessage> {
  const { port, method, path, signal, body, body_bytes } = sending;
  const headers = Object.fromEntries(
    Object.entries(sending.headers).map(([name, value]): [string, string | string[]] => [
      name,
      typeof value === "string" ? value : [...value],
    ]),
  );
  if (body instanceof Uint8Array) {
    if (body.length > body_bytes) throw tooLarge(body_bytes);
    headers["content-length"] = String(body.length);
  }
  const response = Promise.withResolvers<IncomingMessage>();
  const request = httpRequest({ host: "127.0.0.1", port, method, path, headers, signal, agent: false });
  request.once("response", response.resolve);
  request.on("error", response.reject);
  if (body === null || body instanceof Uint8Array) request.end(body ?? undefined);
  else void pipeline(body, limited(body_bytes), request).catch(response.reject);
  return await response.promise;
}

function limited(body_bytes: number): Transform {
  let left = body_bytes;
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      left -= chunk.length;
      if (left < 0) done(tooLarge(body_bytes));
      else done(null, chunk);
    },
  });
}

const tooLarge = (body_bytes: number): CodedError =>
  new CodedError("body_too_large", { message: `The body of a function call can have at most ${body_bytes} bytes.` });
