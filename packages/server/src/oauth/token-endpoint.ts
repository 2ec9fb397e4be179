/**
 * One request to a token endpoint, and its outcome. Used by code exchange and refresh.
 *
 * The protocol library builds the request and checks a successful response. outcome.ts classifies
 * everything else. Never throws and never retries.
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
import { BAD_RESPONSE, UNSUPPORTED_TYPE, outcomeOfResponse, outcomeOfFailure, type TokenOutcome } from "./outcome.ts";
import { readTokens } from "./token-response.ts";
import { createRecordedFetch, type FetchOptions } from "./recorded-fetch.ts";

export interface TokenCall extends FetchOptions {
  readonly config: ConnectionConfig;
  readonly client: ClientCredentials;
}

/** A grant request of the library, with the grant's parameters bound. */
export type GrantRequest = (
  server: AuthorizationServer,
  client: Client,
  auth: ClientAuth,
  options: TokenEndpointRequestOptions,
) => Promise<Response>;

/** Sends the grant request and returns its outcome. */
export async function callTokenEndpoint(deps: OAuthDeps, call: TokenCall, grant: GrantRequest): Promise<TokenOutcome> {
  const { provider, client: credentials } = call;
  const token_endpoint = fillTemplate(provider, provider.token_url, call.config);
  if (token_endpoint === null) return { kind: "misconfigured", error: "invalid_connection_config" };
  const server = { issuer: new URL(token_endpoint).origin, token_endpoint };
  const client = { client_id: credentials.client_id };
  const headers = providerHeaders(provider.token_headers);
  const recorded = createRecordedFetch(deps, call);

  let response: Response;
  try {
    const auth = clientAuthOf(provider, credentials);
    response = await grant(server, client, auth, { headers, [customFetch]: recorded.fetch });
  } catch {
    // For example, an empty client id. Nothing should throw after sending. If it does, the outcome
    // is unknown.
    const sent = recorded.result() !== null;
    return sent ? { kind: "unknown", error: BAD_RESPONSE } : { kind: "misconfigured", error: "request_not_buildable" };
  }
  const result = recorded.result();
  if (result === null) return { kind: "misconfigured", error: "request_not_buildable" };
  if (result.kind !== "response") return outcomeOfFailure(result);
  const failure = outcomeOfResponse(provider, result.response, result.retry_after_ms);
  if (failure !== null) return failure;
  return accept(deps, call, { server, client, response }, result.response.body);
}

interface Success {
  readonly server: AuthorizationServer;
  readonly client: Client;
  readonly response: Response;
}

/**
 * Reads the tokens of a successful response. Without usable tokens the outcome is `unknown`,
 * because the grant may be consumed anyway.
 */
async function accept(deps: OAuthDeps, call: TokenCall, success: Success, body: JsonValue): Promise<TokenOutcome> {
  const bad: TokenOutcome = { kind: "unknown", error: BAD_RESPONSE };
  const wrongType: TokenOutcome = { kind: "unknown", error: UNSUPPORTED_TYPE };
  if (!isJsonObject(body)) return bad;
  try {
    const accepted = await processGenericTokenEndpointResponse(success.server, success.client, success.response);
    // The library also accepts DPoP tokens, which are useless without their key.
    if (accepted.token_type !== "bearer") return wrongType;
    const reading = { provider: call.provider, client_id: call.client.client_id, now: deps.clock.now() };
    const tokens = readTokens({ ...reading, limits: deps.limits }, accepted, body);
    return tokens === null ? bad : { kind: "ok", tokens };
  } catch (error) {
    return error instanceof UnsupportedOperationError ? wrongType : bad;
  }
}
