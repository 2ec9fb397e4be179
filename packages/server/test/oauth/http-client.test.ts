import { createServer as createTcpServer, type Server as TcpServer, type Socket } from "node:net";
import { createServer as createHttpsServer } from "node:https";
import { describe, expect, it, onTestFinished } from "vitest";
import { LIMITS } from "../../src/core/limits.ts";
import { throughGateway } from "../../src/net/gateway.ts";
import { createHttpClient } from "../../src/net/http-client.ts";
import type { OutboundRequest } from "../../src/net/outbound.ts";
import { selfSigned } from "./certificate.ts";
import { fakeProvider, json, manualClock, plainProvider, portOf, refreshCall, rig } from "./support.ts";

const request = (changes: Partial<OutboundRequest> = {}): OutboundRequest => ({
  method: "POST",
  url: "https://plain.example/token?x=1",
  headers: { "content-type": "application/x-www-form-urlencoded", authorization: "Bearer t" },
  body: "a=1",
  deadline_ms: 14_000,
  ...changes,
});

/**
 * Starts a raw TCP server. `onRequest` gets the socket when the first bytes of a request have
 * arrived.
 */
async function rawServer(onRequest: (socket: Socket) => void): Promise<{ origin: string; connections: () => number }> {
  let connections = 0;
  const open = new Set<Socket>();
  const server = createTcpServer((socket) => {
    connections += 1;
    open.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => onRequest(socket));
  });
  await listen(server);
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { origin: `http://127.0.0.1:${portOf(server.address())}`, connections: () => connections };
}

function listen(server: TcpServer): Promise<void> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
}

/** Returns a loopback port on which nothing listens. */
async function closedPort(): Promise<number> {
  const server = createTcpServer();
  await listen(server);
  const port = portOf(server.address());
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

describe("throughGateway", () => {
  it("puts the host into the path, and changes nothing without a gateway", () => {
    const url = "https://slack.com/api/oauth.v2.access?a=1";
    expect(throughGateway("http://127.0.0.1:9", url)).toBe("http://127.0.0.1:9/slack.com/api/oauth.v2.access?a=1");
    expect(throughGateway(null, url)).toBe(url);
  });
});

describe("the HTTP client", () => {
  it("sends a request to the gateway once, and returns status, headers and body", async () => {
    const fake = await fakeProvider((response) => json(response, { ok: true }, 201, { "retry-after": "3" }));
    const result = await rig(fake.gateway).httpClient.send(request());
    expect(result).toMatchObject({ kind: "response", status: 201, complete: true, headers: { "retry-after": "3" } });
    expect(result.kind === "response" && Buffer.from(result.body).toString()).toBe('{"ok":true}');
    expect(fake.seen).toMatchObject([{ method: "POST", url: "/plain.example/token?x=1", body: "a=1" }]);
  });

  it("uses no compression, no cookies and no kept connection", async () => {
    const fake = await fakeProvider((response) => json(response, {}, 200, { "set-cookie": "a=b" }));
    const { httpClient } = rig(fake.gateway);
    await httpClient.send(request());
    await httpClient.send(request());
    const [first, second] = fake.seen;
    expect(first?.headers).toMatchObject({ connection: "close", authorization: "Bearer t" });
    expect(first?.headers).not.toHaveProperty("accept-encoding");
    expect(second?.headers).not.toHaveProperty("cookie");
    expect(first?.port).not.toBe(second?.port);
  });

  it("refuses plain http and malformed URLs, without sending", async () => {
    const fake = await fakeProvider((response) => json(response, {}));
    const { httpClient } = rig(fake.gateway);
    for (const url of ["http://plain.example/token", "https://", "plain.example", ""]) {
      expect(await httpClient.send(request({ url }))).toEqual({ kind: "not_sent", reason: "not_https" });
    }
    expect(fake.seen).toHaveLength(0);
  });

  it("refuses headers that would inject others, without sending", async () => {
    const fake = await fakeProvider((response) => json(response, {}));
    const headers = { authorization: "Bearer a\r\nx-evil: 1" };
    const result = await rig(fake.gateway).httpClient.send(request({ headers }));
    expect(result).toEqual({ kind: "not_sent", reason: "not_representable" });
    expect(fake.seen).toHaveLength(0);
  });

  it("stops reading at the limit", async () => {
    const fake = await fakeProvider((response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
      };
      response.on("drain", more);
      more();
    });
    const result = await rig(fake.gateway, { provider_response_bytes: 100_000 }).httpClient.send(request());
    expect(result).toMatchObject({ kind: "response", complete: false });
    expect(result.kind === "response" && result.body.length).toBeLessThanOrEqual(100_000);
  });
});

describe("a request that cannot have been sent", () => {
  it("is reported as not sent if nothing listens", async () => {
    const { httpClient } = rig(`http://127.0.0.1:${await closedPort()}`);
    expect(await httpClient.send(request())).toEqual({ kind: "not_sent", reason: "connect_failed" });
  });

  it("is reported as not sent if the name does not resolve", async () => {
    const httpClient = createHttpClient({ gateway: null, limits: LIMITS, clock: manualClock() });
    const result = await httpClient.send(request({ url: `https://${"x".repeat(64)}.invalid/token` }));
    expect(result).toEqual({ kind: "not_sent", reason: "dns_failed" });
  });

  it("is not sent if onSend declines at the last moment, and the connection is closed", async () => {
    let bytes = 0;
    const gone = Promise.withResolvers<null>();
    const server = createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        bytes += chunk.length;
      });
      socket.on("close", () => gone.resolve(null));
    });
    await listen(server);
    onTestFinished(() => {
      server.close();
    });
    let calls = 0;
    const onSend = (): boolean => {
      calls += 1;
      return false;
    };
    const { httpClient } = rig(`http://127.0.0.1:${portOf(server.address())}`);
    expect(await httpClient.send(request({ onSend }))).toEqual({ kind: "not_sent", reason: "gave_up" });
    await gone.promise;
    expect([calls, bytes]).toEqual([1, 0]);
  });

  it("is sent if onSend agrees, which is called once", async () => {
    const fake = await fakeProvider((response) => json(response, {}));
    const seenOnSend: number[] = [];
    const onSend = (): boolean => seenOnSend.push(fake.seen.length) > 0;
    expect(await rig(fake.gateway).httpClient.send(request({ onSend }))).toMatchObject({ kind: "response" });
    expect(seenOnSend).toEqual([0]);
  });

  it("is not sent if it was aborted before", async () => {
    const fake = await fakeProvider((response) => json(response, {}));
    const result = await rig(fake.gateway).httpClient.send(request({ signal: AbortSignal.abort() }));
    expect(result).toEqual({ kind: "not_sent", reason: "aborted" });
    expect(fake.seen).toHaveLength(0);
  });

  it("is not sent if connecting takes too long, and leaves no half-open connection", async () => {
    const clock = manualClock();
    const closed = Promise.withResolvers<string>();
    // Accepts the connection, and never responds to the TLS ClientHello.
    const { origin } = await rawServer((socket) => {
      socket.on("close", () => closed.resolve("closed"));
      clock.advance(LIMITS.provider_connect_timeout_ms);
    });
    const httpClient = createHttpClient({ gateway: null, limits: LIMITS, clock });
    const url = `https://127.0.0.1:${new URL(origin).port}/token`;
    expect(await httpClient.send(request({ url }))).toEqual({ kind: "not_sent", reason: "connect_timeout" });
    expect(await closed.promise).toBe("closed");
  });
});

const respondsLate = async (headers_timeout_ms?: number) => {
  const clock = manualClock();
  const fake = await fakeProvider((response) => {
    clock.advance(10_000);
    json(response, {});
  });
  const limit = headers_timeout_ms === undefined ? {} : { headers_timeout_ms };
  return rig(fake.gateway, {}, clock).httpClient.send(request(limit));
};

describe("a request that may have been sent", () => {
  const lost = { kind: "maybe_sent", reason: "connection_lost" };
  const timeout = { kind: "maybe_sent", reason: "timeout" };
  const head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";

  it.each<[string, (socket: Socket) => void]>([
    ["is reset before the headers", (socket) => socket.resetAndDestroy()],
    ["is closed before the headers", (socket) => socket.end()],
    ["gets a response that is not HTTP", (socket) => socket.end("SSH-2.0-OpenSSH\r\n\r\n")],
    [
      "is reset in the middle of a counted body",
      (socket) => socket.write(`${head}Content-Length: 10\r\n\r\nabc`, () => socket.resetAndDestroy()),
    ],
    ["is closed in the middle of a counted body", (socket) => socket.end(`${head}Content-Length: 10\r\n\r\nabc`)],
    [
      "is closed before the last chunk",
      (socket) => socket.end(`${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`),
    ],
    [
      "is reset before the last chunk",
      (socket) => socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`, () => socket.resetAndDestroy()),
    ],
  ])("is reported as maybe sent if it %s, and is not retried", async (_claim, act) => {
    const server = await rawServer(act);
    expect(await rig(server.origin).httpClient.send(request())).toEqual(lost);
    expect(server.connections()).toBe(1);
  });

  it("is not complete if a body without a length ends in a reset", async () => {
    const server = await rawServer((socket) => {
      socket.write(`${head}\r\nabc`, () => {
        // Let the body be read first. A reset that overtakes it is the case before the headers.
        setImmediate(() => setImmediate(() => socket.resetAndDestroy()));
      });
    });
    expect(await rig(server.origin).httpClient.send(request())).toEqual(lost);
  });

  it("is complete if a body without a length ends normally", async () => {
    const server = await rawServer((socket) => socket.end(`${head}\r\nabc`));
    expect(await rig(server.origin).httpClient.send(request())).toMatchObject({ kind: "response", complete: true });
  });

  it("ends at the deadline without a response", async () => {
    const clock = manualClock();
    const fake = await fakeProvider(() => clock.advance(14_000));
    expect(await rig(fake.gateway, {}, clock).httpClient.send(request())).toEqual(timeout);
  });

  it("ends at the deadline while the body arrives slowly but steadily", async () => {
    const clock = manualClock();
    const fake = await fakeProvider((response) => {
      response.writeHead(200);
      const drip = (): void => {
        if (response.destroyed) return;
        clock.advance(1000);
        response.write("x", () => setImmediate(drip));
      };
      drip();
    });
    expect(await rig(fake.gateway, {}, clock).httpClient.send(request())).toEqual(timeout);
  });

  it("ends at the headers timeout if one is set, and otherwise keeps waiting", async () => {
    expect(await respondsLate(10_000)).toEqual(timeout);
    expect(await respondsLate()).toMatchObject({ kind: "response" });
  });

  it("ends if it is aborted", async () => {
    const abort = new AbortController();
    const fake = await fakeProvider(() => abort.abort());
    const result = await rig(fake.gateway).httpClient.send(request({ signal: abort.signal }));
    expect(result).toEqual({ kind: "maybe_sent", reason: "aborted" });
  });

  it("has its own deadline for a refresh, not the timeout of an API call", async () => {
    const clock = manualClock();
    const fake = await fakeProvider((response) => {
      clock.advance(59_000);
      json(response, { access_token: "a", token_type: "bearer" });
    });
    const { client } = rig(fake.gateway, {}, clock);
    const outcome = await client.refresh(refreshCall(plainProvider(), { deadline_ms: 60_000 }));
    expect(outcome.kind).toBe("ok");
  });
});

const sendTo = (port: number, ca?: string) => {
  const options = { gateway: null, limits: LIMITS, clock: manualClock() };
  const httpClient = createHttpClient(ca === undefined ? options : { ...options, ca });
  return httpClient.send(request({ url: `https://localhost:${port}/token` }));
};

async function tlsServer(pair: { key: string; cert: string }): Promise<{ port: number; requests: () => number }> {
  let requests = 0;
  const server = createHttpsServer(pair, (_request, response) => {
    requests += 1;
    response.end("{}");
  });
  await listen(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: portOf(server.address()), requests: () => requests };
}

describe("TLS", () => {
  const localhost = selfSigned("localhost");
  it("reaches a server whose certificate is trusted", async () => {
    const server = await tlsServer(localhost);
    expect(await sendTo(server.port, localhost.cert)).toMatchObject({ kind: "response", status: 200 });
  });

  it("sends nothing to a server whose certificate is not trusted", async () => {
    const server = await tlsServer(localhost);
    expect(await sendTo(server.port)).toEqual({ kind: "not_sent", reason: "tls_failed" });
    expect(server.requests()).toBe(0);
  });

  it("sends nothing to a server whose certificate is for another name", async () => {
    const other = selfSigned("elsewhere.example");
    const server = await tlsServer(other);
    expect(await sendTo(server.port, other.cert)).toEqual({ kind: "not_sent", reason: "tls_failed" });
    expect(server.requests()).toBe(0);
  });

  it("sends nothing to a server that does not speak TLS", async () => {
    const { origin } = await rawServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
    expect(await sendTo(Number(new URL(origin).port))).toMatchObject({ kind: "not_sent" });
  });
});
