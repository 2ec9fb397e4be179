/**
 * The headers of a function's response. Other functions, or even the dashboard, can share its
 * origin. So only headers that describe this one response pass. A header that could affect the
 * origin, other pages in the browser or a proxy does not. The server adds the CORS headers, and a
 * policy that keeps a function's HTML out of the origin.
 */
import type { IncomingHttpHeaders } from "node:http";

const ALLOWED: ReadonlySet<string> = new Set([
  "content-type",
  "content-disposition",
  "content-language",
  "content-encoding",
  "cache-control",
  "etag",
  "last-modified",
  "location",
  "retry-after",
  "vary",
  "accept-ranges",
  "content-range",
  // The length was checked while the response was parsed.
  "content-length",
]);

/**
 * X- headers that are instructions to this server, to a proxy or to a browser. nginx sends the file
 * that X-Accel-Redirect names. Apache and others send the file in X-Sendfile or
 * X-LiteSpeed-Location. perlbal fetches X-Reproxy-URL. Envoy stops using a server after
 * X-Envoy-Immediate-Health-Check-Fail. Next.js forwards the request to X-Middleware-Rewrite. If a
 * proxy passes them on, others take a URL from X-Original-URL or X-Rewrite-URL, and an address from
 * X-Forwarded-For or X-Real-IP.
 */
const REFUSED_X = [
  /^x-(?:holdfast|accel|envoy|frame|litespeed|lighttpd|lsadc|reproxy|nginx|apache)(?:-|$)/,
  /^x-(?:middleware|nextjs|invoke|original|rewrite|forwarded|arr|surrogate|esi)(?:-|$)/,
  /^x-(?:real|client|cluster-client|true-client|remote)-(?:ip|addr)$/,
  /^x-(?:.+-)?send-?(?:temp-?)?file/,
  /^x-(?:request-id|content-type-options|xss-protection|dns-prefetch-control|download-options|ua-compatible)$/,
  /^x-(?:permitted-cross-domain-policies|webkit-csp.*|content-security-policy.*|source-?map)$/,
];

/** Headers that every HTTP server sends, or that functions set for CORS. Dropped without a log. */
const EXPECTED = /^(?:access-control-.+|connection|date|keep-alive|server|trailer|transfer-encoding)$/;

/** What a header value can contain (RFC 9110 §5.5). Anything else would fail the whole response. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** A browser can accept a cookie from the headers of a part (`multipart/x-mixed-replace`). */
const MULTIPART = /multipart\/(?!form-data\b)/i;

const SANDBOX = {
  "content-security-policy": "sandbox allow-scripts allow-forms allow-popups",
  "x-content-type-options": "nosniff",
} as const;

export interface ResponseHeaders {
  readonly headers: Readonly<Record<string, string>>;
  /** Names of headers that the function set and the caller does not get. */
  readonly dropped: readonly string[];
}

/**
 * Returns the headers for the caller. `url` is the public URL of the call, which a relative
 * `Location` refers to.
 */
export function responseHeaders(from: IncomingHttpHeaders, url: string): ResponseHeaders {
  const headers: Record<string, string> = {};
  const dropped: string[] = [];
  for (const [name, sent] of Object.entries(from)) {
    const value = isAllowed(name) ? valueOf(name, sent, url) : null;
    if (value !== null) headers[name] = value;
    else if (!EXPECTED.test(name)) dropped.push(name);
  }
  return { headers: { ...headers, ...SANDBOX }, dropped };
}

function isAllowed(name: string): boolean {
  // Some proxies read `_` as `-`.
  const read = name.replaceAll("_", "-");
  return ALLOWED.has(name) || (name.startsWith("x-") && !REFUSED_X.some((pattern) => pattern.test(read)));
}

function valueOf(name: string, value: string | string[] | undefined, url: string): string | null {
  if (typeof value !== "string" || !VALUE.test(value)) return null;
  if (name === "location") return locationOf(value, url);
  return name === "content-type" && MULTIPART.test(value) ? null : value;
}

/**
 * Returns the absolute http(s) URL of a redirect, or null. Browsers read `\\host` and `/\host` like
 * `//host`. So does the URL parser, and its result means the same to every client.
 */
function locationOf(value: string, url: string): string | null {
  if (!URL.canParse(value, url)) return null;
  const { protocol, username, password, href } = new URL(value, url);
  const is_web = protocol === "http:" || protocol === "https:";
  return is_web && username === "" && password === "" ? href : null;
}
