import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it, vi } from "vitest";
import { descendantsOf } from "../support/processes.ts";
import { isAlive, liveFunction, openWorkbench, rejection, temporaryFolder } from "./harness.ts";

/** Responds with the name of its process. In a sandbox every process has the same pid. */
const PID = `const pid = crypto.randomUUID(); Deno.serve(() => new Response(pid));`;
/** Responds with the name of its process after /open was called. /pid responds at once. */
const GATE = `
  const gate = Promise.withResolvers();
  const pid = crypto.randomUUID();
  let count = 0;
  Deno.serve(async (req) => {
    const { pathname } = new URL(req.url);
    if (pathname === "/open") gate.resolve();
    if (pathname === "/") {
      console.log("waiting " + (count += 1) + " " + req.headers.get("base44-app-id"));
      await gate.promise;
    }
    return new Response(pid);
  });`;

/** Responds when the fake does. /hang never responds. */
const HELD = `
  const pid = crypto.randomUUID();
  Deno.serve(async (req) => {
    console.log("pid " + pid);
    if (new URL(req.url).pathname === "/hang") await new Promise(() => {});
    await fetch("https://slack.com/hold");
    return new Response("held");
  });`;

describe("processes", () => {
  it("serve twenty parallel invocations of a function in one process, and each app in its own", async () => {
    await using bench = await openWorkbench({ files: { "gate/entry.js": GATE, "pid.js": PID } });
    const calls = Array.from({ length: 20 }, () => bench.call("gate"));
    await bench.logged("waiting 20");
    const { body } = await bench.call("gate", { path: "/open" });
    const pids = (await Promise.all(calls)).map((called) => called.body);
    expect(new Set(pids)).toEqual(new Set([body]));
    expect((await bench.call("pid", { app_id: "app_b" })).body).not.toBe((await bench.call("pid")).body);
  });

  it("are reused, and replaced after a file of the function changed", async () => {
    await using bench = await openWorkbench({
      files: {
        "f/entry.ts": `import { word } from "./word.ts"; Deno.serve(() => new Response(word + " " + Deno.pid));`,
        "f/word.ts": `export const word = "old";`,
      },
    });
    const first = (await bench.call("f")).body;
    await bench.write({ "f/unrelated.ts": "not imported" });
    expect((await bench.call("f")).body).toBe(first);
    await bench.write({ "f/word.ts": `export const word = "new";` });
    expect((await bench.call("f")).body).toMatch(/^new /);
    await bench.write({ "f/word.ts": `export const = ;` });
    await expect(bench.call("f")).rejects.toMatchObject({
      code: "function_invalid",
      message: expect.stringContaining("word.ts:1"),
    });
    await bench.write({ "f/word.ts": `export const word = "fixed";` });
    expect((await bench.call("f")).body).toMatch(/^fixed /);
  });

  it("of a changed function finish their invocations, and then end", { tags: "all" }, async () => {
    const hold = Promise.withResolvers<{ body: unknown }>();
    await using bench = await openWorkbench({ files: { "f.js": HELD }, respond: () => hold.promise });
    const old = bench.call("f");
    await bench.logged("pid ");
    await bench.write({ "f.js": `Deno.serve(() => new Response("new"));` });
    expect((await bench.call("f")).body).toBe("new");
    hold.resolve({ body: {} });
    expect((await old).body).toBe("held");
    const [process] = bench.processes;
    await bench.runner.close();
    expect(isAlive(process?.host_pid ?? null)).toBe(false);
  });

  it("end when idle, and not before", { tags: "all" }, async () => {
    await using bench = await openWorkbench({ files: { "pid.js": PID } });
    const pid = (await bench.call("pid")).body;
    await bench.endedCount(1);
    bench.advance(59_999);
    expect((await bench.call("pid")).body).toBe(pid);
    await bench.endedCount(2);
    bench.advance(60_000);
    expect((await bench.call("pid")).body).not.toBe(pid);
    // Neither the bootstrap nor Deno writes to the function's log.
    expect(bench.logs).toEqual([]);
  });

  it("are limited: the longest idle process is replaced, and a call without one waits in line", async () => {
    await using bench = await openWorkbench({
      files: { "a.js": PID, "b.js": PID, "gate.js": GATE },
      limits: { function_processes: 2, function_queue: 1 },
    });
    const a = (await bench.call("a")).body;
    const b = (await bench.call("b")).body;
    expect((await bench.call("a")).body).toBe(a);
    await bench.endedCount(3);
    const waiting = bench.call("gate");
    await bench.logged("waiting 1");
    expect((await bench.call("a")).body).toBe(a);
    await bench.endedCount(4);
    const other = bench.call("gate", { app_id: "app_b" });
    await bench.logged("waiting 1 app_b");
    const late = rejection(bench.call("b"));
    await expect(bench.call("b")).rejects.toMatchObject({ code: "overloaded", options: { retry_after_s: 1 } });
    bench.advance(10_000);
    expect(await late).toMatchObject({ code: "overloaded" });
    const patient = bench.call("b");
    await Promise.all([bench.call("gate", { path: "/open" }), bench.call("gate", { path: "/open", app_id: "app_b" })]);
    await Promise.all([waiting, other]);
    expect((await patient).body).not.toBe(b);
  });

  it("are limited per app, so that one app cannot use up those of all apps", async () => {
    await using bench = await openWorkbench({
      files: { "gate.js": GATE, "pid.js": PID },
      limits: { function_processes: 2, function_processes_per_app: 1 },
    });
    const waiting = bench.call("gate");
    await bench.logged("waiting 1");
    const own = rejection(bench.call("pid"));
    expect((await bench.call("pid", { app_id: "app_b" })).status).toBe(200);
    bench.advance(10_000);
    expect(await own).toMatchObject({ code: "overloaded" });
    await bench.call("gate", { path: "/open" });
    await waiting;
  });

  it("end on close, and their invocations fail", async () => {
    await using bench = await openWorkbench({ files: { "gate.js": GATE, "pid.js": PID } });
    await bench.call("pid");
    await bench.call("gate", { path: "/pid" });
    const pids = bench.processes.map(({ host_pid }) => host_pid);
    const waiting = bench.call("gate");
    await bench.logged("waiting 1");
    const outcome = rejection(waiting);
    expect(pids.map(isAlive)).toEqual([true, true]);
    await bench.runner.close();
    expect(await outcome).toMatchObject({ code: "function_error" });
    expect(pids.map(isAlive)).toEqual([false, false]);
    await expect(bench.call("pid")).rejects.toMatchObject({ code: "overloaded" });
    expect(new Set(bench.ended).size).toBe(3);
  });
});

const LIVE = { app_id: "a", function_name: "pid", version_id: "v", secrets: {}, secrets_revision: "" };
const source = (path: string): string => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);

it.each(["bubblewrap", "none"] as const)(
  "a process ends if its server is killed, with isolation %s",
  async (isolation) => {
    const dir = await temporaryFolder();
    const code_of_function = `Deno.exit = () => {}; ${PID}`;
    const live = { ...LIVE, code: code_of_function };
    const code = `
    import { createFunctionRunner } from ${source("runner/functions.ts")};
    import { createSandbox } from ${source("runner/sandbox/sandbox.ts")};
    import { findDeno } from ${source("runner/deno.ts")};
    import { LIMITS } from ${source("core/limits.ts")};
    import { systemClock } from ${source("core/clock.ts")};
    const sandbox = createSandbox({ isolation: ${JSON.stringify(isolation)}, deno: findDeno(), authorities: null, uids: { first: 1900000000, last: 1900000009 }, poll_ms: 250, start_timeout_ms: 5000, clock: systemClock });
    const runner = createFunctionRunner({ gateway: null, gateway_hosts: [], sandbox, acceptBridge() {}, egress: { resolve: async () => [], isOwn: () => false, allowed: [] },
      limits: LIMITS, clock: systemClock, log() {}, issueToken: () => "t", endInvocation() {}, onFailure: console.error });
    const { body } = await runner.invoke({ function: ${JSON.stringify(live)}, method: "GET", url: "http://a/", prefix: "/", client_address: null, headers: {}, body: null, user_authorization: null, signal: null });
    body.resume().on("end", () => console.log("called"));
    setInterval(() => {}, 60_000);`;
    const server = spawn(process.execPath, ["-C", "holdfast-source", "--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", "inherit"],
      // Leftovers of a killed server are removed with this folder.
      env: { ...process.env, TMPDIR: dir },
    });
    await once(server.stdout, "data");
    const pids = descendantsOf(server.pid ?? 0);
    expect(pids.length).toBeGreaterThan(0);
    server.kill("SIGKILL");
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), { timeout: 5_000 });
    await rm(dir, { recursive: true, force: true });
  },
);

describe("an invocation that fails", () => {
  it("because it times out retires its process, and another one in that process still gets its response", async () => {
    const hold = Promise.withResolvers<{ body: unknown }>();
    await using bench = await openWorkbench({ files: { "f.js": HELD }, respond: () => hold.promise });
    const outcome = rejection(bench.call("f", { path: "/hang" }));
    const { message } = await bench.logged("pid ");
    bench.advance(20_000);
    const other = bench.call("f");
    await bench.seenCount(1);
    bench.advance(10_000);
    expect(await outcome).toMatchObject({ code: "function_timeout", message: expect.stringContaining("30 s") });
    hold.resolve({ body: {} });
    expect((await other).body).toBe("held");
    bench.logs.length = 0;
    await bench.call("f");
    expect((await bench.logged("pid ")).message).not.toBe(message);
  });

  it(
    "because its caller sends or reads too slowly leaves its process running for others",
    { tags: "all" },
    async () => {
      await using bench = await openWorkbench({
        files: {
          "slow.js": `const pid = crypto.randomUUID(); let waiting = 0;
          Deno.serve(async (req) => {
            if (req.method === "GET") return new Response(new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(65536)) }));
            if (req.method === "PUT") { console.log("hangs"); await new Promise(() => {}); }
            for await (const chunk of req.body ?? []) if (chunk.length > 0) console.log("got " + ++waiting);
            return new Response(pid);
          });`,
        },
      });
      const pid = (await bench.call("slow")).body;
      const trickle = new PassThrough();
      const outcome = rejection(bench.call("slow", { body: () => trickle }));
      for (let n = 1; n <= 4; n += 1) {
        trickle.write("x");
        await bench.logged(`got ${n}`);
        bench.advance(8_000);
      }
      expect(await outcome).toMatchObject({ code: "request_timeout" });
      const { body } = await bench.invoke("slow", { method: "GET" });
      const reading = once(body, "error");
      await vi.waitFor(() => expect(body.readableLength).toBeGreaterThan(0));
      bench.advance(30_000);
      await reading;
      expect((await bench.call("slow")).body).toBe(pid);
      // The function reads nothing of this body, so its caller is not to blame.
      const unread = rejection(
        bench.call("slow", { method: "PUT", body: () => Readable.from([Buffer.alloc(5_000_000)]) }),
      );
      await bench.logged("hangs");
      bench.advance(30_000);
      expect(await unread).toMatchObject({ code: "function_timeout" });
      expect((await bench.call("slow")).body).not.toBe(pid);
    },
  );

  it("because it never yields the processor has its process killed", async () => {
    await using bench = await openWorkbench({
      files: { "spin.js": `Deno.serve(() => { console.log("spinning"); for (;;); });` },
    });
    const outcome = rejection(bench.call("spin"));
    await bench.logged("spinning");
    bench.advance(30_000);
    expect(await outcome).toMatchObject({ code: "function_timeout" });
    const [process] = bench.processes;
    await bench.runner.close();
    expect(isAlive(process?.host_pid ?? null)).toBe(false);
  });

  it("in the middle of its response gives the reader an error", async () => {
    await using bench = await openWorkbench({
      files: {
        "half.js": `Deno.serve(() => new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("half")); } })));`,
      },
    });
    const request = {
      request_id: "req_half",
      function: await liveFunction(bench.directory, "half"),
      method: "GET",
      url: "https://holdfast.example/",
      prefix: "/",
      client_address: null,
      headers: {},
      body: null,
      user_authorization: null,
      signal: null,
    };
    const { status, body } = await bench.runner.invoke(request);
    expect(status).toBe(200);
    const reading = rejection(text(body));
    bench.advance(30_000);
    expect(await reading).toBeInstanceOf(Error);
    await bench.endedCount(1);
  });

  it("because it runs out of memory returns function_out_of_memory", async () => {
    await using bench = await openWorkbench({
      files: {
        "eat.js": `Deno.serve(() => { const all = []; for (;;) all.push({ n: all.length, text: [all.length] }); });`,
      },
      limits: { function_heap_mb: 24 },
    });
    await expect(bench.call("eat")).rejects.toMatchObject({ code: "function_out_of_memory" });
  });

  it("because no memory outside its heap is left returns function_out_of_memory", async () => {
    await using bench = await openWorkbench({
      files: {
        // 1.27 GB, in pieces.
        "fill.js": `Deno.serve(() => { const all = Array.from({ length: 20 }, () => new Uint8Array(2 ** 26).fill(1)); return new Response(all.length); });`,
        "one.js": `Deno.serve(() => new Response(new ArrayBuffer(2 ** 40)));`,
        "second.js": `Deno.serve({ onError: () => { throw new ArrayBuffer(2 ** 40); }, handler: () => { throw 1; } });`,
        "loading.js": `new Uint8Array(2 ** 40); Deno.serve(() => new Response());`,
      },
    });
    for (const name of ["fill", "one", "second", "loading"])
      await expect(bench.call(name)).rejects.toMatchObject({
        code: "function_out_of_memory",
        message: expect.stringMatching(
          `^The function ${name} ran out of memory\\. Handle less .*HOLDFAST_FUNCTION_MEMORY_BYTES\\.$`,
        ),
      });
  });

  it("because of a range, or of an allocation that it handles, is not out of memory", async () => {
    const throwing = (error: string) => `Deno.serve(() => { throw ${error}; });`;
    const files = {
      "own.js": throwing(`new RangeError("Array buffer is mine")`),
      "length.js": `Deno.serve(() => new Response("x".repeat(-1)));`,
      "other.js": throwing(`new Error("Array buffer allocation failed")`),
      "object.js": throwing(`({ message: "Array buffer allocation failed" })`),
      "getter.js": throwing(`Object.defineProperty(new RangeError(), "message", { get() { throw 1; } })`),
    };
    const handles = `Deno.serve(() => { try { return new Response(new ArrayBuffer(2 ** 40)); } catch { return new Response("less"); } });`;
    await using bench = await openWorkbench({ files: { ...files, "handles.js": handles } });
    for (const name of ["own", "length", "other", "object", "getter"])
      await expect(bench.call(name)).rejects.toMatchObject({ code: "function_error" });
    expect((await bench.call("handles")).body).toBe("less");
  });

  it("because it ends its process leaves a new process to the next call", async () => {
    await using bench = await openWorkbench({
      files: {
        "exit.js": `Deno.serve((req) => new URL(req.url).pathname === "/exit" ? Deno.exit(3) : new Response("alive"));`,
      },
    });
    await expect(bench.call("exit", { path: "/exit" })).rejects.toMatchObject({ code: "function_error" });
    expect((await bench.call("exit")).body).toBe("alive");
  });

  it("because its body is too large fails with and without a content length", async () => {
    await using bench = await openWorkbench({
      files: { "echo.js": `Deno.serve(async (req) => new Response(await req.text()));` },
      limits: { function_body_bytes: 10 },
    });
    const eleven = Buffer.alloc(11, "x");
    await expect(bench.call("echo", { body: eleven })).rejects.toMatchObject({ code: "body_too_large" });
    await expect(bench.call("echo", { body: () => Readable.from([eleven]) })).rejects.toMatchObject({
      code: "body_too_large",
    });
    expect((await bench.call("echo", { body: () => Readable.from([eleven.subarray(1)]) })).body).toBe("x".repeat(10));
  });
});

describe("the end of an invocation", () => {
  const WAITING = `import { waitUntil } from "base44:runtime";
    const gate = Promise.withResolvers();
    Deno.serve((req) => {
      if (new URL(req.url).pathname === "/open") gate.resolve();
      else waitUntil(gate.promise);
      return new Response("responded");
    });`;

  it("waits for waitUntil, and happens once", async () => {
    await using bench = await openWorkbench({ files: { "w.js": WAITING } });
    await bench.call("w");
    const [first] = bench.issued;
    await bench.call("w", { path: "/open" });
    await bench.endedCount(2);
    expect(bench.ended).toContain(first?.invocation_id);
    await bench.runner.close();
    expect(bench.ended).toHaveLength(2);
  });

  it("does not wait for waitUntil forever, and its process is not idle before", { tags: "all" }, async () => {
    await using bench = await openWorkbench({ files: { "w.js": WAITING } });
    await bench.call("w");
    bench.advance(59_999);
    expect(bench.ended).toEqual([]);
    bench.advance(1);
    expect(bench.ended).toEqual([bench.issued[0]?.invocation_id]);
  });

  it("happens at once for a failed one", async () => {
    await using bench = await openWorkbench({ files: { "bad.js": `Deno.serve(() => { throw new Error(); });` } });
    await expect(bench.call("bad")).rejects.toMatchObject({ code: "function_error" });
    expect(bench.ended).toEqual([bench.issued[0]?.invocation_id]);
  });

  it("keeps tokens out of the log", async () => {
    await using bench = await openWorkbench({
      files: {
        "leak.js": `Deno.serve((req) => { console.log("tokens", req.headers.get("base44-service-authorization"), req.headers.get("authorization")); return new Response("ok"); });`,
      },
    });
    await bench.call("leak", { user_authorization: "user-secret" });
    expect((await bench.logged("tokens")).message).toBe("tokens Bearer [redacted] Bearer [redacted]");
  });
});
