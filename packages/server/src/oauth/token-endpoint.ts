/**
 * One request to a token endpoint, and its outcome. Used by code exchange and refresh alike.
 *
 * The protocol library builds the request and checks a success; outcome.ts judges everything else. Never throws and
 * never repeats a request, whatever the provider does.
 */
import {
  customFetch,
  processGenericTokenEndpointResponse,
  UnsupportedOperationError,
  type AuthorizationServer,
  type Client,
  type ClientAuth,
  type TokenEndpointRequestOptions,
} from "oauth4webapi";
import { isJsonObject, type ConnectionConfig, type JsonValue } from "../core/types.ts";
import { fillTemplate } from "../providers/template.ts";
import { clientAuthOf, type ClientCredentials } from "./client-auth.ts";
import { providerHeaders, type OAuthDeps } from "./deps.ts";
import { BAD_RESPONSE, UNSUPPORTED_TYPE, outcomeOfAnswer, outcomeOfFailure, type TokenOutcome } from "./outcome.ts";
import { readTokens } from "./token-response.ts";
import { createWire, type WireOptions } from "./recorded-fetch.ts";

export interface TokenCall extends WireOptions {
  readonly config: ConnectionConfig;
  readonly client: ClientCredentials;
}

/** One of the library's grant requests, with its own parameters bound. */
export type GrantRequest = (
  server: AuthorizationServer,
  client: Client,
  auth: ClientAuth,
  options: TokenEndpointRequestOptions,
) => Promise<Response>;

export async function callTokenEndpoint(deps: OAuthDeps, call: TokenCall, grant: GrantRequest): Promise<TokenOutcome> {
  const { provider, client: credentials } = call;
  const token_endpoint = fillTemplate(provider, provider.token_url, call.config);
  if (token_endpoint === null) return { kind: "misconfigured", error: "invalid_connection_config" };
  const server = { issuer: new URL(token_endpoint).origin, token_endpoint };
  const client = { client_id: credentials.client_id };
  const headers = providerHeaders(provider.token_headers);
  const wire = createWire(deps, call);

  let response: Response;
  try {
    const auth = clientAuthOf(provider, credentials);
    response = await grant(server, client, auth, { headers, [customFetch]: wire.fetch });
  } catch {
    // An empty client id or secret, say. After sending nothing is left that could throw; if it does, be careful.
    const sent = wire.result() !== null;
    return sent ? { kind: "unknown", error: BAD_RESPONSE } : { kind: "misconfigured", error: "request_not_buildable" };
  }
  const result = wire.result();
  if (result === null) return { kind: "misconfigured", error: "request_not_buildable" };
  if (result.kind !== "response") return outcomeOfFailure(result);
  const failure = outcomeOfAnswer(provider, result.answer, result.retry_after_ms);
  if (failure !== null) return failure;
  return accept(deps, call, { server, client, response }, result.answer.body);
}

interface Success {
  readonly server: AuthorizationServer;
  readonly client: Client;
  readonly response: Response;
}

/** A success must hold usable tokens. If it does not, the grant may be used up all the same. */
async function accept(deps: OAuthDeps, call: TokenCall, success: Success, body: JsonValue): Promise<TokenOutcome> {
  const bad: TokenOutcome = { kind: "unknown", error: BAD_RESPONSE };
  const wrongType: TokenOutcome = { kind: "unknown", error: UNSUPPORTED_TYPE };
  if (!isJsonObject(body)) return bad;
  try {
    const accepted = await processGenericTokenEndpointResponse(success.server, success.client, success.response);
    // The library also takes DPoP, whose tokens are no use without the key.
    if (accepted.token_type !== "bearer") return wrongType;
    const reading = { provider: call.provider, client_id: call.client.client_id, now: deps.clock.now() };
    const tokens = readTokens({ ...reading, limits: deps.limits }, accepted, body);
    return tokens === null ? bad : { kind: "ok", tokens };
  } catch (error) {
    return error instanceof UnsupportedOperationError ? wrongType : bad;
  }
}
