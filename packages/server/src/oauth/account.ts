/**
 * Whose account a token belongs to, and whether the provider's API still takes it.
 */
import type { Secret } from "../core/secret.ts";
import type { Account, ConnectionConfig, JsonObject, JsonValue } from "../core/types.ts";
import { isJsonObject } from "../core/types.ts";
import { readText } from "../providers/json-path.ts";
import type { JsonPath } from "../providers/json-path.ts";
import type { AccountPaths, ApiRequest, Provider } from "../providers/provider.ts";
import { callApi, saysYes } from "./api-call.ts";
import type { ClientCredentials } from "./client-auth.ts";
import type { OAuthDeps } from "./deps.ts";
import { BAD_RESPONSE, errorName } from "./outcome.ts";
import { derive } from "./token-response.ts";

export interface AccountQuery {
  readonly provider: Provider;
  readonly config: ConnectionConfig;
  readonly access_token: Secret;
}

export interface IdentityQuery extends AccountQuery {
  readonly client: ClientCredentials;
  /** `extra` of the token answer, for providers that name the account there. */
  readonly token: JsonObject;
}

export type IdentityResult =
  /** `config` holds the values that the catalog derives from the identity answer, and no others. */
  | { readonly kind: "ok"; readonly account: Account; readonly config: ConnectionConfig }
  /** `detail` is from the vocabulary of outcome.ts. */
  | { readonly kind: "failed"; readonly detail: string };

export async function identify(deps: OAuthDeps, query: IdentityQuery): Promise<IdentityResult> {
  const { identity } = query.provider;
  switch (identity.from) {
    case "token":
      return { kind: "ok", account: accountOf(query.token, identity.account), config: {} };
    case "request":
      return identifyByRequest(deps, query, identity.request, identity.account);
    case "id_token": {
      const account = accountOf(query.token, identity.account);
      if (account.id !== null) return { kind: "ok", account, config: {} };
      if (identity.otherwise === null) return { kind: "failed", detail: "id_token_unusable" };
      return identifyByRequest(deps, query, identity.otherwise.request, identity.otherwise.account);
    }
  }
}

async function identifyByRequest(
  deps: OAuthDeps,
  query: IdentityQuery,
  request: ApiRequest,
  paths: AccountPaths,
): Promise<IdentityResult> {
  const { provider } = query;
  const answer = await callApi(deps, { ...query, request });
  if (answer.kind === "unbuilt") return { kind: "failed", detail: answer.detail };
  if (answer.kind !== "response") return { kind: "failed", detail: answer.reason };
  if (!saysYes(answer, request)) {
    return { kind: "failed", detail: errorName(provider, answer.body)?.name ?? `http_${answer.status}` };
  }
  // A list is an answer only where the account is looked for in one.
  if (!isJsonObject(answer.body) && readText(answer.body, paths.id) === null)
    return { kind: "failed", detail: BAD_RESPONSE };
  return { kind: "ok", account: accountOf(answer.body, paths), config: derive(provider, "identity", answer.body) };
}

/** `dead` only when the provider says so; everything that may pass is `unknown`. */
export async function checkHealth(deps: OAuthDeps, query: AccountQuery): Promise<"alive" | "dead" | "unknown"> {
  const { provider } = query;
  const answer = await callApi(deps, { ...query, request: provider.health });
  if (answer.kind !== "response") return "unknown";
  if (saysYes(answer, provider.health)) return "alive";
  // RFC 6750 §3.1. Vendors that answer otherwise name the error as they do on refresh.
  if (answer.status === 401) return "dead";
  const serverFault = answer.status >= 500 || answer.status === 429;
  return !serverFault && errorName(provider, answer.body)?.class === "refused" ? "dead" : "unknown";
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
