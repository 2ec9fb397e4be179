/** Resolves host names with this machine's resolver. */
import { lookup } from "node:dns/promises";

/** IPv4 first, because many hosts have no route for IPv6. */
export async function resolveHost(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, order: "ipv4first" });
  return found.map(({ address }) => address);
}
