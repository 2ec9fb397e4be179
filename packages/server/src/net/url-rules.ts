/** The URLs that a request can go to. Host names are checked again when they are resolved. */
import { isIP } from "node:net";
import { isGlobalAddress, isLoopbackAddress } from "./address.ts";
import type { AddressRule } from "./checked-lookup.ts";

export interface UrlRules {
  /** Also allows http:// to this machine. For URLs that the operator sets, never for a provider. */
  readonly plain_loopback?: boolean;
  /**
   * Connects to global addresses only (and to this machine with `plain_loopback`). For URLs that
   * builders set.
   */
  readonly global_only?: boolean;
}

const PLAIN_HOSTS: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

export function addressRule({ global_only, plain_loopback }: UrlRules): AddressRule {
  if (global_only !== true) return () => true;
  return (address) => isGlobalAddress(address) || (plain_loopback === true && isLoopbackAddress(address));
}

/** Returns the reason why no request can go to the URL, or null. */
export function refusalOf(rules: UrlRules, url: string): "not_https" | "address_refused" | null {
  if (!URL.canParse(url)) return "not_https";
  const { protocol, hostname } = new URL(url);
  const is_plain = rules.plain_loopback === true && protocol === "http:" && PLAIN_HOSTS.has(hostname);
  if (!is_plain && !url.startsWith("https://")) return "not_https";
  const host = hostname.replaceAll(/^\[|\]$/g, "");
  return isIP(host) !== 0 && !addressRule(rules)(host) ? "address_refused" : null;
}
