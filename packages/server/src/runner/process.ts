/**
 * One Deno process of one app and function: starts it, passes its settings, reads its output, sends
 * it requests, and ends it. Must not know when a process should end. pool.ts does.
 */
import { randomBytes } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { Transform, type Readable, type TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import { isOutOfMemory, spawnDeno, type Exit } from "./deno.ts";
import { readLines } from "./lines.ts";

export interface ProcessOptions {
  readonly binary: string;
  readonly directory: string;
  readonly function_name: string;
  readonly server_url: string;
  readonly gateway: string | null;
  readonly gateway_hosts: readonly string[];
  readonly start_timeout_ms: number;
  readonly heap_mb: number;
  readonly clock: Clock;
  readonly onLine: (stream: "stdout" | "stderr", line: string) => void;
  /** Called when the child has no work left for this invocation. */
  readonly onDone: (invocation_id: string) => void;
}

export interface FunctionProcess {
  /** Random, per process. Proves that a request is from the server. */
  readonly key: string;
  /** The loopback port, once the child listens. Rejects with an CodedError. */
  readonly port: Promise<number>;
  readonly exited: Promise<Exit>;
  /** Kills the child immediately, because a function has nothing to clean up. */
  kill(): void;
}

export function startProcess(options: ProcessOptions): FunctionProcess {
  const { function_name, clock } = options;
  const key = randomBytes(32).toString("base64url");
  const reachable = options.gateway === null ? null : [new URL(options.server_url).host, new URL(options.gateway).host];
  const child = spawnDeno(options.binary, { directory: options.directory, reachable, heap_mb: options.heap_mb });
  /** True after this server sent SIGKILL. A SIGKILL from the kernel means that memory ran out. */
  let killed_here = false;
  const exited = new Promise<Exit>((resolve) => {
    child.once("error", () => resolve({ code: null, signal: null }));
    child.once("close", (code, signal) => resolve({ code, signal: killed_here ? null : signal }));
  });
  const kill = (): void => {
    killed_here = true;
    child.kill("SIGKILL");
  };
  const listening = Promise.withResolvers<number>();
  const cancelStart = clock.after(options.start_timeout_ms, () => {
    listening.reject(
      new CodedError("function_timeout", { message: `The function ${function_name} did not start in time.` }),
    );
    kill();
  });

  const onControl = (line: string): void => {
    const [word, value = ""] = line.split(" ");
    // Only the first line counts. It comes before any code of the function, which could print
    // another port.
    if (word === "@@ready") listening.resolve(Number(value));
    if (word === "@@done") options.onDone(value);
  };
  const now_ms = (): number => clock.monotonic_ms();
  readLines(child.stdout, { now_ms, onLine: (line) => options.onLine("stdout", line), onControl });
  readLines(child.stderr, { now_ms, onLine: (line) => options.onLine("stderr", line) });
  void exited.then((exit) => listening.reject(exitError(function_name, exit)));
  void listening.promise.catch(() => {}).finally(cancelStart);
  // A child that exits immediately closes its stdin. Its exit explains why.
  child.stdin.on("error", () => {});
  const settings = { key, gateway: options.gateway, hosts: options.gateway_hosts, secrets: {} };
  // Left open. When this server dies, the child reads the end of stdin and exits.
  child.stdin.write(`${JSON.stringify(settings)}\n`);
  return { key, port: listening.promise, exited, kill };
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
