/**
 * Tokens that renew themselves: a short-lived one is turned into one for weeks, and that one is exchanged for its own
 * successor. No RFC has this; the answers look like those of a token endpoint (RFC 6749 §5.1) and are judged like them.
 */
import { Secret } from "../core/secret.ts";
import { isJsonObject } from "../core/types.ts";
import type { ApiRequest } from "../providers/provider.ts";
import { callApi, type ApiCall } from "./api-call.ts";
import type { ClientCredentials } from "./client-auth.ts";
import type { OAuthDeps } from "./deps.ts";
import { BAD_RESPONSE, UNSUPPORTED_TYPE, outcomeOfAnswer, outcomeOfFailure, type TokenOutcome } from "./outcome.ts";
import { readTokens } from "./token-response.ts";

/** The token in `call` for a longer one. The new token is also what the next renewal is made with. */
export async function renew(
  deps: OAuthDeps,
  call: Omit<ApiCall, "request"> & { readonly client: ClientCredentials },
  request: ApiRequest,
): Promise<TokenOutcome> {
  const { provider, client } = call;
  const answer = await callApi(deps, { ...call, request });
  if (answer.kind === "unbuilt") return { kind: "misconfigured", error: answer.detail };
  if (answer.kind !== "response") return outcomeOfFailure(answer);
  const failure = outcomeOfAnswer(provider, answer, answer.retry_after_ms);
  if (failure !== null) return failure;
  const { body } = answer;
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
