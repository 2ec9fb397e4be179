/** Resolves host names with this machine's resolver, and knows this machine's addresses. */
import { lookup } from "node:dns/promises";
import { BlockList, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";

/** IPv4 first, because many hosts have no route for IPv6. */
export async function resolveHost(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, order: "ipv4first" });
  return found.map(({ address }) => address);
}

/** Reports whether one of this machine's interfaces has the address now. */
export function isOwnAddress(address: string): boolean {
  const own = new BlockList();
  for (const one of Object.values(networkInterfaces()).flat())
    if (one !== undefined) own.addAddress(one.address, one.family === "IPv6" ? "ipv6" : "ipv4");
  return own.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
