/**
 * Servers with TLS faults that a client must notice before it sends anything. They take the place
 * of the gateway, because only the gateway reaches a port other than 443.
 */
import { createServer as createHttpsServer } from "node:https";
import { createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { selfSigned } from "../../oauth/certificate.ts";
import type { OtherOrigin } from "./stage.ts";

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

async function certified(name: string): Promise<OtherOrigin> {
  const server = createHttpsServer(selfSigned(name), (_request, response) => {
    // A client that gets here has sent a refresh token to an unknown server. The result must not
    // look like a failure to connect.
    response.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_grant"}');
  });
  return { origin: await listen(server) };
}

export const untrustedCertificate = (): Promise<OtherOrigin> => certified("localhost");
export const strangeCertificate = (): Promise<OtherOrigin> => certified("other.example");

/** Accepts the client's first message and never replies. */
export async function silentTls(): Promise<OtherOrigin> {
  let started = 0;
  const server = createServer((socket) => {
    socket.once("data", () => (started += 1));
  });
  return { origin: await listen(server), attempts: () => started };
}
