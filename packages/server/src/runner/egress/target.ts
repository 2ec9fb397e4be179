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
export type Resolve = (host: string) => Promise<readonly string[]>;

export interface Rules {
  readonly resolve: Resolve;
  /** `host:port` of each target that is allowed although its address is private. */
  readonly allowed: readonly string[];
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

/** @throws EgressRefused if the target is not allowed, or its name has no address */
export async function addressOf({ host, port }: Target, { resolve, allowed }: Rules): Promise<string> {
  const is_allowed = allowed.includes(`${host.includes(":") ? `[${host}]` : host}:${port}`);
  if (!is_allowed && port < FIRST_FREE_PORT && !PORTS.has(port)) {
    throw new EgressRefused(`port ${port} is not allowed`);
  }
  const addresses = isIP(host) === 0 ? await resolved(host, resolve) : [host];
  const [first] = addresses;
  if (first === undefined) throw new EgressRefused(`${host} has no address`);
  // One private address among public ones is enough to refuse: connecting could pick it.
  if (!is_allowed && !addresses.every(isGlobalAddress)) {
    throw new EgressRefused(`${host} is an address of a private network or of this machine`);
  }
  return first;
}

async function resolved(host: string, resolve: Resolve): Promise<readonly string[]> {
  // Numbers in unusual forms, such as 0x7f.1 or 2130706433, resolve to addresses.
  try {
    return await resolve(host);
  } catch {
    throw new EgressRefused(`${host} cannot be resolved`);
  }
}
