/**
 * The seam between the protocol library and the wire: a custom fetch for one request to a token or revocation endpoint.
 *
 * It applies the provider's deviations to the request and to the answer, and keeps what really happened. The library is
 * handed only a clean success, because it reads the vendors' own shapes of errors as malformed successes.
 */
import type { Limits } from "../config.ts";
import { isJsonObject, type Instant } from "../core/types.ts";
import type { DeviationContext, TokenAnswer, TokenRequest } from "../providers/deviation.ts";
import { clientIdParameter, jsonTokenRequest } from "../providers/deviations.ts";
import type { Provider } from "../providers/provider.ts";
import type { OAuthDeps } from "./deps.ts";
import { parseRetryAfter } from "../net/retry-after.ts";
import { coreMembers, readTokenAnswer } from "./token-response.ts";
import type { Failure, OutboundResponse } from "../net/http-client.ts";

type WireResult =
  | Failure
  | { readonly kind: "response"; readonly answer: TokenAnswer; readonly retry_after_ms: number | null };

export interface WireOptions {
  readonly provider: Provider;
  readonly context: DeviationContext;
  readonly deadline_ms: number;
  readonly onSend?: (() => boolean) | undefined;
}

interface LibraryRequest {
  readonly body: URLSearchParams;
  readonly headers: Record<string, string>;
}

export interface Wire {
  /** For the library's `customFetch`. Never rejects. */
  readonly fetch: (url: string, request: LibraryRequest) => Promise<Response>;
  /** What happened; null = the library never got as far as sending. */
  readonly result: () => WireResult | null;
}

export function createWire(deps: OAuthDeps, options: WireOptions): Wire {
  let result: WireResult | null = null;
  return {
    result: () => result,
    fetch: async (url, { headers, body }) => {
      // Stands if anything below fails in a way nobody thought of: the cautious reading.
      result = { kind: "maybe_sent", reason: "connection_lost" };
      result = await send(deps, options, { url, headers, body });
      const answer_body = result.kind === "response" ? result.answer.body : null;
      return Response.json(isJsonObject(answer_body) ? coreMembers(answer_body) : {});
    },
  };
}

async function send(deps: OAuthDeps, options: WireOptions, built: TokenRequest): Promise<WireResult> {
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
    answer: readTokenAnswer(provider, context, sent),
    retry_after_ms: retryAfterOf(sent, deps.clock.now(), deps.limits),
  };
}

function applyRequest(provider: Provider, context: DeviationContext, built: TokenRequest): TokenRequest {
  const json = provider.token_body === "json" && context.grant !== "revocation";
  const renamed = provider.client_id_param === "client_id" ? [] : [clientIdParameter(provider.client_id_param)];
  // The body's form comes last, so that the other deviations see parameters.
  const steps = [...provider.deviations, ...renamed, ...(json ? [jsonTokenRequest] : [])];
  return steps.reduce((request, deviation) => deviation.request?.(request, context) ?? request, built);
}

function retryAfterOf(answer: OutboundResponse, now: Instant, limits: Limits): number | null {
  return parseRetryAfter(answer.headers["retry-after"], now, limits);
}
