/** Where the server listens. */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import type { Limits } from "../core/limits.ts";
import type { HttpServer } from "./fastify.ts";

/**
 * Listens on the addresses of `host`. `localhost` can have two, and the first one must work.
 * Fastify would give the second one a server of its own, without our limits and listeners.
 */
export async function listenOn(http: HttpServer, host: string, port: number, limits: Limits): Promise<void> {
  const [first = host, ...others] = host === "localhost" ? await addressesOf(host) : [host];
  await http.listen({ host: first, port });
  for (const address of others) await listenAlso(http, address, limits);
}

const addressesOf = async (host: string): Promise<readonly string[]> =>
  (await lookup(host, { all: true, order: "ipv4first" })).map(({ address }) => address);

/** Serves the connections to another address, on the port of the server, if the address is free. */
export async function listenAlso({ server }: HttpServer, host: string, { connections }: Limits): Promise<void> {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return;
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.emit("connection", socket));
  listener.maxConnections = connections;
  server.once("close", () => listener.close());
  listener.listen({ host, port: bound.port });
  await once(listener, "listening").catch(() => listener.close());
}
