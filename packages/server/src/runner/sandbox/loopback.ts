/** Listeners on a free loopback port of the host. */
import { createServer, type Server } from "node:net";
import { SandboxFailure } from "./types.ts";

export function listenOnLoopback(): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, () => resolve(server));
  });
}

export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new SandboxFailure("A listener has no port.");
  return address.port;
}
