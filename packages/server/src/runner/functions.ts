/**
 * Runs backend functions: finds one, makes sure that a process of its present version is there, and takes one request
 * through it. Owns the life of an invocation and of its token; the parts it calls own everything else.
 *
 * An invocation is over when its answer is complete *and* the child says that the promises given to `waitUntil` have
 * settled, at the latest `function_token_grace_ms` after the answer; at once when it fails or takes too long. Then
 * `endInvocation` is called, once, and the invocation's token must work no more.
 *
 * Must not know how tokens are made or stored, nor who may call a function.
 */
import type { Readable } from "node:stream";
import { within, type Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import { plus, type Instant } from "../core/types.ts";
import type { Limits } from "../config.ts";
import { findDeno } from "./deno.ts";
import { FAILED_HEADER, answerHeaders, requestHeaders, type HeaderRecord } from "./headers.ts";
import { findFunction, listFunctions, matchFunction, type FunctionMatch } from "./names.ts";
import { createPool, type Slot } from "./pool.ts";
import { exitError, sendRequest, startProcess, type FunctionProcess } from "./process.ts";
import { createVersions, type Version } from "./versions.ts";

/** How long a broken connection to the child waits for the exit that explains it. */
const EXIT_WAIT_MS = 2_000;

export interface FunctionRequest {
  readonly app_id: string;
  readonly function_name: string;
  readonly method: string;
  /** What follows the function's name, query included; begins with `/`. */
  readonly path: string;
  readonly headers: HeaderRecord;
  readonly body: Uint8Array | Readable | null;
  /** The app user's token if it was verified, without "Bearer ". */
  readonly user_authorization: string | null;
}

export interface FunctionAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** Arrives as the function sends it. Ends with an error when the function dies or takes too long. */
  readonly body: Readable;
}

export interface FunctionLogLine {
  readonly app_id: string;
  readonly function_name: string;
  readonly level: "info" | "error";
  /** One line, tokens of running invocations replaced. */
  readonly message: string;
}

export interface TokenRequest {
  readonly app_id: string;
  readonly function_name: string;
  readonly expires_at: Instant;
  readonly invocation_id: string;
}

export interface FunctionRunnerOptions {
  readonly functions_dir: string;
  /** The loopback address that functions call back. A function, since the port is known only after listen. */
  readonly server_url: () => string;
  readonly gateway: string | null;
  /** Hosts whose https requests go to the gateway: `slack.com`, or `*.salesforce.com`. */
  readonly gateway_hosts: readonly string[];
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: (line: FunctionLogLine) => void;
  readonly mintToken: (request: TokenRequest) => string | Promise<string>;
  readonly endInvocation: (invocation_id: string) => void | Promise<void>;
}

export interface FunctionRunner {
  /** @throws ApiError `function_not_found`, `function_invalid`, `function_error`, `function_timeout`, `function_out_of_memory`, `overloaded`, `body_too_large`. */
  invoke(request: FunctionRequest): Promise<FunctionAnswer>;
  /** Which function a path below `/api/functions/` means. */
  match(path: string): Promise<FunctionMatch | null>;
  list(): Promise<readonly string[]>;
  /** Ends every process; invocations under way fail. */
  close(): Promise<void>;
}

/** What is known of an invocation until it is over. */
interface Invocation {
  readonly id: string;
  readonly request: FunctionRequest;
  readonly slot: Slot;
  answered: boolean;
  done: boolean;
  cancel: () => void;
}

export function createFunctionRunner(options: FunctionRunnerOptions): FunctionRunner {
  const { functions_dir, limits, clock } = options;
  const binary = findDeno();
  const versions = createVersions(limits.function_source_bytes);
  const pool = createPool({ clock, idle_ms: limits.function_idle_ms, limit: limits.function_processes });
  const invocations = new Map<string, Invocation>();
  /** By invocation: what must not show in a log. */
  const live_tokens = new Map<string, readonly string[]>();
  let closed = false;
  const refuseWhenClosed = (): void => {
    if (closed) throw new ApiError("overloaded", { message: "The server is shutting down." });
  };

  const start = ({ app_id, function_name }: FunctionRequest, version: Version): FunctionProcess =>
    startProcess({
      binary,
      directory: version.directory,
      function_name,
      server_url: options.server_url(),
      gateway: options.gateway,
      gateway_hosts: options.gateway_hosts,
      start_timeout_ms: limits.function_start_timeout_ms,
      heap_mb: limits.function_heap_mb,
      clock,
      onLine: (stream, line) => {
        const level = stream === "stderr" ? "error" : "info";
        options.log({ app_id, function_name, level, message: redacted(line, [...live_tokens.values()].flat()) });
      },
      onDone: (id) => settle(invocations.get(id), { done: true }),
    });

  const noteEnd = async (id: string): Promise<void> => await options.endInvocation(id);

  /** Notes what happened to an invocation, and ends it when both things have. */
  const settle = (invocation: Invocation | undefined, what: { answered?: true; done?: true }): void => {
    if (invocation === undefined) return;
    Object.assign(invocation, what);
    if (invocation.answered && invocation.done) return finish(invocation);
    if (what.answered === undefined) return;
    invocation.cancel();
    invocation.cancel = clock.after(limits.function_token_grace_ms, () => finish(invocation));
  };

  const finish = (invocation: Invocation): void => {
    if (!invocations.delete(invocation.id)) return;
    invocation.cancel();
    live_tokens.delete(invocation.id);
    pool.release(invocation.slot);
    // A failure to note the end is not the caller's business: the token ends by its expiry then.
    void noteEnd(invocation.id).catch(() => {});
  };

  /** Why no answer came. The process takes no new work: it hangs, or it is gone. */
  const explain = async ({ slot, request }: Invocation, timed_out: boolean): Promise<ApiError> => {
    pool.retire(slot);
    if (timed_out) {
      const message = `The function ${request.function_name} did not answer within ${limits.function_timeout_ms} ms.`;
      return new ApiError("function_timeout", { message });
    }
    const exit = await within(clock, slot.process.exited, EXIT_WAIT_MS, { code: null, signal: null });
    return exitError(request.function_name, exit);
  };

  const run = async (invocation: Invocation): Promise<FunctionAnswer> => {
    const { id, request, slot } = invocation;
    const deadline = new AbortController();
    try {
      const port = await slot.process.port;
      invocation.cancel = clock.after(limits.function_timeout_ms, () => deadline.abort());
      const expires_at = plus(clock.now(), limits.function_timeout_ms + limits.function_token_grace_ms);
      const { app_id, function_name } = request;
      const function_token = await options.mintToken({ app_id, function_name, expires_at, invocation_id: id });
      live_tokens.set(id, [function_token, request.user_authorization ?? ""].filter(Boolean));
      const platform = {
        app_id,
        server_url: options.server_url(),
        function_token,
        user_token: request.user_authorization,
        key: slot.process.key,
        invocation_id: id,
      };
      const headers = requestHeaders(request.headers, platform);
      const { method, path, body } = request;
      const sending = {
        port,
        method,
        path,
        headers,
        body,
        body_bytes: limits.function_body_bytes,
        signal: deadline.signal,
      };
      const answer = await sendRequest(sending).catch(async (error: unknown) => {
        throw error instanceof ApiError ? error : await explain(invocation, deadline.signal.aborted);
      });
      // Whoever reads the answer sees its error; without a listener here, one that nobody reads would end the server.
      answer.on("error", () => deadline.signal.aborted && pool.retire(slot));
      const failure = answer.headers[FAILED_HEADER];
      if (typeof failure === "string") {
        answer.destroy();
        if (failure !== "handler") pool.retire(slot);
        throw failureError(function_name, failure);
      }
      answer.once("close", () => (answer.complete ? settle(invocation, { answered: true }) : finish(invocation)));
      return { status: answer.statusCode ?? 502, headers: answerHeaders(answer.headers), body: answer };
    } catch (error) {
      finish(invocation);
      throw error;
    }
  };

  return {
    async invoke(request) {
      refuseWhenClosed();
      const source = await findFunction(functions_dir, request.function_name);
      const version = await versions.current(source);
      refuseWhenClosed();
      const slot = pool.take(`${request.app_id}\n${request.function_name}`, version, () => start(request, version));
      const invocation: Invocation = {
        id: newId("inv"),
        request,
        slot,
        answered: false,
        done: false,
        cancel: () => {},
      };
      invocations.set(invocation.id, invocation);
      return await run(invocation);
    },
    match: (path) => matchFunction(functions_dir, path),
    list: () => listFunctions(functions_dir),
    async close() {
      closed = true;
      await pool.close();
      for (const invocation of invocations.values()) finish(invocation);
      await versions.close();
    },
  };
}

function failureError(function_name: string, failure: string): ApiError {
  if (failure === "no_handler") {
    const message = `The function ${function_name} handles no requests: call Deno.serve(handler), or export default a function or an object with fetch.`;
    return new ApiError("function_invalid", { message });
  }
  if (failure === "load") {
    return new ApiError("function_invalid", {
      message: `The function ${function_name} threw an error while it was loaded. Its log has the error.`,
    });
  }
  return new ApiError("function_error", {
    message: `The function ${function_name} threw an error before it answered. Its log has the error.`,
  });
}

function redacted(line: string, tokens: readonly string[]): string {
  return tokens.reduce((text, token) => text.replaceAll(token, "[redacted]"), line);
}
