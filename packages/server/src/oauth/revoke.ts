/**
 * Revokes tokens at the provider, by RFC 7009 or by the vendor's own request.
 *
 * A token that is already invalid counts as revoked (RFC 7009 §2.2). Nothing is retried here.
 */
import { customFetch, revocationRequest } from "oauth4webapi";
import type { Secret } from "../core/secret.ts";
import type { ConnectionConfig } from "../core/types.ts";
import type { RequestFailure } from "../net/outbound.ts";
import type { TokenResponse } from "../providers/deviation.ts";
import type { Provider, Revocation } from "../providers/provider.ts";
import { fillTemplate } from "../providers/template.ts";
import { callApi, isSuccess } from "./api-call.ts";
import { clientAuthOf, noClientAuth, type ClientCredentials } from "./client-auth.ts";
import { providerHeaders, type OAuthDeps } from "./deps.ts";
import { errorName } from "./outcome.ts";
import { createRecordedFetch } from "./recorded-fetch.ts";

export type RevokeResult =
  | { readonly kind: "revoked" }
  /** The provider has no revocation request. Users remove access on its own pages. */
  | { readonly kind: "unsupported" }
  /** `detail` is from the vocabulary of outcome.ts. */
  | { readonly kind: "failed"; readonly retry: boolean; readonly detail: string };

export interface RevokeCall {
  readonly provider: Provider;
  readonly config: ConnectionConfig;
  readonly client: ClientCredentials;
  readonly access_token: Secret | null;
  readonly refresh_token: Secret | null;
}

const context = { grant: "revocation", scopes: [] } as const;

type Method<Kind extends Revocation["kind"]> = Extract<Revocation, { kind: Kind }>;

/** Revokes the connection's tokens. */
export async function revoke(deps: OAuthDeps, call: RevokeCall): Promise<RevokeResult> {
  const { revocation } = call.provider;
  if (revocation.kind === "none") return { kind: "unsupported" };
  return revocation.kind === "rfc7009" ? revokeByRfc(deps, call, revocation) : revokeByRequest(deps, call, revocation);
}

async function revokeByRfc(deps: OAuthDeps, call: RevokeCall, method: Method<"rfc7009">): Promise<RevokeResult> {
  const { provider, client } = call;
  const revocation_endpoint = fillTemplate(provider, method.url, call.config, client.client_id);
  if (revocation_endpoint === null) return failed("invalid_connection_config");
  const token = method.token === "refresh_token" ? (call.refresh_token ?? call.access_token) : call.access_token;
  if (token === null) return failed("no_token");

  const recorded = createRecordedFetch(deps, { provider, context, deadline_ms: deps.limits.refresh_deadline_ms });
  const server = { issuer: new URL(revocation_endpoint).origin, revocation_endpoint };
  try {
    const auth = method.client_auth ? clientAuthOf(provider, client) : noClientAuth;
    const options = { headers: providerHeaders(provider.token_headers), [customFetch]: recorded.fetch };
    await revocationRequest(server, { client_id: client.client_id }, auth, token.expose(), options);
  } catch {
    return failed("request_not_buildable");
  }
  const result = recorded.result();
  if (result === null) return failed("request_not_buildable");
  return result.kind === "response" ? classify(provider, result.response, true) : unreachable(result);
}

async function revokeByRequest(deps: OAuthDeps, call: RevokeCall, method: Method<"request">): Promise<RevokeResult> {
  const response = await callApi(deps, { ...call, request: method.request });
  if (response.kind === "not_buildable") return failed(response.detail);
  if (response.kind !== "response") return unreachable(response);
  return classify(call.provider, response, isSuccess(response, method.request));
}

/**
 * Error names for a token that is permanently invalid. Not `token_expired`: its grant may be valid.
 */
const ALREADY_DEAD = new Set(["invalid_token", "token_revoked"]);

function classify(provider: Provider, { status, body }: TokenResponse, confirmed: boolean): RevokeResult {
  if (status >= 200 && status < 300 && confirmed) return { kind: "revoked" };
  const name = errorName(provider, body)?.name ?? null;
  if (status < 500 && name !== null && ALREADY_DEAD.has(name)) return { kind: "revoked" };
  return failed(name ?? `http_${status}`, status === 429 || status >= 500);
}

const failed = (detail: string, retry = false): RevokeResult => ({ kind: "failed", retry, detail });
const unreachable = ({ reason }: RequestFailure): RevokeResult => failed(reason, true);
