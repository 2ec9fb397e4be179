/**
 * Ending tokens at the provider: RFC 7009, or the vendor's own call.
 *
 * A token that is already dead counts as revoked (RFC 7009 §2.2 wants that too). Nothing is repeated here.
 */
import { customFetch, revocationRequest } from "oauth4webapi";
import type { Secret } from "../core/secret.ts";
import type { ConnectionConfig } from "../core/types.ts";
import type { TokenAnswer } from "../providers/deviation.ts";
import type { Provider, Revocation } from "../providers/provider.ts";
import { fillTemplate } from "../providers/template.ts";
import { callApi, saysYes } from "./api-call.ts";
import { clientAuthOf, noClientAuth, type ClientCredentials } from "./client-auth.ts";
import { providerHeaders, type OAuthDeps } from "./deps.ts";
import { errorName } from "./outcome.ts";
import type { Failure } from "../net/http-client.ts";
import { createWire } from "./recorded-fetch.ts";

export type RevokeResult =
  | { readonly kind: "revoked" }
  /** The provider has no such call; its own pages are where access is ended. */
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

type Way<Kind extends Revocation["kind"]> = Extract<Revocation, { kind: Kind }>;

export async function revoke(deps: OAuthDeps, call: RevokeCall): Promise<RevokeResult> {
  const { revocation } = call.provider;
  if (revocation.kind === "none") return { kind: "unsupported" };
  return revocation.kind === "rfc7009" ? revokeByRfc(deps, call, revocation) : revokeByRequest(deps, call, revocation);
}

async function revokeByRfc(deps: OAuthDeps, call: RevokeCall, way: Way<"rfc7009">): Promise<RevokeResult> {
  const { provider, client } = call;
  const revocation_endpoint = fillTemplate(provider, way.url, call.config, client.client_id);
  if (revocation_endpoint === null) return failed("invalid_connection_config");
  const token = way.token === "refresh_token" ? (call.refresh_token ?? call.access_token) : call.access_token;
  if (token === null) return failed("no_token");

  const wire = createWire(deps, { provider, context, deadline_ms: deps.limits.refresh_deadline_ms });
  const server = { issuer: new URL(revocation_endpoint).origin, revocation_endpoint };
  try {
    const auth = way.client_auth ? clientAuthOf(provider, client) : noClientAuth;
    const options = { headers: providerHeaders(provider.token_headers), [customFetch]: wire.fetch };
    await revocationRequest(server, { client_id: client.client_id }, auth, token.expose(), options);
  } catch {
    return failed("request_not_buildable");
  }
  const result = wire.result();
  if (result === null) return failed("request_not_buildable");
  return result.kind === "response" ? judge(provider, result.answer, true) : unreached(result);
}

async function revokeByRequest(deps: OAuthDeps, call: RevokeCall, way: Way<"request">): Promise<RevokeResult> {
  const answer = await callApi(deps, { ...call, request: way.request });
  if (answer.kind === "unbuilt") return failed(answer.detail);
  if (answer.kind !== "response") return unreached(answer);
  return judge(call.provider, answer, saysYes(answer, way.request));
}

/** What vendors say about a token that is over for good. Not `token_expired`: its grant may live on. */
const ALREADY_DEAD = new Set(["invalid_token", "token_revoked"]);

function judge(provider: Provider, { status, body }: TokenAnswer, confirmed: boolean): RevokeResult {
  if (status >= 200 && status < 300 && confirmed) return { kind: "revoked" };
  const name = errorName(provider, body)?.name ?? null;
  if (status < 500 && name !== null && ALREADY_DEAD.has(name)) return { kind: "revoked" };
  return failed(name ?? `http_${status}`, status === 429 || status >= 500);
}

const failed = (detail: string, retry = false): RevokeResult => ({ kind: "failed", retry, detail });
const unreached = ({ reason }: Failure): RevokeResult => failed(reason, true);
