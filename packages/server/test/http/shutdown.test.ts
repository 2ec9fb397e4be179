/** A request that arrives while the server closes, over a real socket. */
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expect, it, onTestFinished } from "vitest";
import { listenOn } from "../../src/http/listen.ts";
import { createHttpServer } from "../../src/http/server.ts";
import { startTestServer } from "../support/server.ts";

it("a request that began before the server closed gets its reply, and the connection ends", async () => {
  const { installation } = await startTestServer();
  const server = await createHttpServer({ ...installation, functionRunner: null, ready: () => Promise.resolve(true) });
  await listenOn(server, "127.0.0.1", 0, installation.config.limits);
  const bound = server.server.address();
  if (bound === null || typeof bound === "string") throw new Error("The server has no port.");
  const socket = connect({ port: bound.port, host: "127.0.0.1" });
  onTestFinished(() => void socket.destroy());
  const accepted = once(server.server, "connection");
  await once(socket, "connect");
  await accepted;
  // The server must have read the first bytes. Node closes connections without any immediately.
  const begun = once(socket, "data");
  socket.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\n");
  await begun;
  const reply = text(socket);
  const closed = server.close();
  socket.write("host: localhost\r\n\r\n");
  expect(await reply).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*connection: close\r\n/i);
  await closed;
});
