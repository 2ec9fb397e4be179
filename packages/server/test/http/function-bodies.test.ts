/**
 * Bodies of function calls over real sockets, with real functions: they stream in both directions,
 * nothing is read before the checks, and neither side can hold the other.
 */
import { request, type ClientRequest, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { buffer, json, text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { until } from "../support/clock.ts";
import { appWithFunctions, functionPath, serverWithFunctions } from "../support/functions.ts";
import { asObject } from "../support/http.ts";
import type { TestServer, TestServerOptions } from "../support/server.ts";

const MIB = 1_048_576;

const FUNCTIONS = {
  echo: `Deno.serve((request) => new Response(request.body, { headers: { "content-type": "application/octet-stream" } }));`,
  length: `Deno.serve(async (request) => {
    let length = 0;
    for await (const chunk of request.body ?? []) length += chunk.length;
    return Response.json({ length, header: request.headers.get("content-length"), expect: request.headers.get("expect") });
  });`,
  form: `Deno.serve(async (request) => {
    const form = await request.formData();
    const file = form.get("file");
    const bytes = new Uint8Array(await file.arrayBuffer());
    return Response.json({ name: file.name, type: file.type, sum: bytes.reduce((a, b) => a + b, 0), note: form.get("note") });
  });`,
  // Each process has an id of its own.
  process: `const id = crypto.randomUUID();
    Deno.serve((request) => {
      const status = Number(new URL(request.url).searchParams.get("status") ?? 200);
      return new Response([204, 205, 304].includes(status) ? null : id, { status });
    });`,
  names: `Deno.serve(async (request) => {
    await request.text();
    return Response.json([...request.headers.keys()]);
  });`,
  broken: `Deno.serve(async (request) => {
    console.log("reading");
    try { await request.text(); } catch (error) { console.log("body: " + error.name); }
    return new Response("late");
  });`,
  early: `Deno.serve(() => new Response("no", { status: 401 }));`,
  empty: `Deno.serve((request) => new Response(null, { status: Number(new URL(request.url).searchParams.get("status")) }));`,
  sized: `Deno.serve(() => new Response("12345"));`,
  // Reads nothing and never responds. Its log says when its caller leaves.
  hang: `Deno.serve((request) => { console.log("waiting"); request.signal.addEventListener("abort", () => console.log("caller left")); return new Promise(() => {}); });`,
  endless: `Deno.serve((request) => {
    let count = 0;
    return new Response(new ReadableStream({
      pull(controller) { count += 65536; controller.enqueue(new Uint8Array(65536)); },
      cancel() { console.log("cancelled after " + count); },
    }));
  });`,
  breaks: `Deno.serve(() => new Response(new ReadableStream({
    start(controller) { controller.enqueue(new TextEncoder().encode("half")); setTimeout(() => controller.error(new Error("broken")), 20); },
  })));`,
  fails: `Deno.serve(() => new Response(new ReadableStream({ start(controller) { controller.error(new Error("broken")); } })));`,
  many: `Deno.serve(() => new Response("", { headers: Array.from({ length: 400 }, (_, n) => ["x-" + n, "y".repeat(100)]) }));`,
} as const;

const ready = (options?: TestServerOptions): Promise<TestServer> => serverWithFunctions(FUNCTIONS, options);

/** Opens a request, whose body the test writes. */
function open(holdfast: TestServer, name: string, headers: Readonly<Record<string, string>> = {}): ClientRequest {
  const sent = request(`${holdfast.url}${functionPath(holdfast, name)}`, { method: "POST", headers, agent: false });
  sent.on("error", () => {});
  return sent;
}

const replyTo = async (sent: ClientRequest): Promise<IncomingMessage> => {
  const [reply]: IncomingMessage[] = await once(sent, "response");
  if (reply === undefined) throw new Error("no reply");
  return reply;
};

const codeOf = async (reply: IncomingMessage): Promise<unknown> => asObject(await json(reply))["code"];

/** Returns what functions have logged. */
const lines = ({ log }: TestServer): readonly string[] =>
  log.flatMap(({ line }) => (typeof line === "string" ? [line] : []));

/** Resolves when a function has logged a line. */
const untilLogged = (holdfast: TestServer, part: string): Promise<unknown> =>
  until(`the log contains ${part}`, () => lines(holdfast).some((line) => line.includes(part)));

/** Opens a raw connection to the server. */
async function socketTo({ url }: TestServer): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

describe("a body", () => {
  it("streams both ways at once: the function replies to a chunk before the next one is sent", async () => {
    const holdfast = await ready();
    const sent = open(holdfast, "echo");
    sent.write("one");
    const reply = await replyTo(sent);
    const chunks = reply[Symbol.asyncIterator]();
    expect(String((await chunks.next()).value)).toBe("one");
    sent.write("two");
    expect(String((await chunks.next()).value)).toBe("two");
    sent.end();
    expect((await chunks.next()).done).toBe(true);
  });

  it("arrives intact, binary and multipart, with and without a content length", async () => {
    const holdfast = await ready();
    const bytes = Buffer.from(Array.from({ length: 3 * MIB }, (_, n) => n % 251));
    for (const headers of [{}, { "content-length": String(bytes.length) }]) {
      const sent = open(holdfast, "echo", headers);
      sent.end(bytes);
      expect((await buffer(await replyTo(sent))).equals(bytes)).toBe(true);
    }
    const form = new FormData();
    form.set("note", "h\u00e4llo");
    form.set("file", new File([new Uint8Array([0, 13, 10, 255])], "a b.bin", { type: "application/x-own" }));
    const reply = await fetch(`${holdfast.url}${functionPath(holdfast, "form")}`, { method: "POST", body: form });
    expect(await reply.json()).toEqual({ name: "a b.bin", type: "application/x-own", sum: 278, note: "h\u00e4llo" });
  });

  it("reaches the function with its length, and with a type that the server finds malformed", async () => {
    const holdfast = await ready();
    for (const type of ["application/json", ",", "a/b, c/d", "\u00fc"]) {
      const sent = open(holdfast, "length", { "content-length": "3", "content-type": type });
      sent.end("abc");
      expect(await json(await replyTo(sent))).toEqual({ length: 3, header: "3", expect: null });
    }
  });

  it("loses its trailers, which could look like headers that the server has checked", { tags: "all" }, async () => {
    const holdfast = await ready();
    const socket = await socketTo(holdfast);
    socket.write(
      `POST ${functionPath(holdfast, "names")} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntrailer: x-late\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-late: 1\r\nbase44-app-id: app_other\r\n\r\n`,
    );
    const reply = await text(socket);
    expect(reply).toContain("200 OK");
    expect(reply).toContain("base44-app-id");
    expect(reply).not.toContain("x-late");
    expect(reply).not.toContain('"trailer"');
  });

  it("of an empty reply stays empty, and HEAD keeps the length", { tags: "all" }, async () => {
    const holdfast = await ready();
    for (const status of [204, 205, 304]) {
      const reply = await fetch(`${holdfast.url}${functionPath(holdfast, `empty?status=${status}`)}`);
      expect([reply.status, await reply.text()]).toEqual([status, ""]);
    }
    for (const method of ["HEAD", "GET"]) {
      const reply = await fetch(`${holdfast.url}${functionPath(holdfast, "sized")}`, { method });
      expect([reply.headers.get("content-length"), await reply.text()]).toEqual(["5", method === "GET" ? "12345" : ""]);
    }
  });

  it(
    "of a reply that is not read to its end ends with the reply, so that its process does not look hung",
    { tags: "all" },
    async () => {
      const holdfast = await ready();
      const path = functionPath(holdfast, "process");
      const id = async () => (await holdfast.request("GET", path)).text;
      const first = await id();
      for (const [method, status] of [
        ["HEAD", 200],
        ["HEAD", 404],
        ["POST", 204],
        ["POST", 205],
        ["GET", 304],
      ] as const)
        expect((await holdfast.request(method, `${path}?status=${status}`)).status).toBe(status);
      await holdfast.clock.advance(31_000);
      expect(await id()).toBe(first);
    },
  );

  it("that the function does not read still gets the function's reply", { tags: "all" }, async () => {
    const holdfast = await ready();
    for (let n = 0; n < 10; n += 1) {
      const sent = open(holdfast, "early", { "content-length": String(5 * MIB) });
      sent.end(Buffer.alloc(5 * MIB));
      const reply = await replyTo(sent);
      expect([reply.statusCode, await text(reply)]).toEqual([401, "no"]);
    }
  });

  it("that the function does not read is discarded at once, for a caller that first sends all of it", async () => {
    const holdfast = await ready();
    const { port } = new URL(holdfast.url);
    for (const framing of [`Content-Length: ${6 * MIB}`, "Transfer-Encoding: chunked"]) {
      const socket = connect({ port: Number(port), host: "127.0.0.1" });
      onTestFinished(() => void socket.destroy());
      const replied = text(socket);
      const size = framing.startsWith("T") ? `${(6 * MIB).toString(16)}\r\n` : "";
      socket.write(`POST ${functionPath(holdfast, "early")} HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n${size}`);
      const sent = new Promise<boolean>((resolve) => {
        socket.write(Buffer.alloc(6 * MIB), (error) => resolve(error === null || error === undefined));
      });
      // The clock stands still, so no timeout ends the wait.
      expect([framing, await sent]).toEqual([framing, true]);
      socket.end(size === "" ? "" : "\r\n0\r\n\r\n");
      expect(await replied).toMatch(/^HTTP\/1\.1 401 [\s\S]*\r\nno/);
    }
  });

  it("that is too large is refused before it is sent, or when it exceeds the limit", async () => {
    const holdfast = await ready({ limits: { function_body_bytes: MIB } });
    const declared = open(holdfast, "length", { "content-length": String(MIB + 1), expect: "100-continue" });
    declared.flushHeaders();
    const refused = await replyTo(declared);
    expect([refused.statusCode, await codeOf(refused)]).toEqual([413, "body_too_large"]);
    const chunked = open(holdfast, "length");
    chunked.end(Buffer.alloc(MIB + 1));
    const late = await replyTo(chunked);
    expect([late.statusCode, await codeOf(late)]).toEqual([413, "body_too_large"]);
    const fits = open(holdfast, "length");
    fits.end(Buffer.alloc(MIB));
    expect(await json(await replyTo(fits))).toMatchObject({ length: MIB });
  });
});

describe("a caller that expects to continue", () => {
  const expecting = { expect: "100-continue", "content-length": "3" };

  it("gets 100 Continue only after the checks, and the function does not see the header", async () => {
    const holdfast = await ready();
    const sent = open(holdfast, "length", expecting);
    sent.flushHeaders();
    await once(sent, "continue");
    sent.end("abc");
    expect(await json(await replyTo(sent))).toEqual({ length: 3, header: "3", expect: null });
  });

  it("gets a refusal instead, on a connection that then closes", async () => {
    const holdfast = await ready();
    const sent = open(holdfast, "missing", { ...expecting, "content-length": String(6 * MIB) });
    let continued = false;
    sent.on("continue", () => (continued = true));
    sent.flushHeaders();
    const reply = await replyTo(sent);
    expect([reply.statusCode, reply.headers.connection, await codeOf(reply)]).toEqual([
      404,
      "close",
      "function_not_found",
    ]);
    expect(continued).toBe(false);
  });

  it("of another route gets 100 Continue before its body is parsed", { tags: "all" }, async () => {
    const holdfast = await ready();
    const { app_id, api_key } = holdfast.app;
    const sent = request(`${holdfast.url}/api/management/apps/${app_id}`, {
      method: "PATCH",
      headers: { api_key, expect: "100-continue", "content-type": "application/json" },
    });
    sent.flushHeaders();
    await once(sent, "continue");
    sent.end(JSON.stringify({ name: "renamed" }));
    expect(asObject(await json(await replyTo(sent)))["name"]).toBe("renamed");
  });
});

describe("a call that breaks off", () => {
  it("at the caller's end aborts the function's request, and leaves its process to others", async () => {
    const holdfast = await ready();
    const sent = open(holdfast, "hang");
    sent.end("all of it");
    await untilLogged(holdfast, "waiting");
    sent.destroy();
    await untilLogged(holdfast, "caller left");
    expect(lines(holdfast)).toEqual(["waiting", "caller left"]);
  });

  it("in the middle of the caller's body gives the function an error, not a short body", { tags: "all" }, async () => {
    const holdfast = await ready();
    const count = (part: string) => lines(holdfast).filter((line) => line.startsWith(part)).length;
    for (const [round, end] of (["destroy", "end"] as const).entries()) {
      const socket = await socketTo(holdfast);
      socket.write(
        `POST ${functionPath(holdfast, "broken")} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf`,
      );
      await until("the function reads", () => count("reading") > round);
      socket[end]();
      await until("the function has an error", () => count("body: ") > round);
    }
    expect(lines(holdfast)).toHaveLength(4);
  });

  it(
    "while the caller reads aborts the function's stream, which was never far ahead of the reader",
    { tags: "all" },
    async () => {
      const holdfast = await ready();
      const sent = open(holdfast, "endless");
      sent.end();
      const reply = await replyTo(sent);
      await reply[Symbol.asyncIterator]().next();
      sent.destroy();
      await untilLogged(holdfast, "cancelled after");
      const [, count] = lines(holdfast).join("\n").split("cancelled after ");
      expect(Number(count)).toBeLessThan(16 * MIB);
    },
  );

  it("at the function's end breaks the reply off, so that it does not look complete", async () => {
    const holdfast = await ready();
    const reply = await fetch(`${holdfast.url}${functionPath(holdfast, "breaks")}`);
    expect(reply.status).toBe(200);
    await expect(reply.text()).rejects.toThrow("terminated");
  });

  it("before its first byte is the function's error, not the server's", async () => {
    const holdfast = await ready();
    const reply = await fetch(`${holdfast.url}${functionPath(holdfast, "fails")}`);
    expect(reply.status).toBe(502);
    expect(await reply.json()).toMatchObject({ code: "function_error" });
    expect(lines(holdfast).join("\n")).not.toContain("internal");
  });

  it("because the caller stops sending times out", { tags: "all" }, async () => {
    const holdfast = await ready();
    // The process starts in real time. Then the clock decides.
    await holdfast.request("POST", functionPath(holdfast, "length"));
    const sent = open(holdfast, "length", { "content-length": "100" });
    sent.write("a");
    const reply = replyTo(sent);
    let status: number | undefined;
    void reply.then(({ statusCode }) => (status = statusCode));
    await until("it is refused", async () => {
      await holdfast.clock.advance(1_000);
      return status;
    });
    const refused = await reply;
    expect([refused.statusCode, await codeOf(refused)]).toEqual([408, "request_timeout"]);
  });
});

describe("a function's reply", () => {
  it("whose headers are too large is immediately reported as the function's error", async () => {
    const holdfast = await ready();
    const sent = open(holdfast, "many");
    sent.end();
    const reply = await replyTo(sent);
    expect([reply.statusCode, await codeOf(reply)]).toEqual([502, "function_error"]);
  });
});

it("a WebSocket is refused, and other upgrades are ignored", async () => {
  const holdfast = await ready();
  const call = async (upgrade: string): Promise<IncomingMessage> => {
    const sent = open(holdfast, "sized", { connection: "Upgrade", upgrade });
    sent.end();
    return await replyTo(sent);
  };
  const refused = await call("WebSocket");
  expect([refused.statusCode, await codeOf(refused)]).toEqual([501, "function_upgrade_refused"]);
  expect(await text(await call("h2c"))).toBe("12345");
});

it(
  "bodies in flight have a budget, for the server and for each app, and finished calls return theirs",
  { tags: "all" },
  async () => {
    const holdfast = await ready({
      limits: { function_window_bytes: 100, function_bytes_in_flight: 700, function_bytes_in_flight_per_app: 400 },
    });
    const other = await appWithFunctions(holdfast, "other", { echo: FUNCTIONS.echo });
    const third = await appWithFunctions(holdfast, "third", { echo: FUNCTIONS.echo });
    const uploads: ClientRequest[] = [];
    const upload = async (app: TestServer["app"]): Promise<ClientRequest> => {
      const sent = open({ ...holdfast, app }, "echo");
      sent.write("x");
      uploads.push(sent);
      return sent;
    };
    const running = async (app: TestServer["app"]): Promise<IncomingMessage> => replyTo(await upload(app));
    const first = [await running(holdfast.app), await running(holdfast.app)];
    const refused = await running(holdfast.app);
    expect([refused.statusCode, refused.headers["retry-after"], await codeOf(refused)]).toEqual([
      503,
      "1",
      "overloaded",
    ]);
    uploads.pop();
    await running(other);
    expect(await codeOf(await running(third))).toBe("overloaded");
    uploads.pop();
    for (const sent of uploads) sent.end("y");
    expect(await Promise.all(first.map((reply) => text(reply)))).toEqual(["xy", "xy"]);
    const again = await upload(third);
    again.end();
    expect(await text(await replyTo(again))).toBe("x");
  },
);

/** Sends this many bodies of 6 MiB at once, all from the same memory. */
async function sendBodies(holdfast: TestServer, name: string, count: number): Promise<readonly Socket[]> {
  const block = Buffer.alloc(6 * MIB);
  const head = `POST ${functionPath(holdfast, name)} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: ${block.length}\r\n\r\n`;
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = await socketTo(holdfast);
      socket.write(head);
      socket.write(block);
      return socket;
    }),
  );
}

/** Of 600 MiB. Buffers of discarded bytes live until the next garbage collection. */
const MOST_GROWTH = 200;

/** Returns by how many MiB this process, clients included, grew at most while the action ran. */
async function growth(action: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage().rss;
  let highest = before;
  const watch = setInterval(() => (highest = Math.max(highest, process.memoryUsage().rss)), 5);
  await action().finally(() => clearInterval(watch));
  return (highest - before) / MIB;
}

it("a hundred bodies of 6 MiB for missing functions use no memory", async () => {
  const holdfast = await ready();
  const grown = await growth(async () => {
    const sockets = await sendBodies(holdfast, "missing", 100);
    const statuses = await Promise.all(sockets.map(async (socket) => (await text(socket)).split(" ", 2)[1]));
    expect(new Set(statuses)).toEqual(new Set(["404"]));
  });
  expect(grown).toBeLessThan(MOST_GROWTH);
});

it("a hundred bodies of 6 MiB for a function that reads none wait with their callers", { tags: "all" }, async () => {
  const holdfast = await ready({ limits: { function_invocations: 100 } });
  const grown = await growth(async () => {
    await sendBodies(holdfast, "hang", 100);
    await until("all of them wait", () => lines(holdfast).filter((line) => line === "waiting").length === 100);
  });
  expect(grown).toBeLessThan(MOST_GROWTH);
});
