/**
 * Whose account a token belongs to, and whether the provider's API still takes it.
 */
import type { Secret } from "../core/secret.ts";
import type { Account, ConnectionConfig, JsonObject, JsonValue } from "../core/types.ts";
import { isJsonObject } from "../core/types.ts";
import { readText } from "../providers/json-path.ts";
import type { AccountPaths, ApiRequest, JsonPath, Provider } from "../providers/provider.ts";
import { fillTemplate } from "../providers/template.ts";
import { callApi, saysYes, type ApiAnswer } from "./api-call.ts";
import type { OAuthDeps } from "./deps.ts";
import { BAD_RESPONSE, errorName } from "./outcome.ts";
import { derive } from "./token-answer.ts";
import type { Failure } from "./transport.ts";

export interface AccountQuery {
  readonly provider: Provider;
  readonly config: ConnectionConfig;
  readonly access_token: Secret;
}

export type IdentityResult =
  /** `config` holds the values that the catalog derives from the identity answer, and no others. */
  | { readonly kind: "ok"; readonly account: Account; readonly config: ConnectionConfig }
  /** `detail` is from the vocabulary of outcome.ts. */
  | { readonly kind: "failed"; readonly detail: string };

/** @param token `extra` of the token answer, for providers that name the account there */
export async function identify(deps: OAuthDeps, query: AccountQuery & { token: JsonObject }): Promise<IdentityResult> {
  const { provider } = query;
  const { identity } = provider;
  if (identity.from === "token") return { kind: "ok", account: accountOf(query.token, identity.account), config: {} };

  const answer = await askAs(deps, query, identity.request);
  if (answer === null) return { kind: "failed", detail: "invalid_connection_config" };
  if (answer.kind !== "answer") return { kind: "failed", detail: answer.reason };
  if (!saysYes(answer, identity.request.ok_path)) {
    return { kind: "failed", detail: errorName(provider, answer.body)?.name ?? `http_${answer.status}` };
  }
  if (!isJsonObject(answer.body)) return { kind: "failed", detail: BAD_RESPONSE };
  const derived = provider.derived_config.filter(({ from }) => from === "identity");
  return { kind: "ok", account: accountOf(answer.body, identity.account), config: derive(derived, answer.body) };
}

/** `dead` only when the provider says so; everything that may pass is `unknown`. */
export async function checkHealth(deps: OAuthDeps, query: AccountQuery): Promise<"alive" | "dead" | "unknown"> {
  const { provider } = query;
  const answer = await askAs(deps, query, provider.health);
  if (answer === null || answer.kind !== "answer") return "unknown";
  if (saysYes(answer, provider.health.ok_path)) return "alive";
  // RFC 6750 §3.1. Vendors that answer otherwise name the error as they do on refresh.
  if (answer.status === 401) return "dead";
  const serverFault = answer.status >= 500 || answer.status === 429;
  return !serverFault && errorName(provider, answer.body)?.class === "refused" ? "dead" : "unknown";
}

/** Null when the config does not give a URL. */
async function askAs(deps: OAuthDeps, query: AccountQuery, request: ApiRequest): Promise<ApiAnswer | Failure | null> {
  const { method, headers, body } = request;
  const url = fillTemplate(query.provider, request.url, query.config);
  if (url === null) return null;
  return callApi(deps, {
    method,
    url,
    authorization: `Bearer ${query.access_token.expose()}`,
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body }),
  });
}

function accountOf(body: JsonValue, paths: AccountPaths): Account {
  return { id: shown(body, paths.id), label: shown(body, paths.label), email: shown(body, paths.email) };
}

/** Long enough for any name or address; these texts come from strangers and end up on screens. */
const MAX_TEXT_LENGTH = 200;

function shown(body: JsonValue, path: JsonPath | null): string | null {
  const text = path === null ? null : readText(body, path);
  const clean =
    text
      ?.replaceAll(/[\p{Cc}\p{Cf}]/gu, "")
      .trim()
      .slice(0, MAX_TEXT_LENGTH) ?? "";
  return clean === "" ? null : clean;
}
