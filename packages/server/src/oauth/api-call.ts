/**
 * One call of a provider's API on behalf of this server: identity, health, revocation. Not for callers' requests.
 */
import type { JsonValue } from "../core/types.ts";
import { isJsonObject } from "../core/types.ts";
import { readPath } from "../providers/json-path.ts";
import type { ApiRequest, JsonPath } from "../providers/provider.ts";
import { providerHeaders, type OAuthDeps } from "./deps.ts";
import { decodeUtf8, parseJson } from "./json.ts";
import type { Failure, ProviderRequest } from "./transport.ts";

export interface ApiAnswer {
  readonly kind: "answer";
  readonly status: number;
  /** JSON; else the text itself; null for a body that is neither. */
  readonly body: JsonValue;
}

export interface ApiCall {
  readonly method: ProviderRequest["method"];
  readonly url: string;
  readonly authorization: string;
  readonly headers?: ApiRequest["headers"];
  readonly body?: JsonValue;
}

export async function callApi(deps: OAuthDeps, call: ApiCall): Promise<ApiAnswer | Failure> {
  const { body, headers = {} } = call;
  const answer = await deps.transport.send({
    method: call.method,
    url: call.url,
    headers: providerHeaders(
      { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) },
      headers,
      { authorization: call.authorization },
    ),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    deadline_ms: deps.limits.refresh_deadline_ms,
    headers_timeout_ms: deps.limits.provider_headers_timeout_ms,
  });
  if (answer.kind !== "answer") return answer;
  const text = answer.complete ? decodeUtf8(answer.body) : null;
  return { kind: "answer", status: answer.status, body: text === null ? null : (parseJson(text) ?? text) };
}

/** A 2xx whose body also says yes, where the provider has a flag for that. */
export function saysYes(answer: ApiAnswer, ok_path: JsonPath | undefined): boolean {
  if (answer.status < 200 || answer.status > 299) return false;
  return ok_path === undefined || (isJsonObject(answer.body) && readPath(answer.body, ok_path) === true);
}
