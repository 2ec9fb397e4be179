/**
 * The rules for outgoing connections of a sandboxed process. Resolves a name, checks every address,
 * and returns the address to connect to. A second lookup could return a different address.
 */
import { isIP } from "node:net";
import { isGlobalAddress } from "../../net/address.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Returns the addresses of a name. Rejects if there are none. */
export type Resolve = (host: string, is_allowed: boolean) => Promise<readonly string[]>;

export interface Rules {
  readonly resolve: Resolve;
  /** Reports whether an address is this machine's, even if it is public. */
  readonly isOwn: (address: string) => boolean;
  /** `host:port` of each target that is allowed although its address is private. */
  readonly allowed: readonly string[];
  /** A proxy of the operator's network, which leads to all targets that are not in `allowed`. */
  readonly upstream?: Target;
}

/** Where to connect, and what to ask there. */
export interface Route extends Target {
  /** True for the operator's proxy, which then has to be asked for the target by name. */
  readonly is_proxy: boolean;
}

/** A refusal. Its message is for the author of the code inside. */
export class EgressRefused extends Error {
  override name = "EgressRefused";
}

/**
 * The ports of the web, and the unprivileged ones. Mail is not among them.
 */
const PORTS: ReadonlySet<number> = new Set([80, 443]);
const FIRST_FREE_PORT = 1_024;
const HOST = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/;

/** Parses `host:port` and `[ipv6]:port`, the form of a CONNECT request (RFC 9110 §9.3.6). */
export function parseAuthority(authority: string): Target | null {
  const [, bracketed, plain, digits = ""] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(authority) ?? [];
  const host = (bracketed ?? plain ?? "").toLowerCase();
  const port = Number(digits);
  if (port < 1 || port > 65_535) return null;
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? { host, port } : null;
  return HOST.test(host) ? { host, port } : null;
}

export const authorityOf = ({ host, port }: Target): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;

/** @throws EgressRefused if the target is not allowed, or its name has no address */
export async function routeTo(target: Target, { resolve, isOwn, allowed, upstream }: Rules): Promise<Route> {
  const { host, port } = target;
  const is_allowed = allowed.includes(authorityOf(target));
  if (!is_allowed && port < FIRST_FREE_PORT && !PORTS.has(port)) {
    throw new EgressRefused(`port ${port} is not allowed`);
  }
  const is_proxy = upstream !== undefined && !is_allowed;
  const addresses = await addressesOf(host, is_allowed, resolve).catch((error: unknown) => {
    // Where a proxy leads to the internet, often only the proxy knows its names.
    if (is_proxy) return [];
    throw error;
  });
  const [first] = addresses;
  // One private address among public ones is enough to refuse: connecting could pick it. A
  // connection to this machine's own public address does not pass its firewall.
  if (!is_allowed && !addresses.every((address) => isGlobalAddress(address) && !isOwn(address))) {
    throw new EgressRefused(`${host} is an address of a private network or of this machine`);
  }
  if (is_proxy) return { ...upstream, is_proxy };
  if (first === undefined) throw new EgressRefused(`${host} has no address`);
  return { host: first, port, is_proxy };
}

async function addressesOf(host: string, is_allowed: boolean, resolve: Resolve): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  // Numbers in unusual forms, such as 0x7f.1 or 2130706433, resolve to addresses.
  try {
    return await resolve(host, is_allowed);
  } catch {
    throw new EgressRefused(`${host} cannot be resolved`);
  }
}
