/** Requests and replies that the server has not ended when it closes, over real sockets. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { listenOn, listenOnAll } from "../../src/http/listen.ts";
import { createHttpServer } from "../../src/http/server.ts";
import { until } from "../support/clock.ts";
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

it("closes if the port of another address was taken, or if the first one cannot be used", async () => {
  const { installation } = await startTestServer();
  const context = { ...installation, functionRunner: null, ready: async () => true };
  const { limits } = installation.config;
  const servers = [await createHttpServer(context), await createHttpServer(context)] as const;
  await listenOnAll(servers[0], ["127.0.0.1", "127.0.0.1"], 0, limits);
  const port = Number(new URL(servers[0].listeningOrigin).port);
  await expect(listenOnAll(servers[1], ["127.0.0.1", "127.0.0.2"], port, limits)).rejects.toThrow("EADDRINUSE");
  for (const server of servers) await server.close();
});

it.for(["127.0.0.1", "127.0.0.2"])(
  "a reply that began before the server closed is sent to its end, and its connection ends: %s",
  async (host) => {
    const { installation } = await startTestServer();
    const server = await createHttpServer({ ...installation, functionRunner: null, ready: async () => true });
    const begun = Promise.withResolvers<ServerResponse>();
    server.get("/begun", (_request, { raw }) => {
      raw.writeHead(200, { "content-length": 10 }).write("begun");
      begun.resolve(raw);
    });
    await listenOnAll(server, ["127.0.0.1", "127.0.0.2"], 0, installation.config.limits);
    const socket = connect({ port: Number(new URL(server.listeningOrigin).port), host, allowHalfOpen: false });
    onTestFinished(() => void socket.destroy());
    socket.write("GET /begun HTTP/1.1\r\nhost: localhost\r\n\r\n");
    const reply = text(socket);
    const raw = await begun.promise;
    let is_closed = false;
    const closing = server.close().then(() => (is_closed = true));
    await until("the server accepts no connections", () => !server.server.listening);
    for (let turn = 0; turn < 20; turn += 1) await setImmediate();
    expect(is_closed).toBe(false);
    raw.end("ended");
    expect(await reply).toMatch(/\r\n\r\nbegunended$/);
    await closing;
  },
);
