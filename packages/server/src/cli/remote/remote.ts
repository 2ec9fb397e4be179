/**
 * A Holdfast server over HTTP. Owns the headers, the timeout, the credential and the retries, and
 * reads each reply by its schema. Repeats GET, PUT and DELETE after 429, 502, 503 and 504, and
 * waits for `Retry-After` first (RFC 9110 section 10.2.3). Never repeats POST or PATCH. Follows no
 * redirect, because that would send the credential along.
 */
import { randomUUID } from "node:crypto";
import { errnoOf } from "../../core/errno.ts";
import { CodedError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import { VERSION } from "../../core/version.ts";
import { wait as waitFor, type Wait } from "../terminal/wait.ts";
import { RemoteError, refusalOf } from "./error.ts";
import type { Reply, ReplyName } from "./reply.ts";

const TIMEOUT_MS = 15_000;
const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 300;
/** After a longer pause, a command would seem to hang. */
const MAX_PAUSE_MS = 30_000;
/** RFC 9110 section 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "PUT", "DELETE"]);
const TEMPORARY: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export interface Call {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** From the origin, percent-encoded. */
  readonly path: string;
  readonly json?: unknown;
  /** Sent as application/x-www-form-urlencoded. */
  readonly form?: Readonly<Record<string, string>>;
  /** Default: 15 s. */
  readonly timeout_ms?: number;
}

/** The identity of the caller. A login can renew itself after a 401. An API key cannot. */
export interface Credential {
  /** Returns the header to send. */
  header(): Promise<Header>;
  /** Handles a 401 for the header's value. Reports whether to send the request again. */
  refused(value: Secret): Promise<boolean>;
  /** The advice that a 401's message ends with. */
  readonly advice: string;
}

type Header = readonly [name: string, value: Secret];

export interface Remote {
  readonly server_url: string;
  /** @throws RemoteError on a refusal, CodedError `server_unreachable`, `invalid_answer` */
  call<N extends ReplyName>(call: Call, reply: N): Promise<Reply<N>>;
  /** Does the same, but ignores the reply's body, which can be empty. */
  send(call: Call): Promise<void>;
  /**
   * Returns a page of JSON lines. `next` is the cursor of the next page, or null on the last one.
   */
  page(call: Call): Promise<Page>;
  /** Returns a client of the same server with another credential. */
  withCredential(credential: Credential): Remote;
}

export interface Page {
  readonly lines: string;
  readonly next: string | null;
}

export interface RemoteOptions {
  readonly server_url: string;
  readonly credential: Credential | null;
  readonly transport?: typeof fetch;
  readonly wait?: Wait;
  readonly timeout_ms?: number;
}

interface HttpReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export function createRemote(options: RemoteOptions): Remote {
  return {
    server_url: options.server_url,
    call: (call, reply) => callAndRead(options, call, reply),
    send: async (call) => void (await accepted(options, call)),
    page: (call) => readPage(options, call),
    withCredential: (credential) => createRemote({ ...options, credential }),
  };
}

async function callAndRead<N extends ReplyName>(options: RemoteOptions, call: Call, name: N): Promise<Reply<N>> {
  const { text } = await accepted(options, call);
  // Loading the schemas blocks this process, so the request goes first.
  const { readReply, UnexpectedReply } = await import("./reply.ts");
  try {
    return readReply(name, parse(text));
  } catch (error) {
    if (!(error instanceof UnexpectedReply)) throw error;
    throw unexpected(options, call, `an unexpected reply: ${error.message}`);
  }
}

async function readPage(options: RemoteOptions, call: Call): Promise<Page> {
  const { headers, text } = await accepted(options, call);
  if (headers.get("content-type")?.startsWith("application/x-ndjson") === true)
    return { lines: text, next: headers.get("x-next-cursor") };
  throw unexpected(options, call, "a reply that is not JSON lines");
}

/** Returns the reply of a call that the server accepted. @throws RemoteError, CodedError */
async function accepted(options: RemoteOptions, call: Call): Promise<HttpReply> {
  const { server_url, credential } = options;
  const reply = await authorized(options, call);
  const { status, headers, text } = reply;
  if (status >= 300 && status < 400) throw moved(server_url, headers.get("location"));
  if (status < 400) return reply;
  const refusal = refusalOf(status, parse(text), headers.get("x-request-id"));
  if (status !== 401 || credential === null) throw new RemoteError(refusal);
  throw new RemoteError({ ...refusal, message: `${refusal.message} ${credential.advice}` });
}

/** Sends the credential, and a second time if it renewed itself after a 401. */
async function authorized(options: RemoteOptions, call: Call): Promise<HttpReply> {
  const { credential } = options;
  // All attempts have the same id, so that the server's log shows that they belong together.
  const request_id = randomUUID();
  if (credential === null) return repeated(options, call, request_id, null);
  const header = await credential.header();
  const reply = await repeated(options, call, request_id, header);
  if (reply.status !== 401 || !(await credential.refused(header[1]))) return reply;
  return repeated(options, call, request_id, await credential.header());
}

async function repeated(
  options: RemoteOptions,
  call: Call,
  request_id: string,
  authorization: Header | null,
): Promise<HttpReply> {
  const { wait = waitFor } = options;
  for (let attempt = 1; ; attempt++) {
    const reply = await exchange(options, call, request_id, authorization);
    if (!IDEMPOTENT.has(call.method) || attempt === ATTEMPTS || !TEMPORARY.has(reply.status)) return reply;
    const pause_ms = pauseOf(reply.headers.get("retry-after")) ?? FIRST_PAUSE_MS * 2 ** (attempt - 1);
    if (pause_ms > MAX_PAUSE_MS) return reply;
    await wait(pause_ms);
  }
}

async function exchange(
  { server_url, transport = fetch, timeout_ms = TIMEOUT_MS }: RemoteOptions,
  call: Call,
  request_id: string,
  authorization: Header | null,
): Promise<HttpReply> {
  const headers = new Headers({ accept: "application/json", "user-agent": `holdfast/${VERSION}` });
  headers.set("x-request-id", request_id);
  if (authorization !== null) headers.set(authorization[0], authorization[1].expose());
  if (call.json !== undefined) headers.set("content-type", "application/json");
  const json = call.json === undefined ? undefined : JSON.stringify(call.json);
  const body = call.form === undefined ? json : new URLSearchParams(call.form);
  try {
    const reply = await transport(`${server_url}${call.path}`, {
      method: call.method,
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(call.timeout_ms ?? timeout_ms),
      ...(body === undefined ? {} : { body }),
    });
    return { status: reply.status, headers: reply.headers, text: await reply.text() };
  } catch (cause) {
    throw unreachable(server_url, cause);
  }
}

/** Returns `Retry-After` in ms, or null without one. Our server sends seconds, never a date. */
function pauseOf(header: string | null): number | null {
  return header !== null && /^\d{1,6}$/.test(header.trim()) ? Number(header) * 1000 : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unexpected({ server_url }: RemoteOptions, { method, path }: Call, what: string): CodedError {
  const message = `${server_url} replied to ${method} ${path} with ${what}. Is it a Holdfast server, and does its version fit this command?`;
  return new CodedError("invalid_answer", { message });
}

function unreachable(server_url: string, cause: unknown): CodedError {
  const timed_out = cause instanceof DOMException && cause.name === "TimeoutError";
  const what = timed_out ? "did not respond in time" : `is unreachable${reasonOf(cause)}`;
  const message = `${server_url} ${what}. Check that the server is running and that the address is correct: --server or HOLDFAST_SERVER_URL.`;
  return new CodedError("server_unreachable", { message, cause });
}

/** Returns the error code, which fetch puts one level down, in parentheses. */
function reasonOf(cause: unknown): string {
  const code = cause instanceof Error ? errnoOf(cause.cause) : null;
  return code === null ? "" : ` (${code})`;
}

function moved(server_url: string, location: string | null): CodedError {
  const where = location !== null && URL.canParse(location, server_url) ? new URL(location, server_url).origin : null;
  const advice =
    where === null || where === server_url ? "Check the address" : `Is it ${where}? Then use --server ${where}`;
  const message = `${server_url} redirects to another address. Commands do not follow redirects, because they would send the credential along. ${advice}.`;
  return new CodedError("invalid_answer", { message });
}
