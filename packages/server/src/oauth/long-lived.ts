/**
 * Tokens that renew themselves. A short-lived token is exchanged for a token that is valid for
 * weeks, and that token for its successor. No RFC defines this. The responses look like those of a
 * token endpoint (RFC 6749 §5.1) and are classified the same way.
 */
import { Secret } from "../core/secret.ts";
import { isJsonObject } from "../core/types.ts";
import type { ApiRequest } from "../providers/provider.ts";
import { callApi, type ApiCall } from "./api-call.ts";
import type { ClientCredentials } from "./client-auth.ts";
import type { OAuthDeps } from "./deps.ts";
import { BAD_RESPONSE, UNSUPPORTED_TYPE, outcomeOfResponse, outcomeOfFailure, type TokenOutcome } from "./outcome.ts";
import { readTokens } from "./token-response.ts";

/**
 * Exchanges the token in `call` for a new one, which is also the refresh token of the next renewal.
 */
export async function renew(
  deps: OAuthDeps,
  call: Omit<ApiCall, "request"> & { readonly client: ClientCredentials },
  request: ApiRequest,
): Promise<TokenOutcome> {
  const { provider, client } = call;
  const response = await callApi(deps, { ...call, request });
  if (response.kind === "not_buildable") return { kind: "misconfigured", error: response.detail };
  if (response.kind !== "response") return outcomeOfFailure(response);
  const failure = outcomeOfResponse(provider, response, response.retry_after_ms);
  if (failure !== null) return failure;
  const { body } = response;
  if (!isJsonObject(body) || typeof body["access_token"] !== "string") return { kind: "unknown", error: BAD_RESPONSE };
  const { token_type } = body;
  if (typeof token_type !== "string") return { kind: "unknown", error: BAD_RESPONSE };
  if (token_type.toLowerCase() !== "bearer") return { kind: "unknown", error: UNSUPPORTED_TYPE };
  const { access_token } = body;
  const reading = { provider, client_id: client.client_id, now: deps.clock.now(), limits: deps.limits };
  const tokens = readTokens(reading, { access_token }, body);
  if (tokens === null) return { kind: "unknown", error: BAD_RESPONSE };
  return { kind: "ok", tokens: { ...tokens, refresh_token: new Secret(access_token) } };
}
