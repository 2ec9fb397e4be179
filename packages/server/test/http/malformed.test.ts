/** Requests that Node refuses before they reach a route, over real sockets. */
import { METHODS } from "node:http";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { ERRORS, type ErrorCode } from "../../src/core/errors.ts";
import { parseFunctionsUrl } from "../../src/core/functions/functions-url.ts";
import { listenOn, listenOnAll } from "../../src/http/listen.ts";
import { createHttpServer } from "../../src/http/server.ts";
import { openBridge } from "../support/bridge.ts";
import { asObject, type Json } from "../support/http.ts";
import { startTestServer } from "../support/server.ts";
import { until } from "../support/clock.ts";

const CANARY = "canary-7f3a";

/** `allowHalfOpen`: the caller does not close its side when the server has closed the other. */
async function socketTo({ url }: { readonly url: string }, allowHalfOpen = false): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen });
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

interface Sent {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly json: Json;
  readonly text: string;
}

/** Returns a server that also listens on another loopback address, and its URLs. */
async function onTwoAddresses(): Promise<readonly string[]> {
  const { installation } = await startTestServer();
  const server = await createHttpServer({ ...installation, functionRunner: null, ready: () => Promise.resolve(true) });
  onTestFinished(() => server.close());
  await listenOnAll(server, ["127.0.0.1", "127.0.0.2"], 0, installation.config.limits);
  const bound = server.server.address();
  if (bound === null || typeof bound === "string") throw new Error("The server has no port.");
  return [`http://127.0.0.1:${bound.port}`, `http://127.0.0.2:${bound.port}`];
}

/** Sends bytes, and returns the one reply before the server closes the connection. */
async function send(holdfast: { readonly url: string }, bytes: string): Promise<Sent> {
  const socket = await socketTo(holdfast);
  socket.write(bytes, "latin1");
  return read(await text(socket));
}

function read(reply: string): Sent {
  const [head = "", body = ""] = reply.split("\r\n\r\n", 2);
  const [line = "", ...fields] = head.split("\r\n");
  const headers = fields.map((field): [string, string] => {
    const [name = "", value = ""] = field.split(/: ?(.*)/s, 2);
    return [name.toLowerCase(), value];
  });
  return {
    status: Number(line.split(" ", 2)[1]),
    headers: new Map(headers),
    json: asObject(JSON.parse(body)),
    text: reply,
  };
}

/** Returns the parts of an error that tests compare. */
function errorOf({ status, json, headers, text: reply }: Sent) {
  const has_own_id = json["request_id"] === headers.get("x-request-id");
  const names = ["content-type", "cache-control", "connection"];
  const replies = reply.match(/HTTP\/1\.1 /g)?.length;
  const reflects = reply.includes(CANARY);
  return { status, json, has_own_id, reflects, headers: names.map((name) => headers.get(name)), replies };
}

/** The form of all errors, on a connection that closes, without a byte of the request. */
function refusal(code: ErrorCode): ReturnType<typeof errorOf> {
  const { status, retryable, who_must_act } = ERRORS[code];
  const message = code === "method_not_allowed" ? "This server does not know that method." : ERRORS[code].message;
  const request_id: unknown = expect.stringMatching(/^req_[a-z0-9]{20}$/);
  return {
    status,
    json: { message, detail: message, code, request_id, retryable, extra_data: { who_must_act } },
    has_own_id: true,
    reflects: false,
    headers: ["application/json; charset=utf-8", "no-store", "close"],
    replies: 1,
  };
}

describe("a malformed request", () => {
  it.for([
    `${CANARY}\r\n\r\n`,
    `GET /${CANARY} HTTP/9.9\r\nhost: x\r\n\r\n`,
    `GET /${CANARY} HTTP/1.1\nhost: x\n\n`,
    `get /${CANARY} HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET /healthz HTTP/1.1\r\nhost: x\r\n${CANARY}\r\n\r\n`,
    `GET /healthz HTTP/1.1\r\nhost: x\r\na b: ${CANARY}\r\n\r\n`,
    `GET /healthz HTTP/1.1\r\nhost: x\r\na: ${CANARY}\0\r\n\r\n`,
    `GET /healthz HTTP/1.1\r\nhost: x\r\na: b\r\n ${CANARY}\r\n\r\n`,
    "GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    "POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    // Its body, after the request has reached a route.
    `POST /api/management/apps HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${CANARY}\r\n`,
  ])("gets bad_request, and nothing of it returns: %j", async (request) => {
    const holdfast = await startTestServer();
    expect(errorOf(await send(holdfast, request))).toEqual(refusal("bad_request"));
    expect((await holdfast.request("GET", "/healthz")).status).toBe(200);
    expect(JSON.stringify(holdfast.log)).not.toContain(CANARY);
  });

  it("gets bad_request if it names no host, or breaks off", async () => {
    const holdfast = await startTestServer();
    expect(errorOf(await send(holdfast, "GET /healthz HTTP/1.1\r\n\r\n"))).toEqual(refusal("bad_request"));
    const socket = await socketTo(holdfast);
    socket.end("GET /healthz HT");
    expect(errorOf(read(await text(socket)))).toEqual(refusal("bad_request"));
  });

  it("gets headers_too_large, even while it is still sending them", async () => {
    const holdfast = await startTestServer();
    for (const length of [17_000, 4_000_000])
      expect(
        errorOf(await send(holdfast, `GET /healthz HTTP/1.1\r\nhost: x\r\na: ${CANARY.repeat(length / 10)}\r\n\r\n`)),
      ).toEqual(refusal("headers_too_large"));
  });

  it("gets request_timeout if its headers, or its body, take too long", async () => {
    const holdfast = await startTestServer({ limits: { headers_timeout_ms: 200, request_timeout_ms: 400 } });
    expect(errorOf(await send(holdfast, `GET /healthz HTTP/1.1\r\nhost: ${CANARY}\r\n`))).toEqual(
      refusal("request_timeout"),
    );
    const head = `POST /api/management/apps HTTP/1.1\r\nhost: x\r\napi_key: ${holdfast.app.api_key}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n`;
    expect(errorOf(await send(holdfast, `${head}${CANARY}`))).toEqual(refusal("request_timeout"));
  });

  it("never adds a second reply to one that has begun", async () => {
    const holdfast = await startTestServer({ limits: { refused_body_ms: 1_000 } });
    const socket = await socketTo(holdfast);
    socket.write("POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
    const [first]: unknown[] = await once(socket, "data");
    socket.write("no chunk\r\n\r\n");
    const all = String(first) + (await text(socket));
    expect(all).toContain("route_not_found");
    expect(all.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });
});

it.for([
  { requests: "", what: "the next request" },
  { requests: "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", what: "a later request" },
])("sends no refusal of $what into a reply that has begun", async ({ requests }) => {
  for (const refused of ["GARBAGE\r\n\r\n", "CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n"]) {
    const { installation } = await startTestServer();
    const server = await createHttpServer({ ...installation, functionRunner: null, ready: async () => true });
    onTestFinished(() => server.close());
    server.get(
      "/begun",
      (_request, reply) => void reply.hijack().raw.writeHead(200, { "content-length": 9 }).write("begun"),
    );
    await listenOn(server, "127.0.0.1", 0, installation.config.limits);
    const socket = await socketTo({ url: server.listeningOrigin });
    socket.write("GET /begun HTTP/1.1\r\nhost: x\r\n\r\n");
    const [begun]: unknown[] = await once(socket, "data");
    expect(String(begun)).toMatch(/begun$/);
    socket.write(requests + refused);
    expect(await text(socket)).toBe("");
  }
});

describe("a method", () => {
  it.for(["CONNECT internal:443", "CONNECT /healthz", "FROBNICATE /healthz", "VERSION-CONTROL /healthz", "X /"])(
    "that no route has gets 405 with those that routes have: %s",
    async (start) => {
      const holdfast = await startTestServer();
      const sent = await send(holdfast, `${start} HTTP/1.1\r\nhost: ${CANARY}\r\n\r\n`);
      expect(errorOf(sent)).toEqual(refusal("method_not_allowed"));
      expect(sent.headers.get("allow")).toContain("GET, HEAD, POST, PUT, PATCH, DELETE");
    },
  );

  it("that Node knows gets a coded reply", async () => {
    const holdfast = await startTestServer();
    for (const method of METHODS.filter((one) => !["CONNECT", "HEAD", "GET"].includes(one))) {
      const close = "connection: close\r\n";
      const sent = await send(holdfast, `${method} /healthz HTTP/1.1\r\nhost: x\r\n${close}content-length: 0\r\n\r\n`);
      const { status, json, headers } = sent;
      // A query needs a content type.
      const error = method === "QUERY" ? [400, "bad_request", undefined] : [405, "method_not_allowed", "GET, HEAD"];
      expect([method, status, json["code"], headers.get("allow")]).toEqual([method, ...error]);
    }
  });

  it("CONNECT of a caller that resets its connection leaves the server running", async () => {
    const holdfast = await startTestServer();
    for (let n = 0; n < 20; n += 1) {
      const socket = await socketTo(holdfast);
      socket.write("CONNECT internal:443 HTTP/1.1\r\nhost: internal\r\n\r\n", () => socket.resetAndDestroy());
      await once(socket, "close");
    }
    expect((await holdfast.request("GET", "/healthz")).status).toBe(200);
  });
});

it("ignores an expectation that it does not know", async () => {
  const holdfast = await startTestServer();
  const socket = await socketTo(holdfast);
  socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\nexpect: a-miracle\r\nconnection: close\r\n\r\n");
  expect(await text(socket)).toMatch(/^HTTP\/1.1 200 /);
});

it("replies the same on every address of localhost, until the server closes", async () => {
  const urls = await onTwoAddresses();
  for (const url of urls) {
    expect(errorOf(await send({ url }, "GARBAGE\r\n\r\n"))).toEqual(refusal("bad_request"));
    expect(errorOf(await send({ url }, "CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n"))).toEqual(
      refusal("method_not_allowed"),
    );
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  }
});

it("replies the same to a function on its bridge, and on a function's own origin", async () => {
  const functions_url = parseFunctionsUrl("https://{app}.fn.example", "https://connect.example");
  const holdfast = await startTestServer({ config: { functions_url } });
  const host = `${holdfast.app.app_id.replaceAll("_", "-")}.fn.example`;
  for (const url of [await openBridge(holdfast, "prc_1"), holdfast.url]) {
    const garbage = await send({ url }, `GET / HTTP/1.1\r\nhost: ${host}\r\n${CANARY}\r\n\r\n`);
    expect(errorOf(garbage)).toEqual(refusal("bad_request"));
    const large = await send({ url }, `GET / HTTP/1.1\r\nhost: ${host}\r\na: ${"x".repeat(20_000)}\r\n\r\n`);
    expect(errorOf(large)).toEqual(refusal("headers_too_large"));
    const unknown = await send({ url }, `FROBNICATE / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
    expect(errorOf(unknown)).toEqual(refusal("method_not_allowed"));
  }
});

it("logs malformed requests once a minute, with their number", async () => {
  const holdfast = await startTestServer();
  const lines = () => holdfast.log.filter(({ event }) => event === "requests_malformed");
  for (let n = 0; n < 5; n += 1) await send(holdfast, "GARBAGE\r\n\r\n");
  await send(holdfast, "FROBNICATE / HTTP/1.1\r\nhost: x\r\n\r\n");
  expect(lines()).toMatchObject([
    { code: "bad_request", count: 1 },
    { code: "method_not_allowed", count: 1 },
  ]);
  await holdfast.clock.advance(60_000);
  await send(holdfast, "GARBAGE\r\n\r\n");
  expect(lines().slice(2)).toMatchObject([{ code: "bad_request", count: 5 }]);
});

it("closes a refused connection whose caller keeps it open, or keeps sending", async () => {
  const holdfast = await startTestServer({ limits: { refused_body_bytes: 1_000_000 } });
  const quiet = await socketTo(holdfast, true);
  quiet.write("CONNECT internal:443 HTTP/1.1\r\nhost: internal\r\n\r\n");
  await once(quiet, "data");
  const loud = await socketTo(holdfast);
  loud.write("GARBAGE\r\n\r\n");
  await until("the loud connection is closed", () => {
    loud.write(Buffer.alloc(100_000));
    return loud.destroyed;
  });
  expect(quiet.destroyed).toBe(false);
  await holdfast.clock.advance(5_000);
  // A closed connection resets a caller that writes to it.
  await until("the quiet connection is closed", () => {
    quiet.write("x");
    return quiet.destroyed;
  });
});
