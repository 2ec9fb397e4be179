/** What a process and a target can do to the proxy and to each other. */
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, it, vi } from "vitest";
import { handClock } from "../harness.ts";
import { openProxy, openSilentTarget, openTarget } from "./harness.ts";

const connectTo = (authority: string): string => `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
const reply = (body: string, head = "HTTP/1.1 200 OK"): string =>
  `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Resolves with what the socket receives until `end` has arrived. */
async function receivedUntil(socket: Socket, end: string): Promise<string> {
  let received = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    received += String(chunk);
    if (received.includes(end)) break;
  }
  return received;
}

/** Resolves when the proxy has closed its side. */
async function closedBy(socket: Socket): Promise<void> {
  socket.on("error", () => {}).resume();
  if (!socket.readableEnded && !socket.destroyed) {
    await new Promise((resolve) => socket.once("end", resolve).once("close", resolve));
  }
  socket.destroy();
}

describe("a tunnel", () => {
  it("carries bytes both ways, the first ones with the request, and half-closes", async () => {
    await using target = await openTarget((socket, chunk) => {
      if (chunk.includes("last")) socket.end("answer");
    });
    await using proxy = await openProxy({ allowed: [target.authority] });
    const socket = proxy.connect();
    socket.write(`${connectTo(target.authority)}first `);
    expect(await receivedUntil(socket, "\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
    socket.end("last");
    expect(await text(socket)).toBe("answer");
    expect(target.received()).toBe("first last");
  });

  it("ends on both sides when either side resets, and the proxy serves the next", async () => {
    await using target = await openTarget((socket, chunk) => {
      if (chunk === "reset") socket.resetAndDestroy();
      else socket.write("held");
    });
    await using proxy = await openProxy({ allowed: [target.authority] });
    const first = proxy.connect();
    first.write(connectTo(target.authority));
    await receivedUntil(first, "\r\n\r\n");
    first.write("reset");
    await closedBy(first);
    const second = proxy.connect();
    second.write(`${connectTo(target.authority)}hold`);
    await receivedUntil(second, "held");
    second.resetAndDestroy();
    expect(await proxy.exchange(connectTo("10.0.0.1:443"))).toMatch(/^HTTP\/1\.1 403 /);
  });

  it("without a byte for the limit is closed on both sides", async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    await using target = await openTarget((socket) => {
      socket.once("close", () => resolve());
      socket.write("once");
    });
    await using proxy = await openProxy({ allowed: [target.authority], idle_timeout_ms: 50 });
    const socket = proxy.connect();
    socket.write(`${connectTo(target.authority)}x`);
    await receivedUntil(socket, "once");
    await Promise.all([closed, closedBy(socket)]);
    expect(target.connections()).toBe(1);
  });

  it("ends when the process reaches its byte limit, in either direction", async () => {
    await using target = await openTarget((socket) => socket.write("y".repeat(60)));
    await using proxy = await openProxy({ allowed: [target.authority], total_bytes: 100 });
    const socket = proxy.connect();
    socket.write(`${connectTo(target.authority)}${"x".repeat(50)}`);
    await closedBy(socket);
    expect(proxy.refused).toEqual([`${target.authority}: too many bytes`]);
  });
});

describe("connections", () => {
  it("of one process above the limit are closed immediately, and those of another are not", async () => {
    await using target = await openTarget((socket) => socket.write("open"));
    const options = { allowed: [target.authority], connections: 3 };
    await using proxy = await openProxy(options);
    await using other = await openProxy(options);
    const open = Array.from({ length: 3 }, () => proxy.connect());
    for (const socket of open) {
      socket.write(`${connectTo(target.authority)}x`);
      await receivedUntil(socket, "open");
    }
    expect(await proxy.exchange(connectTo(target.authority))).toBe("");
    const [first] = open;
    const free = other.connect();
    free.write(`${connectTo(target.authority)}x`);
    expect(await receivedUntil(free, "open")).toContain("200");
    first?.destroy();
    await vi.waitFor(async () => {
      const next = proxy.connect();
      next.on("error", () => {});
      next.write(`${connectTo(target.authority)}x`);
      expect(await receivedUntil(next, "open")).toContain("200");
      next.destroy();
    });
    for (const socket of [...open, free]) socket.destroy();
  });

  it("that never send a whole request are closed", async () => {
    await using proxy = await openProxy({ idle_timeout_ms: 50 });
    for (const start of ["", "CONNECT exa", "GET http://example.com/ HTTP/1.1\r\nHost: x\r\n"]) {
      const socket = proxy.connect();
      socket.write(start);
      await closedBy(socket);
      expect(proxy.looked_up).toEqual([]);
    }
  });

  it("after a refusal are closed, even if the process keeps its side open", async () => {
    await using proxy = await openProxy({ idle_timeout_ms: 50, connections: 1 });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const socket = proxy.connect();
      socket.write(connectTo("10.0.0.1:443"));
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 403 /);
      await vi.waitFor(async () => expect(await proxy.exchange(connectTo("10.0.0.1:443"))).toMatch(/^HTTP\/1\.1 403 /));
      socket.destroy();
    }
  });

  it("to an address that does not respond end after the limit", async () => {
    const { clock, advance } = handClock();
    await using target = await openSilentTarget();
    await using proxy = await openProxy({ allowed: [target.authority], clock });
    const tunnel = proxy.exchange(connectTo(target.authority));
    const plain = proxy.exchange(`GET http://${target.authority}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await vi.waitFor(() => {
      advance(5_000);
      expect(clock.monotonic_ms()).toBeGreaterThan(10_000);
    });
    expect(await tunnel).toMatch(/^HTTP\/1\.1 502 /);
    expect(await plain).toMatch(/^HTTP\/1\.1 502 /);
  });

  it("with headers that are too large are closed", async () => {
    await using proxy = await openProxy();
    expect(await proxy.exchange(`CONNECT ${"a".repeat(100_000)}:443 HTTP/1.1\r\n\r\n`)).toBe("");
    expect(await proxy.exchange(`GET http://x/ HTTP/1.1\r\nX: ${"a".repeat(100_000)}\r\n\r\n`)).toBe("");
  });
});

describe("plain http", () => {
  it("goes to the target in origin form, without the headers of the connection", async () => {
    await using target = await openTarget((socket) => socket.end(reply("hello")));
    await using proxy = await openProxy({ allowed: [target.authority] });
    const head = [
      `POST http://user:secret@${target.authority}/path?q=1#part HTTP/1.1`,
      "Host: another.example",
      "Proxy-Authorization: Basic eDp5",
      "Proxy-Connection: keep-alive",
      "TE: trailers",
      "X-Holdfast-Egress-Refused: 1",
      "X-Kept: yes",
      "Content-Length: 4",
      "Connection: close",
    ];
    expect(await proxy.exchange(`${head.join("\r\n")}\r\n\r\nbody`)).toMatch(/hello$/);
    const [start = "", ...headers] = target.received().split("\r\n");
    expect(start).toBe("POST /path?q=1 HTTP/1.1");
    const lower = headers.map((header) => header.toLowerCase());
    expect(lower).toEqual(expect.arrayContaining([`host: ${target.authority}`, "x-kept: yes", "content-length: 4"]));
    expect(lower.join("\n")).not.toMatch(/proxy-|te:|refused|secret|another/);
    expect(target.received()).toMatch(/\r\n\r\nbody$/);
  });

  it.each([
    ["both lengths", "Transfer-Encoding: chunked\r\nContent-Length: 4"],
    ["two lengths", "Content-Length: 4\r\nContent-Length: 5"],
    ["a length with a sign", "Content-Length: +4"],
    ["a folded header", "X-A: 1\r\n Transfer-Encoding: chunked"],
    ["a space before the colon", "Transfer-Encoding : chunked"],
    ["an unknown coding", "Transfer-Encoding: xchunked"],
    ["chunked that is not last", "Transfer-Encoding: chunked, identity"],
    ["a bare line feed", "X-A: 1\nTransfer-Encoding: chunked"],
    ["a bare carriage return", "X-A: 1\rTransfer-Encoding: chunked"],
    ["a NUL", "X-A: 1\0"],
  ])("with %s is refused before any byte is sent on", async (_what, headers) => {
    await using target = await openTarget((socket) => socket.end(reply("")));
    await using proxy = await openProxy({ allowed: [target.authority] });
    const smuggled = `0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`;
    const request = `POST http://${target.authority}/ HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${smuggled}`;
    expect(await proxy.exchange(request)).toBe("");
    expect(target.connections()).toBe(0);
  });

  it("uses a new connection for each request, so that no body becomes a second request", async () => {
    await using target = await openTarget((socket, chunk) => chunk.includes("\r\n\r\n") && socket.write(reply("one")));
    await using proxy = await openProxy({ allowed: [target.authority] });
    const url = `http://${target.authority}`;
    const chunked = `GET ${url}/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\nGET /inner HTTP/1.1\r\nX: yyy\r\n\r\n\r\n0\r\n\r\n`;
    const socket = proxy.connect();
    socket.write(`${chunked}GET ${url}/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect((await text(socket)).match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
    expect(target.connections()).toBe(2);
    expect(target.received().toLowerCase()).toContain("transfer-encoding: chunked\r\n");
  });

  it.each([
    ["switches protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw"],
    ["has no headers", "garbage\r\n\r\n"],
    ["has a status that is too small", reply("", "HTTP/1.1 099 Low")],
    ["has endless headers", `HTTP/1.1 200 OK\r\n${"X-A: 1\r\n".repeat(20_000)}`],
    ["has two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    ["ends before its headers", "HTTP/1.1 200 OK\r\nX-A"],
    ["is empty", ""],
    ["has a NUL in a header", "HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 0\r\n\r\n"],
  ])("a target whose response %s is a bad gateway", async (_what, response) => {
    await using target = await openTarget((socket) => socket.end(response));
    await using proxy = await openProxy({ allowed: [target.authority] });
    const request = `GET http://${target.authority}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    expect(await proxy.exchange(request)).toMatch(/^HTTP\/1\.1 502 /);
  });

  it("a target whose body ends early or breaks ends the response, and the proxy serves the next", async () => {
    await using target = await openTarget((socket, chunk) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
      if (chunk.includes("/reset")) setImmediate(() => socket.resetAndDestroy());
      else socket.end();
    });
    await using proxy = await openProxy({ allowed: [target.authority] });
    for (const path of ["/end", "/reset"]) {
      const request = `GET http://${target.authority}${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      expect(await proxy.exchange(request)).not.toContain("part".repeat(2));
    }
    expect(await proxy.exchange(connectTo("10.0.0.1:443"))).toMatch(/^HTTP\/1\.1 403 /);
  });

  it("a target cannot claim that the proxy refused it", async () => {
    await using target = await openTarget((socket) =>
      socket.end("HTTP/1.1 403 No\r\nX-Holdfast-Egress-Refused: 1\r\nContent-Length: 0\r\n\r\n"),
    );
    await using proxy = await openProxy({ allowed: [target.authority] });
    const request = `GET http://${target.authority}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    expect(await proxy.exchange(request)).not.toMatch(/refused/i);
  });
});
