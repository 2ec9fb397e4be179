/**
 * Checks on the caller's arguments, before any request. All throw a TypeError that names the
 * argument and never quotes a token.
 */

/**
 * Returns `value` as one percent-encoded part of a path, so that no identifier can reach another
 * route.
 */
export function pathPart(value: unknown, label: string): string {
  const part = requireText(value, label);
  // URL parsers resolve these two, even when written as %2E. No encoding would prevent that.
  if (part === "." || part === "..") throw new TypeError(`${label} must not be "." or ".."`);
  try {
    return encodeURIComponent(part);
  } catch {
    throw new TypeError(`${label} must not contain an unpaired surrogate`);
  }
}

export function requireText(value: unknown, label: string): string {
  if (typeof value !== "string" || value === "") throw new TypeError(`${label} must be a non-empty string`);
  return value;
}

/** At most a day: no refreshable token is valid for longer, and the server rejects more. */
export function requireSeconds(value: unknown, label: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value > 0 && value <= 86_400) return value;
  throw new TypeError(`${label} must be a whole number from 1 to 86400`);
}

/**
 * Sets a header. The error of `fetch` would quote a bad value, and here the value is often a token.
 */
export function setHeader(headers: Headers, name: string, value: unknown): void {
  try {
    headers.set(name, requireText(value, name));
  } catch {
    throw new TypeError(
      `Header ${name} cannot be sent: its name or value is empty or has characters that HTTP does not allow in headers`,
    );
  }
}

/** Returns `serverUrl` without trailing slashes. */
export function serverBase(serverUrl: unknown): string {
  if (serverUrl === "") {
    if (typeof location === "object") return "";
    throw new TypeError(
      'serverUrl "" means the origin of the page, but this is not a page: pass the address of the Holdfast server',
    );
  }
  const url = parseUrl(serverUrl);
  const usable =
    url !== null && /^https?:$/.test(url.protocol) && url.username + url.password + url.search + url.hash === "";
  // Not quoted: the address may contain a password.
  if (!usable)
    throw new TypeError("serverUrl must be an http or https address without user name, password, query and fragment");
  return (url.origin + url.pathname).replace(/\/+$/, "");
}

function parseUrl(value: unknown): URL | null {
  try {
    return new URL(requireText(value, "serverUrl"));
  } catch {
    return null;
  }
}
