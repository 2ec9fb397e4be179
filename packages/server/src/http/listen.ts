/** Where the server listens. */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { createServer, type Server as Listener } from "node:net";
import type { Limits } from "../core/limits.ts";
import type { HttpServer } from "./fastify.ts";

/** Listens on the addresses of `host`. `localhost` can have two, and the first one must work. */
export async function listenOn(http: HttpServer, host: string, port: number, limits: Limits): Promise<void> {
  await listenOnAll(http, host === "localhost" ? await addressesOf(host) : [host], port, limits);
}

const addressesOf = async (host: string): Promise<readonly string[]> =>
  (await lookup(host, { all: true, order: "ipv4first" })).map(({ address }) => address);

/**
 * Listens on the first address, and on the same port of the others, if it is free. Fastify would
 * give the others servers of their own, without our limits and listeners.
 */
export async function listenOnAll(
  http: HttpServer,
  [first = "localhost", ...others]: readonly string[],
  port: number,
  { connections }: Limits,
): Promise<void> {
  const { server } = http;
  const listeners = others.map((host) => ({ host, listener: listenerFor(server, connections) }));
  let closed: Promise<unknown> = Promise.resolve();
  http.addHook("preClose", (done) => {
    closed = Promise.all(listeners.map(async ({ listener }) => await once(listener.close(), "close")));
    done();
  });
  // The server's own close() does not wait for the requests of these connections.
  http.addHook("onClose", async () => void (await closed));
  await http.listen({ host: first, port });
  const bound = server.address();
  if (bound === null || typeof bound === "string") return;
  for (const { host, listener } of listeners) {
    listener.listen({ host, port: bound.port });
    await once(listener, "listening").catch(() => listener.close());
  }
}

function listenerFor(server: HttpServer["server"], connections: number): Listener {
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.emit("connection", socket));
  listener.maxConnections = connections;
  return listener;
}
