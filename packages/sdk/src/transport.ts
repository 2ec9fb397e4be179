/**
 * One HTTP exchange with the server: address, headers, and either a value that the call's reader
 * accepts or an error. The only module that calls `fetch`. Repeats nothing, stores nothing and
 * follows no redirect.
 */
import { HoldfastError } from "./error.ts";
import { parseBody, nonEmptyString } from "./json.ts";
import { errorFrom } from "./reply-error.ts";
import type { Fetch } from "./types.ts";

interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below `/api/apps/<app id>/`, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. `undefined` sends no body. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends `call`. `read` takes the parsed body of a 2xx and returns `null` if it does not fit the
 * call.
 */
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
    const label = `${call.method} ${url}`;
    const repeatable = call.method !== "POST";
    const { response, body } = await exchange(fetch, url, requestInit(headers, call), label, repeatable);
    // A browser reports a redirect that is not followed as status 0.
    const redirected = response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400);
    if (!response.ok) {
      const { status, headers: replyHeaders } = response;
      throw errorFrom({ label, status, headers: replyHeaders, body, redirected, repeatable });
    }

    const value = read(parseBody(body));
    if (value !== null) return value;
    // The body stays out of the error: a success that we cannot read may still contain a token.
    throw new HoldfastError(
      `${label} returned status ${response.status}, but not the expected body. Is serverUrl the address of a Holdfast server?`,
      {
        status: response.status,
        code: "invalid_response",
        requestId: nonEmptyString(response.headers.get("x-request-id")),
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
    // When a redirect leads to another origin, fetch drops Authorization but not `on-behalf-of`,
    // which is also a token.
    redirect: "manual",
    signal: call.signal ?? null,
  };
}

async function exchange(fetch: Fetch, url: string, init: RequestInit, label: string, retryable: boolean) {
  try {
    const response = await fetch(url, init);
    return { response, body: await response.text() };
  } catch (cause) {
    if (init.signal?.aborted === true) throw init.signal.reason;
    throw new HoldfastError(`${label} got no complete reply. Is the server running and reachable from here?`, {
      status: 0,
      code: "network_error",
      retryable,
      cause,
    });
  }
}
