/**
 * A custom fetch for one request of the protocol library to a token or revocation endpoint.
 *
 * It applies the provider's deviations to the request and the response, and records the real
 * result. The library only sees a clean success, because it reads the vendors' error formats as
 * malformed successes.
 */
import { isJsonObject } from "../core/types.ts";
import type { RequestFailure } from "../net/outbound.ts";
import { parseRetryAfter } from "../net/retry-after.ts";
import type { DeviationContext, TokenResponse, TokenRequest } from "../providers/deviation.ts";
import { clientIdParameter, jsonTokenRequest } from "../providers/deviations.ts";
import type { Provider } from "../providers/provider.ts";
import type { OAuthDeps } from "./deps.ts";
import { coreMembers, readTokenResponse } from "./token-response.ts";

type FetchResult =
  | RequestFailure
  | { readonly kind: "response"; readonly response: TokenResponse; readonly retry_after_ms: number | null };

export interface FetchOptions {
  readonly provider: Provider;
  readonly context: DeviationContext;
  readonly deadline_ms: number;
  readonly onSend?: (() => boolean) | undefined;
}

interface LibraryRequest {
  readonly body: URLSearchParams;
  readonly headers: Record<string, string>;
}

export interface RecordedFetch {
  /** For the library's `customFetch`. Never rejects. */
  readonly fetch: (url: string, request: LibraryRequest) => Promise<Response>;
  /** Returns the real result. Null if the library sent nothing. */
  readonly result: () => FetchResult | null;
}

export function createRecordedFetch(deps: OAuthDeps, options: FetchOptions): RecordedFetch {
  let result: FetchResult | null = null;
  return {
    result: () => result,
    fetch: async (url, { headers, body }) => {
      // Remains if anything below fails unexpectedly. This is the safe assumption.
      result = { kind: "maybe_sent", reason: "connection_lost" };
      result = await send(deps, options, { url, headers, body });
      const received = result.kind === "response" ? result.response.body : null;
      return Response.json(isJsonObject(received) ? coreMembers(received) : {});
    },
  };
}

async function send(deps: OAuthDeps, options: FetchOptions, built: TokenRequest): Promise<FetchResult> {
  const { provider, context, deadline_ms, onSend } = options;
  const request = applyRequest(provider, context, built);
  const sent = await deps.httpClient.send({
    method: "POST",
    url: request.url,
    headers: request.headers,
    body: String(request.body),
    deadline_ms,
    ...(onSend === undefined ? {} : { onSend }),
  });
  if (sent.kind !== "response") return sent;
  return {
    kind: "response",
    response: readTokenResponse(provider, context, sent),
    retry_after_ms: parseRetryAfter(sent.headers["retry-after"], deps.clock.now(), deps.limits),
  };
}

function applyRequest(provider: Provider, context: DeviationContext, built: TokenRequest): TokenRequest {
  const json = provider.token_body === "json" && context.grant !== "revocation";
  const renamed = provider.client_id_param === "client_id" ? [] : [clientIdParameter(provider.client_id_param)];
  // The body's encoding comes last, so that the other deviations see parameters.
  const steps = [...provider.deviations, ...renamed, ...(json ? [jsonTokenRequest] : [])];
  return steps.reduce((request, deviation) => deviation.request?.(request, context) ?? request, built);
}
