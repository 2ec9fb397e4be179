/**
 * The headers of a function's request: the platform's and the caller's, except credentials, which
 * are for the server.
 */
export type HeaderRecord = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Headers between the server and bootstrap.deno.ts. The function does not see them. */
const KEY_HEADER = "x-holdfast-key";
const INVOCATION_HEADER = "x-holdfast-invocation";
const URL_HEADER = "x-holdfast-url";
export const FAILED_HEADER = "x-holdfast-failed";

/** Headers of one connection (RFC 9110 §7.6.1, and those of older proxies). */
export const HOP_BY_HOP: readonly string[] = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
/** Credentials of the caller, and headers that could impersonate the platform. */
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
  // It would delay the body for a 100 Continue that never comes.
  "expect",
];
/**
 * Headers in which proxies report the caller and the URL that it requested. Any caller can send
 * them, so a function gets the server's own. `client_address` comes from trusted proxies.
 */
const FORWARDED =
  /^(?:forwarded|x-forwarded(?:-.+)?|x-original-.+|x-rewrite-url|x-host|x-envoy-.+|(?:x-real|x-client|x-cluster-client|x-azure-client|x-appengine-user|x-proxyuser|client|true-client|fastly-client|fly-client|cf-connecting)-?ip(?:v6)?)$/;
const INTERNAL = /^x-holdfast-/;
export interface PlatformHeaders {
  readonly app_id: string;
  readonly server_url: string;
  readonly function_token: string;
  /** The verified app user's token, without "Bearer ". */
  readonly user_token: string | null;
  readonly key: string;
  readonly invocation_id: string;
  /** The public URL of the call. */
  readonly url: string;
  /** The part of the URL's path that names the function. */
  readonly prefix: string;
  /** Null: the caller is a function of this server. */
  readonly client_address: string | null;
}

/**
 * Returns a function's request headers. `Base44-State`, `X-Data-Env` and others pass through
 * unchanged.
 */
export function requestHeaders(
  from: HeaderRecord,
  platform: PlatformHeaders,
): Record<string, string | readonly string[]> {
  const { protocol, host } = new URL(platform.url);
  return {
    ...without(from, NOT_FOR_FUNCTIONS),
    "x-forwarded-proto": protocol.slice(0, -1),
    "x-forwarded-host": host,
    "x-forwarded-prefix": platform.prefix,
    ...(platform.client_address === null ? {} : { "x-forwarded-for": platform.client_address }),
    "base44-app-id": platform.app_id,
    "base44-service-authorization": `Bearer ${platform.function_token}`,
    "base44-api-url": platform.server_url,
    ...(platform.user_token === null ? {} : { authorization: `Bearer ${platform.user_token}` }),
    [KEY_HEADER]: platform.key,
    [INVOCATION_HEADER]: platform.invocation_id,
    [URL_HEADER]: platform.url,
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
    // Gateway interfaces, as of CGI, read `_` as `-`.
    const read = name.replaceAll("_", "-");
    if (value === undefined || dropped.has(name) || FORWARDED.test(read) || INTERNAL.test(read)) continue;
    kept[name] = value;
  }
  return kept;
}
