/**
 * One call of a provider's API on behalf of this server: identity, health, revocation. Not for callers' requests.
 *
 * The catalog says what is sent; the secrets are put in here, at the last moment, and only in the places that name them.
 */
import type { Secret } from "../core/secret.ts";
import type { ConnectionConfig, JsonValue } from "../core/types.ts";
import { isJsonObject } from "../core/types.ts";
import { readPath } from "../providers/json-path.ts";
import type { ApiRequest, Provider } from "../providers/provider.ts";
import { fillTemplate } from "../providers/template.ts";
import { basicCredentials, type ClientCredentials } from "./client-auth.ts";
import { providerHeaders, type OAuthDeps } from "./deps.ts";
import { decodeUtf8, parseJson } from "../net/json.ts";
import { parseRetryAfter } from "../net/retry-after.ts";
import { applyResponse } from "./token-response.ts";
import type { Failure } from "../net/http-client.ts";

export interface ApiAnswer {
  readonly kind: "response";
  readonly status: number;
  /** JSON; else the text itself; null for a body that is neither. */
  readonly body: JsonValue;
  /** As the provider asked for it; null = it did not. */
  readonly retry_after_ms: number | null;
}

/** The request could not be made from what there is. */
export interface Unbuilt {
  readonly kind: "unbuilt";
  readonly detail: "invalid_connection_config" | "no_token" | "no_client";
}

export interface ApiCall {
  readonly provider: Provider;
  readonly request: ApiRequest;
  readonly config: ConnectionConfig;
  readonly access_token: Secret | null;
  readonly refresh_token?: Secret | null;
  readonly client?: ClientCredentials;
  /** Of a request for tokens, which is waited for to the end; unset = an ordinary call, whose headers must come sooner. */
  readonly deadline_ms?: number;
  readonly onSend?: (() => boolean) | undefined;
}

export async function callApi(deps: OAuthDeps, call: ApiCall): Promise<ApiAnswer | Failure | Unbuilt> {
  const built = build(call);
  if ("kind" in built) return built;
  const { clock, limits, httpClient } = deps;
  const answer = await httpClient.send({
    method: call.request.method,
    ...built,
    ...(call.onSend === undefined ? {} : { onSend: call.onSend }),
    ...(call.deadline_ms === undefined
      ? { deadline_ms: limits.refresh_deadline_ms, headers_timeout_ms: limits.provider_headers_timeout_ms }
      : { deadline_ms: call.deadline_ms }),
  });
  if (answer.kind !== "response") return answer;
  const text = answer.complete ? decodeUtf8(answer.body) : null;
  const body = text === null ? null : (parseJson(text) ?? text);
  const context = { grant: "api", scopes: [] } as const;
  return {
    kind: "response",
    ...applyResponse(call.provider, context, { status: answer.status, body }),
    retry_after_ms: parseRetryAfter(answer.headers["retry-after"], clock.now(), limits),
  };
}

/** A 2xx whose body also says yes, where the provider has a flag for that. */
export function saysYes(answer: ApiAnswer, { ok_path, ok_value = true }: ApiRequest): boolean {
  if (answer.status < 200 || answer.status > 299) return false;
  if (ok_path === undefined) return true;
  const found = readPath(answer.body, ok_path) ?? null;
  return ok_value === null ? found !== null : found === ok_value;
}

interface Built {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const PLACE = /\{(access_token|refresh_token|client_id|client_secret)\}/g;

/** Thrown and caught in this file: a place whose secret is not there. */
class Missing extends Error {
  readonly detail: Unbuilt["detail"];
  constructor(detail: Unbuilt["detail"]) {
    super(detail);
    this.detail = detail;
  }
}

function build(call: ApiCall): Built | Unbuilt {
  const { provider, request } = call;
  const url = fillTemplate(provider, request.url, call.config, call.client?.client_id);
  if (url === null) return { kind: "unbuilt", detail: "invalid_connection_config" };
  try {
    const body = bodyOf(call);
    const headers = providerHeaders(
      { accept: "application/json", ...(body === undefined ? {} : { "content-type": body.type }) },
      fillAll(call, request.headers ?? {}),
      authorizationOf(call),
    );
    const { query } = request;
    const address = query === undefined ? url : `${url}?${new URLSearchParams(fillAll(call, query)).toString()}`;
    return { url: address, headers, ...(body === undefined ? {} : { body: body.text }) };
  } catch (error) {
    if (error instanceof Missing) return { kind: "unbuilt", detail: error.detail };
    throw error;
  }
}

function bodyOf(call: ApiCall): { readonly type: string; readonly text: string } | undefined {
  const { body, form } = call.request;
  if (form !== undefined) {
    return {
      type: "application/x-www-form-urlencoded",
      text: new URLSearchParams(fillAll(call, form)).toString(),
    };
  }
  if (body === undefined) return undefined;
  return { type: "application/json", text: JSON.stringify(fillJson(call, body)) };
}

function authorizationOf(call: ApiCall): Readonly<Record<string, string>> {
  const { auth = "token" } = call.request;
  if (auth === "none") return {};
  if (auth === "client_secret_basic") {
    if (call.client === undefined) throw new Missing("no_client");
    return { authorization: basicCredentials(call.client.client_id, call.client.client_secret) };
  }
  const { header, scheme } = call.provider.api_auth;
  const token = valueOf(call, "access_token");
  return { [header]: scheme === null ? token : `${scheme} ${token}` };
}

function valueOf({ client, access_token, refresh_token = null }: ApiCall, name: string): string {
  if (name === "client_id" || name === "client_secret") {
    if (client === undefined) throw new Missing("no_client");
    return name === "client_id" ? client.client_id : client.client_secret.expose();
  }
  const token = name === "access_token" ? access_token : refresh_token;
  if (token === null) throw new Missing("no_token");
  return token.expose();
}

function fillText(call: ApiCall, text: string): string {
  return text.replaceAll(PLACE, (_whole, name: string) => valueOf(call, name));
}

function fillAll(call: ApiCall, texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, fillText(call, text)]));
}

function fillJson(call: ApiCall, value: JsonValue): JsonValue {
  if (typeof value === "string") return fillText(call, value);
  if (Array.isArray(value)) return value.map((item: JsonValue) => fillJson(call, item));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fillJson(call, item)]));
}
