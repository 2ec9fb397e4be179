/**
 * The address of a client: that of the socket, or the address that a trusted proxy reports in
 * X-Forwarded-For. Fastify reads that header from right to left while the addresses are trusted
 * (`trustProxy`), so entries that a client adds itself never count.
 */
import { isIP } from "node:net";
import { normalizeIP } from "@fastify/rate-limit";
import type { FastifyRequest } from "fastify";
import type { Config } from "../config.ts";
import { bridgeOf } from "./bridge.ts";

/** Returns Fastify's option of this name. */
export function trustProxy({ trusted_proxies }: Config): string[] | false {
  return trusted_proxies.length === 0 ? false : [...trusted_proxies];
}

/** Returns the address, as IPv4 even when it came over an IPv6 socket. */
export function clientAddress({ ip, socket }: Pick<FastifyRequest, "ip" | "socket">): string {
  // A proxy can send any text. Only an address belongs in the audit trail.
  const address = isIP(ip) === 0 ? (socket.remoteAddress ?? "") : ip;
  return address === "" ? "" : normalizeIP(address, 128);
}

/**
 * Returns the key of one client: an IPv4 address, or an IPv6 /64 network, whose hosts choose their
 * own addresses. All functions of one app are one client.
 */
export function clientNetwork(request: Pick<FastifyRequest, "ip" | "socket" | "raw">): string {
  const bridged = bridgeOf(request);
  if (bridged !== null) return `function of ${bridged.app_id}`;
  const address = clientAddress(request);
  return address === "" ? "" : normalizeIP(address, 64);
}
