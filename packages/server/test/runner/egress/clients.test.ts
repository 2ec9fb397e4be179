/**
 * The HTTP clients of a real function in its sandbox. They call a real TLS host whose certificate
 * is from a private authority.
 */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer as createPlainServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer } from "node:https";
import type { Duplex } from "node:stream";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSandbox } from "../../../src/runner/sandbox/sandbox.ts";
import { findDeno } from "../../../src/runner/deno.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { selfSigned } from "../../oauth/certificate.ts";
import { TEST_UIDS } from "../../support/uids.ts";
import { openWorkbench, temporaryFolder, type Workbench } from "../harness.ts";

const echo: RequestListener = (request, response) => {
  void text(request).then((body) => response.end(`${request.method} ${request.url} ${body}`));
};

/** Accepts a WebSocket, and returns the text of its first frame (RFC 6455 §1.3 and §5.2). */
function echoSocket({ headers }: IncomingMessage, socket: Duplex): void {
  const key = `${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`;
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n\r\n`);
  socket.on("error", () => {});
  socket.once("data", (frame: Buffer) => {
    const mask = frame.subarray(2, 6);
    const sent = frame.subarray(6).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
    const reply = Buffer.from(`echo ${Buffer.from(sent).toString()}`);
    socket.write(Buffer.concat([Buffer.from([0x81, reply.length]), reply]));
    socket.once("data", () => socket.end(Buffer.from([0x88, 0])));
  });
}

let folder: string;
let secure: Server;
let plain: Server;

beforeAll(async () => {
  folder = await temporaryFolder();
  const { key, cert } = selfSigned("api.test");
  await writeFile(join(folder, "authorities.pem"), cert, { mode: 0o600 });
  secure = await listening(createServer({ key, cert }, echo));
  plain = await listening(createPlainServer(echo));
  secure.on("upgrade", echoSocket);
});

afterAll(async () => {
  await Promise.all([secure, plain].map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listening<Kind extends Server>(server: Kind): Promise<Kind> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Opens a function that runs an expression. `secure` and `plain` are the hosts, with ports. */
async function openCaller(expression: string, authorities?: string): Promise<Workbench> {
  const hosts = { secure: `api.test:${portOf(secure)}`, plain: `plain.test:${portOf(plain)}` };
  return await openWorkbench({
    reachable: Object.values(hosts),
    ...(authorities === undefined ? {} : { authorities }),
    files: { "f.ts": callerOf(expression, hosts) },
  });
}

const callerOf = (expression: string, hosts: { readonly secure: string; readonly plain: string }): string => `
  import http from "node:http";
  import https from "node:https";
  import http2 from "node:http2";
  import net from "node:net";
  import tls from "node:tls";
  import dgram from "node:dgram";
  const { secure, plain } = ${JSON.stringify(hosts)};
  const [host, port] = [secure.split(":")[0], Number(secure.split(":")[1])];
  const read = (ok, fail) => (response) => {
    let text = "";
    response.on("data", (chunk) => (text += chunk)).on("end", () => ok(text)).on("error", fail);
  };
  const request = (library, options, body) => new Promise((ok, fail) =>
    library.request(options, read(ok, fail)).on("error", fail).end(body));
  const opened = (emitter, event) => new Promise((ok, fail) => emitter.on("error", fail).on(event, () => ok("open")));
  const socket = (url) => new Promise((ok, fail) => {
    const opened = new WebSocket(url);
    opened.onopen = () => opened.send("hello");
    opened.onmessage = ({ data }) => (ok(data), opened.close());
    opened.onerror = ({ message }) => fail(new Error(message));
  });
  Deno.serve(async () => {
    try {
      return new Response(await (${expression}));
    } catch (error) {
      return new Response("failed " + [error.code, error.message, error.cause].join(" "));
    }
  });`;

/** Returns the result of the expression, where the private authority is trusted. */
async function resultOf(expression: string): Promise<string> {
  await using bench = await openCaller(expression, join(folder, "authorities.pem"));
  return (await bench.call("f")).body;
}

describe("a function reaches a host of a private authority with", () => {
  it.each([
    ["fetch", 'fetch("https://" + secure + "/a", { method: "POST", body: "x" }).then((r) => r.text())', "POST /a x"],
    ["https.get", 'new Promise((ok, fail) => https.get("https://" + secure + "/a", read(ok, fail)))', "GET /a "],
    ["https.request with a body", 'request(https, { host, port, path: "/a", method: "PUT" }, "x")', "PUT /a x"],
    [
      "https.request with an agent of a package",
      'request(https, { host, port, path: "/a", method: "POST", agent: new https.Agent({ keepAlive: true }) }, "x")',
      "POST /a x",
    ],
    ["a WebSocket", 'socket("wss://" + secure + "/a")', "echo hello"],
  ])("%s", async (_client, expression, expected) => {
    expect(await resultOf(expression)).toBe(expected);
  });
});

describe("a function reaches a plain host with", () => {
  it.each([
    ["fetch", 'fetch("http://" + plain + "/a").then((r) => r.text())', "GET /a "],
    ["http.get", 'new Promise((ok, fail) => http.get("http://" + plain + "/a", read(ok, fail)))', "GET /a "],
    [
      "http.request with an agent of a package",
      'request(http, { host: plain.split(":")[0], port: plain.split(":")[1], path: "/a", method: "POST", agent: new http.Agent({ keepAlive: true }) }, "x")',
      "POST /a x",
    ],
    [
      "a WebSocket of a secure host, after a request",
      'fetch("http://" + plain).then(() => socket("wss://" + secure))',
      "echo hello",
    ],
  ])("%s", async (_client, expression, expected) => {
    expect(await resultOf(expression)).toBe(expected);
  });
});

describe("without the authority", () => {
  it.each([
    ["fetch", 'fetch("https://" + secure).then((r) => r.text())'],
    ["https.get", 'request(https, "https://" + secure)'],
    ["a WebSocket", 'socket("wss://" + secure)'],
  ])("%s does not trust the host", async (_client, expression) => {
    await using bench = await openCaller(expression);
    // Deno tries a WebSocket again with HTTP/2, and reports only why that failed.
    expect((await bench.call("f")).body).toMatch(
      /^failed .*(UnknownIssuer|certificate|self[- ]signed|CaUsedAsEndEntity|NoApplicationProtocol)/i,
    );
  });

  it("a file of authorities that is missing or damaged, or has none, stops the start and is named", async () => {
    await writeFile(join(folder, "empty.pem"), "no certificate");
    const damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    await writeFile(join(folder, "damaged.pem"), damaged);
    for (const name of ["missing.pem", "empty.pem", "damaged.pem"]) {
      const authorities = join(folder, name);
      const limits = { poll_ms: 250, start_timeout_ms: 5_000, uids: TEST_UIDS };
      expect(() =>
        createSandbox({ isolation: "bubblewrap", deno: findDeno(), authorities, clock: systemClock, ...limits }),
      ).toThrow(`NODE_EXTRA_CA_CERTS names ${authorities}, which is not a readable PEM file`);
    }
  });
});

describe("a function is refused, and reads the reason, with", () => {
  it.each([
    ["fetch", 'fetch("https://10.0.0.1/")', "address of a private network"],
    ["https.get", 'request(https, "https://10.0.0.1/")', "403 function_egress_refused"],
    ["http.get", 'request(http, "http://10.0.0.1/")', "address of a private network"],
  ])("%s to a private address", async (_client, expression, reason) => {
    const result = await resultOf(expression);
    expect(result).toContain("function_egress_refused");
    expect(result).toContain(reason);
  });

  it.each([
    ["Deno.connect", "Deno.connect({ hostname: host, port })", "Deno.connect"],
    ["Deno.connectTls", "Deno.connectTls({ hostname: host, port })", "Deno.connectTls"],
    ["Deno.listen", "Deno.listen({ port: 8080 })", "Deno.listen"],
    ["net.connect", 'opened(net.connect(port, host), "connect")', "Raw TCP"],
    ["net.createConnection", 'opened(net.createConnection({ host: "10.0.0.1", port: 25 }), "connect")', "Raw TCP"],
    ["a net.Socket", 'opened(new net.Socket().connect({ host, port }), "connect")', "Raw TCP"],
    ["a socket of localhost", 'opened(net.connect(5432), "connect")', "Raw TCP"],
    ["tls.connect", 'opened(tls.connect(port, host), "secureConnect")', "Raw TCP"],
    ["node:http2", 'opened(http2.connect("https://" + secure), "connect")', "Raw TCP"],
    ["sending UDP", 'dgram.createSocket("udp4").send("x", 53, "8.8.8.8")', "UDP"],
    ["listening on UDP", 'dgram.createSocket("udp4").bind(5353)', "UDP"],
  ])("%s, which names the way out", async (_client, expression, what) => {
    expect(await resultOf(expression)).toContain(
      `failed function_egress_refused function_egress_refused: ${what} is not available. Functions reach the network with fetch, WebSocket and node:https.`,
    );
  });
});
