/** Resolves host names for processes in a sandbox, and knows this machine's addresses. */
import { lookup, Resolver } from "node:dns/promises";
import { BlockList, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";

/** For each question to a name server. It doubles with each of the tries. */
const TIMEOUT_MS = 2_000;
const TRIES = 2;

/**
 * Returns the addresses of a name. A name that the operator allows can be in the machine's own
 * files. Any other is asked from the name servers directly, because `lookup` waits in one of few
 * threads that all of this server's lookups share. A function could name hosts whose name servers
 * never reply, and no refresh would find its provider.
 */
export async function resolveHost(host: string, is_allowed: boolean): Promise<readonly string[]> {
  // A new one each time, because it reads the machine's name servers only at its start.
  if (!is_allowed) return await askNameServers(new Resolver({ timeout: TIMEOUT_MS, tries: TRIES }), host);
  const found = await lookup(host, { all: true, order: "ipv4first" });
  return found.map(({ address }) => address);
}

/** IPv4 first, because many hosts have no route for IPv6. */
export async function askNameServers(resolver: Resolver, host: string): Promise<readonly string[]> {
  const found = await resolver.resolve4(host).catch(() => []);
  return found.length > 0 ? found : await resolver.resolve6(host);
}

/** Reports whether one of this machine's interfaces has the address now. */
export function isOwnAddress(address: string): boolean {
  const own = new BlockList();
  for (const one of Object.values(networkInterfaces()).flat())
    if (one !== undefined) own.addAddress(one.address, one.family === "IPv6" ? "ipv6" : "ipv4");
  return own.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
