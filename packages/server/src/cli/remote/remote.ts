/**
 * A Holdfast server over HTTP: one exchange with time-out, credential, retries and a reader for the answer. Owns the headers.
 * GET, PUT and DELETE are repeated after 429, 502, 503 and 504, as long as `Retry-After` says (RFC 9110 section 10.2.3); POST
 * and PATCH never are. No redirect is followed: the credential would go along.
 */
import { randomUUID } from "node:crypto";
import { ApiError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import { RemoteError, refusalOf } from "./error.ts";
import { fieldsOf, Unfit, type Fields } from "./reply.ts";
import { VERSION } from "../terminal/version.ts";
import { wait as waitFor, type Wait } from "../terminal/wait.ts";

const TIMEOUT_MS = 15_000;
const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 300;
/** Longer, and a person would think that the command hangs. */
const MAX_PAUSE_MS = 30_000;
/** RFC 9110 section 9.2.2: twice is the same as once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "PUT", "DELETE"]);
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export interface Call {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** From the origin, percent-encoded. */
  readonly path: string;
  readonly json?: unknown;
  /** Sent as application/x-www-form-urlencoded. */
  readonly form?: Readonly<Record<string, string>>;
}

/** Who is calling. A login can renew itself after a 401; a key cannot. */
export interface Credential {
  /** The header to send. */
  header(): Promise<readonly [name: string, value: Secret]>;
  /** The server refused `value`. Whether trying again makes sense. */
  refused(value: Secret): Promise<boolean>;
  /** What to do about a 401. */
  readonly advice: string;
}

export interface Remote {
  readonly server_url: string;
  /** @throws RemoteError what the server refused; ApiError `server_unreachable`, `invalid_answer` */
  call<T>(call: Call, read: (fields: Fields) => T): Promise<T>;
  /** The same without looking at the answer, which may be empty. */
  send(call: Call): Promise<void>;
  /** One page of lines, and where the next one begins; null: there is none. */
  page(call: Call): Promise<{ readonly lines: string; readonly next: string | null }>;
  /** The same server, as somebody else. */
  withCredential(credential: Credential): Remote;
}

export interface RemoteOptions {
  readonly server_url: string;
  readonly credential: Credential | null;
  readonly transport?: typeof fetch;
  readonly wait?: Wait;
  readonly timeout_ms?: number;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export function createRemote(options: RemoteOptions): Remote {
  const { server_url, credential, transport = fetch, wait = waitFor, timeout_ms = TIMEOUT_MS } = options;

  async function exchange(call: Call, request_id: string, authorization: readonly [string, Secret] | null) {
    const headers = new Headers({ accept: "application/json", "user-agent": `holdfast/${VERSION}` });
    headers.set("x-request-id", request_id);
    if (authorization !== null) headers.set(authorization[0], authorization[1].expose());
    if (call.json !== undefined) headers.set("content-type", "application/json");
    const json = call.json === undefined ? undefined : JSON.stringify(call.json);
    const body = call.form === undefined ? json : new URLSearchParams(call.form);
    try {
      const signal = AbortSignal.timeout(timeout_ms);
      const reply = await transport(`${server_url}${call.path}`, {
        method: call.method,
        headers,
        redirect: "manual",
        signal,
        ...(body === undefined ? {} : { body }),
      });
      return { status: reply.status, headers: reply.headers, text: await reply.text() };
    } catch (cause) {
      throw unreachable(server_url, cause);
    }
  }

  async function repeated(call: Call, request_id: string, authorization: readonly [string, Secret] | null) {
    for (let attempt = 1; ; attempt++) {
      const answer: Answer = await exchange(call, request_id, authorization);
      if (!IDEMPOTENT.has(call.method) || attempt === ATTEMPTS || !PASSING.has(answer.status)) return answer;
      const pause_ms = pauseOf(answer.headers.get("retry-after")) ?? FIRST_PAUSE_MS * 2 ** (attempt - 1);
      if (pause_ms > MAX_PAUSE_MS) return answer;
      await wait(pause_ms);
    }
  }

  async function answered(call: Call): Promise<Answer> {
    // The same id on a repetition: in the server's log they belong together.
    const request_id = randomUUID();
    const first = (await credential?.header()) ?? null;
    const answer = await repeated(call, request_id, first);
    if (answer.status !== 401 || credential === null || first === null) return answer;
    if (!(await credential.refused(first[1]))) return answer;
    return repeated(call, request_id, await credential.header());
  }

  async function accepted(call: Call): Promise<Answer> {
    const answer = await answered(call);
    const { status, headers, text } = answer;
    if (status >= 300 && status < 400) throw moved(server_url, headers.get("location"));
    if (status < 400) return answer;
    const refusal = refusalOf(status, parse(text), headers.get("x-request-id"));
    if (status !== 401 || credential === null) throw new RemoteError(refusal);
    throw new RemoteError({ ...refusal, message: `${refusal.message} ${credential.advice}` });
  }

  return {
    server_url,
    withCredential: (other) => createRemote({ ...options, credential: other }),
    async send(call) {
      await accepted(call);
    },
    async page(call) {
      const { headers, text } = await accepted(call);
      if (headers.get("content-type")?.startsWith("application/x-ndjson") === true)
        return { lines: text, next: headers.get("x-next-cursor") };
      const message = `${server_url} answered ${call.method} ${call.path} with something else than lines. Is it a Holdfast server, of a version that fits this command?`;
      throw new ApiError("invalid_answer", { message });
    },
    async call(call, read) {
      const body = parse((await accepted(call)).text);
      try {
        return read(fieldsOf(body));
      } catch (error) {
        if (!(error instanceof Unfit)) throw error;
        const message = `${server_url} answered ${call.method} ${call.path} with something else than promised: ${error.message}. Is it a Holdfast server, of a version that fits this command?`;
        throw new ApiError("invalid_answer", { message });
      }
    },
  };
}

/** `Retry-After` in ms; null without one. Our server sends seconds, never a date. */
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

function unreachable(server_url: string, cause: unknown): ApiError {
  const timed_out = cause instanceof DOMException && cause.name === "TimeoutError";
  const what = timed_out ? "does not answer in time" : `cannot be reached${reasonOf(cause)}`;
  const message = `${server_url} ${what}. Check that the server runs and that the address is right: --server or HOLDFAST_SERVER_URL.`;
  return new ApiError("server_unreachable", { message, cause });
}

/** Node hides what went wrong one level down. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error ? cause.cause : undefined;
  const code = inner instanceof Error && "code" in inner && typeof inner.code === "string" ? inner.code : null;
  return code === null ? "" : ` (${code})`;
}

function moved(server_url: string, location: string | null): ApiError {
  const where = location !== null && URL.canParse(location, server_url) ? new URL(location, server_url).origin : null;
  const advice =
    where === null || where === server_url ? "Check the address" : `Is it ${where}? Then use --server ${where}`;
  const message = `${server_url} redirects elsewhere. Redirects are not followed, since the credential would go along. ${advice}.`;
  return new ApiError("invalid_answer", { message });
}
