/**
 * Headers on the way into a function and out of it. Into it go the platform's own headers and whatever the caller sent
 * except credentials, which are the server's, not the function's. Out of it comes nothing that could act on the
 * server's own origin, where the dashboard lives.
 */
import type { IncomingHttpHeaders } from "node:http";

export type HeaderRecord = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Between the server and bootstrap.deno.ts only; the function sees none of them. */
const KEY_HEADER = "x-holdfast-key";
const INVOCATION_HEADER = "x-holdfast-invocation";
export const FAILED_HEADER = "x-holdfast-failed";

/** RFC 9110 section 7.6.1, and what older proxies add. `expect` would make Deno wait for a continue that never comes. */
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
/** A caller's credentials, and the headers by which a caller could pretend to be the platform. */
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
/** A function's answer is served from the dashboard's origin: it must not set the dashboard's cookies or policies. */
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

/** What a function receives. `Base44-State`, `X-Data-Env` and `Base44-Functions-Version` pass as they came. */
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

/** What the caller receives. The sandbox gives a function's HTML an origin of its own, away from the dashboard's session. */
export function answerHeaders(from: IncomingHttpHeaders): Record<string, string | readonly string[]> {
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
