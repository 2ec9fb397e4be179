/**
 * Bodies near and above the limits of their routes, over real sockets. A caller that sends its
 * whole body before it reads gets the reply too, not a broken connection.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUNCTION_LIMITS } from "../../src/core/functions/function-limits.ts";
import { asObject, type Json } from "../support/http.ts";
import { openTestServer, type TestServer } from "../support/server.ts";

const MIB = 1_048_576;
const { function_source_bytes } = FUNCTION_LIMITS;

let holdfast: TestServer;
beforeAll(async () => {
  holdfast = await openTestServer();
});
afterAll(() => holdfast.close());

const deployPath = (): string => `/api/apps/${holdfast.app.app_id}/backend-functions/large`;
const secretsPath = (): string => `/api/apps/${holdfast.app.app_id}/secrets`;

/** Every character of the content as an escape of six bytes, as JSON allows. */
const escaped = (content: string): string =>
  content.replaceAll(/[^]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);

const deployment = (content: string): string =>
  `{"entry":"entry.js","files":[{"path":"entry.js","content":"${content}"}]}`;

/** A comment of `bytes` bytes in total, and a function after it. */
function sourceOf(bytes: number, filling: string): string {
  const code = '\nDeno.serve(() => new Response("large"));';
  return `//${filling.repeat(bytes - code.length - 2)}${code}`;
}

interface Sent {
  readonly status: number;
  readonly head: string;
  readonly json: Json;
}

/** Sends a whole request before it reads a byte of the reply. */
async function sendAll(method: string, path: string, body: string, options: Framing = {}): Promise<Sent> {
  const { api_key = holdfast.app.api_key, is_chunked = false } = options;
  const bytes = Buffer.from(body);
  const socket = connect(Number(new URL(holdfast.url).port), "127.0.0.1").pause();
  await once(socket, "connect");
  const framing = is_chunked ? "transfer-encoding: chunked" : `content-length: ${bytes.length}`;
  socket.write(
    `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\napi_key: ${api_key}\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`,
  );
  if (is_chunked) socket.write(`${bytes.length.toString(16)}\r\n`);
  const written = Promise.withResolvers<void>();
  socket.write(is_chunked ? Buffer.concat([bytes, Buffer.from("\r\n0\r\n\r\n")]) : bytes, () => written.resolve());
  socket.once("error", written.reject);
  await written.promise;
  const [head = "", reply = ""] = (await text(socket)).split("\r\n\r\n", 2);
  return { status: Number(head.split(" ", 2)[1]), head, json: asObject(JSON.parse(reply)) };
}

interface Framing {
  readonly api_key?: string;
  readonly is_chunked?: boolean;
}

describe("a deployment", () => {
  it.for([
    ["11 MB of letters", () => "x".repeat(11_000_000)],
    ["one byte over the limit, each a letter", () => sourceOf(function_source_bytes + 1, "x")],
    ["one byte over the limit, each a quote", () => sourceOf(function_source_bytes + 1, '"')],
  ] as const)("of %s is refused by the limit of all files, not by that of the body", async ([, content]) => {
    const { status, json } = await sendAll("PUT", deployPath(), deployment(JSON.stringify(content()).slice(1, -1)));
    expect([status, json["code"]]).toEqual([400, "deployment_invalid"]);
    expect(json["message"]).toContain(`exceeds the limit of ${function_source_bytes} bytes for all files`);
  });

  it("of one byte over the limit is refused by the same limit, if all of it is escaped", async () => {
    const content = escaped("\n".repeat(function_source_bytes + 1));
    const { status, json } = await sendAll("PUT", deployPath(), deployment(content));
    expect([status, json["code"]]).toEqual([400, "deployment_invalid"]);
    expect(json["message"]).toContain(`exceeds the limit of ${function_source_bytes} bytes for all files`);
  });

  it("of exactly the limit is accepted, with every byte escaped to six", async () => {
    const content = escaped(sourceOf(function_source_bytes, '"'));
    expect(content.length).toBe(6 * function_source_bytes);
    const { status, json } = await sendAll("PUT", deployPath(), deployment(content));
    expect([status, json["status"]]).toEqual([200, "deployed"]);
  });

  it.for([
    ["with a content length", {}],
    ["in chunks", { is_chunked: true }],
  ] as const)("of 40 MB gets a clear 413 that names the limit of its route, %s", async ([, options]) => {
    const { status, head, json } = await sendAll("PUT", deployPath(), deployment("x".repeat(40_000_000)), options);
    expect([status, json["code"], json["message"]]).toEqual([
      413,
      "body_too_large",
      "The body is larger than 30976 KiB.",
    ]);
    expect(head).toMatch(/\r\ncache-control: no-store/);
  });

  it.for([
    ["with a content length", {}],
    ["in chunks", { is_chunked: true }],
  ] as const)("of a caller without a valid key is refused before its body, %s", async ([, options]) => {
    const body = deployment("x".repeat(11_000_000));
    const { status } = await sendAll("PUT", deployPath(), body, { ...options, api_key: "b44k_unknown" });
    expect(status).toBe(401);
  });

  it("sent with fetch, which reads earlier, gets the same 413", async () => {
    const reply = await holdfast.manage("PUT", deployPath(), {
      body: deployment("x".repeat(40_000_000)),
      headers: { "content-type": "application/json" },
    });
    expect([reply.status, reply.code]).toEqual([413, "body_too_large"]);
  });
});

it.for([
  [
    "a deployment of ten million empty lists",
    "PUT",
    deployPath,
    `{"entry":"e","files":[${"[],".repeat(9_999_999)}[]]}`,
  ],
  ["secrets of a million empty objects", "POST", secretsPath, `{"A":[${"{},".repeat(999_999)}{}]}`],
  ["a million numbers that end in no JSON", "POST", secretsPath, "[" + "1,".repeat(1_000_000)],
] as const)("refuses %s before it takes memory and time", async ([, method, path, body]) => {
  const before = process.memoryUsage.rss();
  const { status, json } = await sendAll(method, path(), body);
  expect([status, json["code"], json["message"]]).toEqual([
    400,
    "invalid_json",
    "The body has more than 20000 values.",
  ]);
  expect((process.memoryUsage.rss() - before) / MIB).toBeLessThan(400);
});

it("accepts a text of a million brackets, commas and quotes", async () => {
  const code = `//${'[],{}\\"\\\\"'.repeat(100_000)}\nDeno.serve(() => new Response("large"));`;
  const { status } = await sendAll("PUT", deployPath(), deployment(JSON.stringify(code).slice(1, -1)));
  expect(status).toBe(200);
});

it("accepts secrets of exactly the limit, with every byte escaped to six", async () => {
  const value = escaped("\n".repeat(FUNCTION_LIMITS.app_secret_bytes));
  const names = Array.from({ length: FUNCTION_LIMITS.app_secrets }, (_, index) => `SECRET_${index}`);
  const { status } = await sendAll("POST", secretsPath(), `{${names.map((name) => `"${name}":"${value}"`).join(",")}}`);
  expect(status).toBe(200);
  const too_long = await sendAll("POST", secretsPath(), `{"LONG":"${value}\\n"}`);
  expect([too_long.status, too_long.json["code"]]).toEqual([400, "invalid_field"]);
});

it("names the limit of an ordinary route, even to a caller that reads only after sending", async () => {
  for (const is_chunked of [false, true]) {
    const name = JSON.stringify({ name: "x".repeat(12 * MIB) });
    const { status, json } = await sendAll("POST", "/api/management/apps", name, { is_chunked });
    expect([status, json["message"]]).toEqual([413, "The body is larger than 256 KiB."]);
  }
});

it("closes the connection of a caller that sends more than the server discards", async () => {
  const small = await openTestServer({ limits: { refused_body_bytes: MIB } });
  try {
    const socket = connect(Number(new URL(small.url).port), "127.0.0.1").resume();
    socket.on("error", () => {});
    const closed = new Promise((resolve) => void socket.once("close", resolve));
    socket.write(`PUT ${deployPath()} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999\r\n\r\n`);
    let sent = 0;
    while (!socket.destroyed && sent < 100 * MIB) {
      sent += MIB;
      const drained = new Promise((resolve) => void socket.once("drain", resolve));
      if (!socket.write(Buffer.alloc(MIB))) await Promise.race([drained, closed]);
    }
    await closed;
    expect(sent).toBeLessThan(100 * MIB);
  } finally {
    await small.close();
  }
});
