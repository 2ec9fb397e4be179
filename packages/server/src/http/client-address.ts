/**
 * Where a request comes from: the socket's address, or what a trusted proxy says in X-Forwarded-For. Fastify reads that
 * header from right to left for as long as the addresses are trusted ones (`trustProxy`), so what a client writes itself
 * never counts.
 */
import { isIP } from "node:net";
import { normalizeIP } from "@fastify/rate-limit";
import type { FastifyRequest } from "fastify";
import type { Config } from "../config.ts";

/** Fastify's option. */
export function trustProxy({ trusted_proxies }: Config): string[] | false {
  return trusted_proxies.length === 0 ? false : [...trusted_proxies];
}

/** As people know it: an IPv4 address that came over an IPv6 socket is an IPv4 address. */
export function clientAddress({ ip, socket }: Pick<FastifyRequest, "ip" | "socket">): string {
  // A proxy can write anything, and what is no address must not get into the audit trail as one.
  const address = isIP(ip) === 0 ? (socket.remoteAddress ?? "") : ip;
  return address === "" ? "" : normalizeIP(address, 128);
}

/** What counts as one client: an address, or the /64 network in which IPv6 machines choose theirs as they like. */
export function clientNetwork(request: Pick<FastifyRequest, "ip" | "socket">): string {
  const address = clientAddress(request);
  return address === "" ? "" : normalizeIP(address, 64);
}
