/**
 * Headers into and out of a function. It receives the platform's headers and the caller's, except
 * credentials, which are for the server. Response headers that could act on the server's own
 * origin, where the dashboard is, are removed.
 */
import type { IncomingHttpHeaders } from "node:http";

export type HeaderRecord = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Only between the server and bootstrap.deno.ts. The function does not see them. */
const KEY_HEADER = "x-holdfast-key";
const INVOCATION_HEADER = "x-holdfast-invocation";
export const FAILED_HEADER = "x-holdfast-failed";

/**
 * RFC 9110 §7.6.1, and those of older proxies. `expect` would delay the body for a 100 Continue
 * that never comes.
 */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
];
/** A caller's credentials, and headers with which a caller could impersonate the platform. */
const NOT_FOR_FUNCTIONS = [
  "authorization",
  "cookie",
  "api_key",
  "on-behalf-of",
  "host",
  "content-length",
  "base44-app-id",
  "base44-service-authorization",
  "base44-api-url",
  KEY_HEADER,
  INVOCATION_HEADER,
];
/**
 * A response is served from the dashboard's origin, so it must not set that origin's cookies or
 * policies.
 */
const NOT_FROM_FUNCTIONS = [
  "set-cookie",
  "clear-site-data",
  "strict-transport-security",
  "service-worker-allowed",
  FAILED_HEADER,
];

export interface PlatformHeaders {
  readonly app_id: string;
  readonly server_url: string;
  readonly function_token: string;
  /** The verified app user's token, without "Bearer ". */
  readonly user_token: string | null;
  readonly key: string;
  readonly invocation_id: string;
}

/**
 * Returns a function's request headers. `Base44-State`, `X-Data-Env` and others pass through
 * unchanged.
 */
export function requestHeaders(
  from: HeaderRecord,
  platform: PlatformHeaders,
): Record<string, string | readonly string[]> {
  return {
    ...without(from, NOT_FOR_FUNCTIONS),
    "base44-app-id": platform.app_id,
    "base44-service-authorization": `Bearer ${platform.function_token}`,
    "base44-api-url": platform.server_url,
    ...(platform.user_token === null ? {} : { authorization: `Bearer ${platform.user_token}` }),
    [KEY_HEADER]: platform.key,
    [INVOCATION_HEADER]: platform.invocation_id,
  };
}

/**
 * Returns the caller's response headers. The sandbox separates a function's HTML from the
 * dashboard's origin.
 */
export function responseHeaders(from: IncomingHttpHeaders): Record<string, string | readonly string[]> {
  const headers = without(from, NOT_FROM_FUNCTIONS);
  const policy = headers["content-security-policy"];
  return {
    ...headers,
    "content-security-policy": [policy, "sandbox allow-scripts allow-forms allow-popups"].filter(Boolean).join(", "),
    "x-content-type-options": "nosniff",
  };
}

function without(headers: HeaderRecord, names: readonly string[]): Record<string, string | readonly string[]> {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const connection = entries.find(([name]) => name === "connection")?.[1] ?? "";
  const named = String(connection)
    .split(",")
    .map((name) => name.trim().toLowerCase());
  const dropped = new Set([...HOP_BY_HOP, ...names, ...named]);
  const kept: Record<string, string | readonly string[]> = {};
  for (const [name, value] of entries) {
    if (value !== undefined && !dropped.has(name)) kept[name] = value;
  }
  return kept;
}
