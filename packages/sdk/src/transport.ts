/**
 * One HTTP exchange with the server: address, headers, and either a value that the call's reader accepts or an error.
 * The only module that calls `fetch`. Repeats nothing, keeps nothing, and follows no redirect.
 */
import { HoldfastError } from "./error.ts";
import { parseBody, textOf } from "./json.ts";
import { refusalOf } from "./refusal.ts";
import type { Fetch } from "./types.ts";

interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below `/api/apps/<app id>/`, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; `undefined` sends none. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** Sends `call`. `read` takes the parsed body of a 2xx; `null` from it means "not what this call promises". */
export type Send = <T>(call: Call, read: (body: unknown) => T | null) => Promise<T>;

interface Target {
  /** `<server>/api/apps/<app id>`. */
  readonly address: string;
  /** Sent with every request of this half of the client. */
  readonly headers: Headers;
  readonly fetch: Fetch;
}

export function createSend({ address, headers, fetch }: Target): Send {
  return async (call, read) => {
    const url = `${address}/${call.path}`;
    const what = `${call.method} ${url}`;
    const repeatable = call.method !== "POST";
    const { response, body } = await exchange(fetch, url, requestInit(headers, call), what, repeatable);
    // A browser hides a redirect that is not followed behind status 0.
    const redirected = response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400);
    if (!response.ok) {
      const { status, headers: answered } = response;
      throw refusalOf({ what, status, headers: answered, body, redirected, repeatable });
    }

    const value = read(parseBody(body));
    if (value !== null) return value;
    // The body stays out of the error: a success that we cannot read may still hold a token.
    throw new HoldfastError(
      `${what} was answered with status ${response.status}, but not with what this call promises. Is serverUrl the address of a Holdfast server?`,
      {
        status: response.status,
        code: "invalid_response",
        requestId: textOf(response.headers.get("x-request-id")),
      },
    );
  };
}

function requestInit(common: Headers, call: Call): RequestInit {
  const headers = new Headers(common);
  for (const [name, value] of Object.entries(call.headers ?? {})) headers.set(name, value);
  return {
    method: call.method,
    headers,
    body: call.body === undefined ? null : JSON.stringify(call.body),
    // fetch drops Authorization when a redirect leads to another origin, but not `on-behalf-of`, which is a token as well.
    redirect: "manual",
    signal: call.signal ?? null,
  };
}

async function exchange(fetch: Fetch, url: string, init: RequestInit, what: string, retryable: boolean) {
  try {
    const response = await fetch(url, init);
    return { response, body: await response.text() };
  } catch (cause) {
    if (init.signal?.aborted === true) throw init.signal.reason;
    throw new HoldfastError(`${what} got no complete answer. Is the server running and reachable from here?`, {
      status: 0,
      code: "network_error",
      retryable,
      cause,
    });
  }
}
