/**
 * Servers that speak TLS, or fail to, in ways that a client must notice before it sends anything. The gateway's place is the
 * one by which a port other than 443 can be reached.
 */
import { createServer as createHttpsServer } from "node:https";
import { createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { selfSigned } from "../../oauth/certificate.ts";
import type { Elsewhere } from "./stage.ts";

async function listen(server: Server): Promise<`https://${string}`> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return `https://localhost:${typeof address === "object" && address !== null ? address.port : 0}`;
}

async function certified(name: string): Promise<Elsewhere> {
  const server = createHttpsServer(selfSigned(name), (_request, response) => {
    // Whoever gets here has sent a refresh token to a stranger: the attempt must not look like a failure to connect.
    response.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_grant"}');
  });
  return { origin: await listen(server) };
}

export const untrustedCertificate = (): Promise<Elsewhere> => certified("localhost");
export const strangeCertificate = (): Promise<Elsewhere> => certified("elsewhere.example");

/** Takes the greeting and gives none. */
export async function silentTls(): Promise<Elsewhere> {
  let greeted = 0;
  const server = createServer((socket) => {
    socket.once("data", () => (greeted += 1));
  });
  return { origin: await listen(server), begun: () => greeted };
}
