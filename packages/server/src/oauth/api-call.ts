/**
 * One request to a provider's API for the server's own purposes: identity, health, revocation. Not
 * for the requests of callers.
 *
 * The catalog describes the request. This file fills in secrets, as late as possible, and only for
 * the placeholders that name them.
 */
import type { Secret } from "../core/secret.ts";
import type { ConnectionConfig, JsonValue } from "../core/types.ts";
import { isJsonObject } from "../core/types.ts";
import { decodeUtf8, parseJson } from "../net/json.ts";
import type { RequestFailure } from "../net/outbound.ts";
import { parseRetryAfter } from "../net/retry-after.ts";
import { readPath } from "../providers/json-path.ts";
import type { ApiRequest, Provider } from "../providers/provider.ts";
import { fillTemplate } from "../providers/template.ts";
import { basicCredentials, type ClientCredentials } from "./client-auth.ts";
import { providerHeaders, type OAuthDeps } from "./deps.ts";
import { applyResponse } from "./token-response.ts";

export interface ApiResponse {
  readonly kind: "response";
  readonly status: number;
  /** The parsed JSON, or the text if it is not JSON. Null if it is not UTF-8 or was cut off. */
  readonly body: JsonValue;
  /** From the Retry-After header. Null without one. */
  readonly retry_after_ms: number | null;
}

/** The request cannot be built: a setting is invalid, or a credential is missing. */
export interface NotBuildable {
  readonly kind: "not_buildable";
  readonly detail: "invalid_connection_config" | "no_token" | "no_client";
}

export interface ApiCall {
  readonly provider: Provider;
  readonly request: ApiRequest;
  readonly config: ConnectionConfig;
  readonly access_token: Secret | null;
  readonly refresh_token?: Secret | null;
  readonly client?: ClientCredentials;
  /**
   * For a token request, which can use the whole deadline. Unset: an ordinary call with a headers
   * timeout.
   */
  readonly deadline_ms?: number;
  readonly onSend?: (() => boolean) | undefined;
}

/**
 * Sends the request. Returns the response after the provider's deviations, or why there is none.
 */
export async function callApi(deps: OAuthDeps, call: ApiCall): Promise<ApiResponse | RequestFailure | NotBuildable> {
  const built = build(call);
  if ("kind" in built) return built;
  const { clock, limits, httpClient } = deps;
  const response = await httpClient.send({
    method: call.request.method,
    ...built,
    ...(call.onSend === undefined ? {} : { onSend: call.onSend }),
    ...(call.deadline_ms === undefined
      ? { deadline_ms: limits.refresh_deadline_ms, headers_timeout_ms: limits.provider_headers_timeout_ms }
      : { deadline_ms: call.deadline_ms }),
  });
  if (response.kind !== "response") return response;
  const text = response.complete ? decodeUtf8(response.body) : null;
  const body = text === null ? null : (parseJson(text) ?? text);
  const context = { grant: "api", scopes: [] } as const;
  return {
    kind: "response",
    ...applyResponse(call.provider, context, { status: response.status, body }),
    retry_after_ms: parseRetryAfter(response.headers["retry-after"], clock.now(), limits),
  };
}

/**
 * Reports whether a response is a 2xx and, if the provider has a success flag, whether that is set.
 */
export function isSuccess({ status, body }: ApiResponse, { ok_path, ok_value = true }: ApiRequest): boolean {
  if (status < 200 || status > 299) return false;
  if (ok_path === undefined) return true;
  const found = readPath(body, ok_path) ?? null;
  return ok_value === null ? found !== null : found === ok_value;
}

interface Built {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const PLACEHOLDER = /\{(access_token|refresh_token|client_id|client_secret)\}/g;

/** A placeholder whose secret is missing. Thrown and caught in this file. */
class MissingCredential extends Error {
  readonly detail: NotBuildable["detail"];
  constructor(detail: NotBuildable["detail"]) {
    super(detail);
    this.detail = detail;
  }
}

function build(call: ApiCall): Built | NotBuildable {
  const { provider, request } = call;
  const url = fillTemplate(provider, request.url, call.config, call.client?.client_id);
  if (url === null) return { kind: "not_buildable", detail: "invalid_connection_config" };
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
    if (error instanceof MissingCredential) return { kind: "not_buildable", detail: error.detail };
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
    if (call.client === undefined) throw new MissingCredential("no_client");
    return { authorization: basicCredentials(call.client.client_id, call.client.client_secret) };
  }
  const { header, scheme } = call.provider.api_auth;
  const token = valueOf(call, "access_token");
  return { [header]: scheme === null ? token : `${scheme} ${token}` };
}

function valueOf({ client, access_token, refresh_token = null }: ApiCall, name: string): string {
  if (name === "client_id" || name === "client_secret") {
    if (client === undefined) throw new MissingCredential("no_client");
    return name === "client_id" ? client.client_id : client.client_secret.expose();
  }
  const token = name === "access_token" ? access_token : refresh_token;
  if (token === null) throw new MissingCredential("no_token");
  return token.expose();
}

function fillText(call: ApiCall, text: string): string {
  return text.replaceAll(PLACEHOLDER, (_whole, name: string) => valueOf(call, name));
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
