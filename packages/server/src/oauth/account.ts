/** Reads the account of a token, and checks whether the provider's API still accepts the token. */
import type { Secret } from "../core/secret.ts";
import type { Account, ConnectionConfig, JsonObject, JsonValue } from "../core/types.ts";
import { isJsonObject } from "../core/types.ts";
import { readString } from "../providers/json-path.ts";
import type { JsonPath } from "../providers/json-path.ts";
import type { AccountPaths, ApiRequest, Provider } from "../providers/provider.ts";
import { callApi, isSuccess } from "./api-call.ts";
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
  /** `extra` of the token response, for providers that name the account there. */
  readonly token: JsonObject;
}

export type IdentityResult =
  /** `config` holds only the values that the catalog derives from the identity response. */
  | { readonly kind: "ok"; readonly account: Account; readonly config: ConnectionConfig }
  /** `detail` is from the vocabulary of outcome.ts. */
  | { readonly kind: "failed"; readonly detail: string };

/** Returns the account that the token belongs to. */
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
  const response = await callApi(deps, { ...query, request });
  if (response.kind === "not_buildable") return { kind: "failed", detail: response.detail };
  if (response.kind !== "response") return { kind: "failed", detail: response.reason };
  const { body, status } = response;
  if (!isSuccess(response, request)) {
    return { kind: "failed", detail: errorName(provider, body)?.name ?? `http_${status}` };
  }
  // A list is valid only if the catalog reads the account from a list.
  if (!isJsonObject(body) && readString(body, paths.id) === null) return { kind: "failed", detail: BAD_RESPONSE };
  return { kind: "ok", account: accountOf(body, paths), config: derive(provider, "identity", body) };
}

/** Returns `dead` only if the provider rejects the token. Failures that can pass are `unknown`. */
export async function checkHealth(deps: OAuthDeps, query: AccountQuery): Promise<"alive" | "dead" | "unknown"> {
  const { provider } = query;
  const response = await callApi(deps, { ...query, request: provider.health });
  if (response.kind !== "response") return "unknown";
  if (isSuccess(response, provider.health)) return "alive";
  // RFC 6750 §3.1. Vendors that use another status name the error as they do for a refresh.
  if (response.status === 401) return "dead";
  const may_pass = response.status >= 500 || response.status === 429;
  return !may_pass && errorName(provider, response.body)?.class === "refused" ? "dead" : "unknown";
}

function accountOf(body: JsonValue, paths: AccountPaths): Account {
  return {
    id: displayText(body, paths.id),
    label: displayText(body, paths.label),
    email: displayText(body, paths.email),
  };
}

/** Long enough for any name or address. The text is untrusted and is displayed. */
const MAX_TEXT_LENGTH = 200;

function displayText(body: JsonValue, path: JsonPath | null): string | null {
  const text = path === null ? null : readString(body, path);
  const clean =
    text
      ?.replaceAll(/[\p{Cc}\p{Cf}]/gu, "")
      .trim()
      .slice(0, MAX_TEXT_LENGTH) ?? "";
  return clean === "" ? null : clean;
}
