/**
 * The IP addresses that a request to a user's URL can reach. Private networks, this machine and a
 * cloud's metadata service (169.254.169.254) are refused, because only this server can reach them
 * (OWASP API7). Pure. Callers must check every address of a name and connect to a checked one,
 * because a second lookup can return another address (DNS rebinding).
 *
 * Ranges: the IANA special-purpose address registries (RFC 6890), where "globally reachable" is not
 * true. A few entries inside 2001::/23 are reachable, but no web server has such an address.
 */
import { BlockList, isIP } from "node:net";

/** Networks as `address/prefix`. */
const NOT_GLOBAL_IPV4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
];
/**
 * The only part of IPv6 that is assigned for global use (RFC 4291 §2.4). So loopback, link-local,
 * unique local, multicast, IPv4-mapped (`::ffff:10.0.0.1`) and NAT64 addresses need no entry.
 */
const UNICAST_IPV6 = ["2000::/3"];
/** 2001::/23 has Teredo, and 2002::/16 is 6to4: both can embed a private IPv4 address. */
const NOT_GLOBAL_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];
const LOOPBACK_IPV4 = ["127.0.0.0/8"];
const LOOPBACK_IPV6 = ["::1/128"];

const not_global_ipv4 = networks("ipv4", NOT_GLOBAL_IPV4);
const unicast_ipv6 = networks("ipv6", UNICAST_IPV6);
const not_global_ipv6 = networks("ipv6", NOT_GLOBAL_IPV6);
const loopback_ipv4 = networks("ipv4", LOOPBACK_IPV4);
const loopback_ipv6 = networks("ipv6", LOOPBACK_IPV6);

function networks(family: "ipv4" | "ipv6", list: readonly string[]): BlockList {
  const block_list = new BlockList();
  for (const entry of list) {
    const [address = "", prefix] = entry.split("/");
    block_list.addSubnet(address, Number(prefix), family);
  }
  return block_list;
}

/**
 * Reports whether the address is globally reachable. False for text that is not an address in its
 * usual form, such as `0x7f.1` or `fe80::1%eth0`.
 */
export function isGlobalAddress(address: string): boolean {
  const version = ipVersion(address);
  if (version === 4) return !not_global_ipv4.check(address, "ipv4");
  return version === 6 && unicast_ipv6.check(address, "ipv6") && !not_global_ipv6.check(address, "ipv6");
}

/** Reports whether the address is this machine's own, as seen from itself. */
export function isLoopbackAddress(address: string): boolean {
  const version = ipVersion(address);
  if (version === 4) return loopback_ipv4.check(address, "ipv4");
  return version === 6 && loopback_ipv6.check(address, "ipv6");
}

/** A zone (`%eth0`) names an interface of this machine, so an address with one is not accepted. */
function ipVersion(address: string): 0 | 4 | 6 {
  const version = address.includes("%") ? 0 : isIP(address);
  return version === 4 || version === 6 ? version : 0;
}
