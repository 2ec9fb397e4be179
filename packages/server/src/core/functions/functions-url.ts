/**
 * The origin that serves functions, besides the API's own. A template with `{app}` gives each app
 * its own origin. Without `{app}`, all apps of a single workspace share one. Browsers isolate pages
 * of different origins, and the dashboard is on neither kind.
 */
import { asAppId } from "../ids.ts";
import type { AppId } from "../types.ts";
import { wrong } from "../settings.ts";

export interface FunctionsUrl {
  /** `https://{app}.fn.example`, or `https://fn.example`. */
  readonly template: string;
  /** True if each app has its own origin. */
  readonly is_per_app: boolean;
  /** The host name before and after the app's label. Without `{app}` the second part is empty. */
  readonly host: readonly [string, string];
}

/** The meaning of a host name. `unknown`: in the functions' domain, but not an app's. */
export type FunctionsHost =
  | { readonly kind: "app"; readonly app_id: AppId }
  | { readonly kind: "shared" }
  | { readonly kind: "unknown" };

/** Stricter than the URL parser, which accepts braces. */
const HOST_NAME = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/;
/** An underscore is not allowed in a host name (RFC 1123 §2.1), and an id has no hyphen. */
const LABEL = /^app-[0-9a-z]{20}$/;
const labelOf = (app_id: string): string => app_id.replace("_", "-");
const SAMPLE = "app-00000000000000000000";

const EXAMPLE = "Example: HOLDFAST_FUNCTIONS_URL=https://{app}.fn.example.com";

/** @throws CodedError `configuration` */
export function parseFunctionsUrl(text = "", public_url: string): FunctionsUrl | null {
  if (text === "") return null;
  const parts = text.split("{app}");
  const address = parts.join(SAMPLE);
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || parts.length > 2 || !isOrigin(url)) {
    throw wrong(
      `HOLDFAST_FUNCTIONS_URL must be an https origin (http only below localhost) whose host name contains {app} once. ${EXAMPLE}`,
    );
  }
  const is_per_app = parts.length === 2;
  const [before = "", after = "", ...more] = is_per_app ? url.hostname.split(SAMPLE) : [url.hostname];
  if (is_per_app && (more.length > 0 || !/^[a-z0-9-]*\.[a-z0-9]/.test(after) || before.includes("."))) {
    throw wrong(`HOLDFAST_FUNCTIONS_URL must have {app} in the first part of its host name. ${EXAMPLE}`);
  }
  const template = is_per_app ? url.origin.replace(SAMPLE, "{app}") : url.origin;
  const parsed: FunctionsUrl = Object.freeze({ template, is_per_app, host: [before, after] as const });
  // Cookies ignore ports, so another port of the same host is not enough.
  if (functionsHost(parsed, new URL(public_url).hostname) !== null) {
    throw wrong(
      `HOLDFAST_FUNCTIONS_URL must be on its own domain, which must not contain the host of HOLDFAST_PUBLIC_URL. ${EXAMPLE}`,
    );
  }
  return parsed;
}

function isOrigin({ protocol, hostname, pathname, search, hash, username, password }: URL): boolean {
  const is_local = hostname.endsWith(".localhost");
  const has_more = pathname !== "/" || search !== "" || hash !== "" || username !== "" || password !== "";
  return !has_more && HOST_NAME.test(hostname) && (protocol === "https:" || (protocol === "http:" && is_local));
}

/** Returns the origin that serves the functions of an app. */
export function functionsOrigin({ template }: FunctionsUrl, app_id: string): string {
  return template.replace("{app}", labelOf(app_id));
}

/** Returns the meaning of a lowercase host name, or null if it is not in the functions' domain. */
export function functionsHost({ is_per_app, host }: FunctionsUrl, hostname: string): FunctionsHost | null {
  const [before, after] = host;
  if (!is_per_app) return hostname === before ? { kind: "shared" } : null;
  if (!hostname.startsWith(before) || !hostname.endsWith(after)) return null;
  const label = hostname.slice(before.length, hostname.length - after.length);
  if (!LABEL.test(label)) return { kind: "unknown" };
  return { kind: "app", app_id: asAppId(label.replace("-", "_")) };
}
