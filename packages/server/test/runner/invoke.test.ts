import { gzipSync } from "node:zlib";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWorkbench, type Workbench } from "./harness.ts";

const ECHO = `async (req) => Response.json({ method: req.method, req_url: req.url, url: new URL(req.url).pathname + new URL(req.url).search, headers: Object.fromEntries(req.headers), body: await req.text() })`;

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench({
    gateway_hosts: ["slack.com", "*.salesforce.com"],
    files: {
      "serve-handler/entry.ts": `Deno.serve((req: Request) => new Response("one " + req.method));`,
      "serve-options/entry.ts": `Deno.serve({ port: 8000, hostname: "0.0.0.0" }, () => new Response("two"));`,
      "serve-object/entry.ts": `Deno.serve({ port: 1, onListen() { console.log("listening"); }, handler: () => new Response("three") });`,
      "default-function.ts": `export default (req: Request): Response => new Response("four");`,
      "default-fetch/entry.js": `export default { greeting: "five", fetch() { return new Response(this.greeting); } };`,
      "serve-wins/entry.ts": `Deno.serve(() => new Response("served")); export default () => new Response("default");`,
      "serve-twice/entry.ts": `Deno.serve(() => new Response("a")); try { Deno.serve(() => new Response("b")); } catch (error) { console.log(error.message); }`,
      "on-error/entry.ts": `Deno.serve({ onError: () => new Response("handled", { status: 503 }) }, () => { throw new Error("x"); });`,
      "crm/sync/entry.ts": `export default () => new Response("nested");`,
      "nothing/entry.ts": `export const answer = 42;`,
      "broken-load/entry.ts": `throw new Error("cannot start");`,
      "throws/entry.ts": `interface Gone { a: 1 }\n\nDeno.serve(() => {\n  throw new Error("boom");\n});`,
      "no-response/entry.ts": `export default () => "text";`,
      "echo/entry.ts": `Deno.serve(${ECHO});`,
      "answers/entry.ts": `Deno.serve(() => new Response("<b>hi</b>", { status: 207, headers: { "set-cookie": "session=stolen", "x-own": "yes", "content-type": "text/html" } }));`,
      "invents/entry.ts": `Deno.serve(() => new Response("", { headers: Array.from({ length: 100 }, (_, n) => ["own-" + n, "1"]) }));`,
      "stream/entry.ts": `Deno.serve(() => new Response(new ReadableStream({ async start(c) { for (const part of ["a", "b", "c"]) { c.enqueue(new TextEncoder().encode(part)); await new Promise((r) => setTimeout(r, 1)); } c.close(); } })));`,
      "fetches/entry.ts": `Deno.serve(async () => {
        const answers = [
          await fetch("https://slack.com/api/one?x=1&y=a%20b", { method: "POST", headers: { Authorization: "Bearer t" }, body: "text" }),
          await fetch(new URL("https://acme.my.salesforce.com/services/two")),
          await fetch(new Request("https://slack.com/api/three", { method: "PUT", headers: { "x-mine": "1" }, body: JSON.stringify({ a: 1 }) })),
          await fetch(new Request("https://slack.com/api/four", { method: "PUT" }), { method: "DELETE" }),
        ];
        const others = await Promise.allSettled([fetch("https://salesforce.com/"), fetch("https://example.com/"), fetch("http://slack.com/")]);
        return Response.json([answers.map((answer) => answer.status), others.map((other) => other.reason?.name)]);
      });`,
      "base44-sdk/entry.ts": `import { createClientFromRequest } from "npm:@base44/sdk@0.8.50";
        Deno.serve(async (req) => Response.json(await createClientFromRequest(req).asServiceRole.connectors.getConnection("slack")));`,
      "holdfast-sdk/entry.ts": `import { createClientFromRequest } from "npm:@holdfast/sdk";
        export default async (req: Request) => Response.json(await createClientFromRequest(req).asServiceRole.connectors.getConnection("slack"));`,
      "runtime/entry.ts": `import { secrets, waitUntil } from "base44:runtime";
        export default () => { const same = Promise.resolve(1); return Response.json([secrets.get("HOME") ?? null, waitUntil(same) === same]); };`,
      "files/entry.ts": `import { double } from "./lib/math.ts"; import data from "./data.json" with { type: "json" }; import note from "./note.md" with { type: "text" };
        export default () => Response.json([double(data.n), note]);`,
      "files/lib/math.ts": `import { two } from "../two.ts"; export const double = (n: number): number => n * two;`,
      "files/two.ts": `export const two = 2;`,
      "files/data.json": `{ "n": 21 }`,
      "files/note.md": `# Note`,
      "stray/entry.ts": `Deno.serve(() => { void Promise.reject(new Error("forgotten")); setTimeout(() => { throw new Error("late"); }, 0); return new Response("fine"); });`,
    },
  });
});
afterAll(() => bench[Symbol.asyncDispose]());

describe("each form of a function", () => {
  it.each([
    ["serve-handler", "one POST"],
    ["serve-options", "two"],
    ["serve-object", "three"],
    ["default-function", "four"],
    ["default-fetch", "five"],
    ["serve-wins", "served"],
    ["serve-twice", "a"],
    ["crm/sync", "nested"],
    ["stream", "abc"],
    ["files", '[42,"# Note"]'],
    ["runtime", "[null,true]"],
  ])("%s responds", async (name, body) => {
    expect(await bench.call(name)).toMatchObject({ status: 200, body });
  });

  it("calls onListen, and explains why a second Deno.serve is refused", async () => {
    await Promise.all([bench.call("serve-object"), bench.call("serve-twice")]);
    expect((await bench.logged("listening")).level).toBe("info");
    expect((await bench.logged("Deno.serve was called twice")).function_name).toBe("serve-twice");
  });

  it("calls onError if the handler throws", async () => {
    expect(await bench.call("on-error")).toMatchObject({ status: 503, body: "handled" });
  });
});

describe("a function that cannot respond", () => {
  it.each([
    ["nothing", "function_invalid", /call Deno\.serve\(handler\), or export default/],
    ["broken-load", "function_invalid", /threw an error while loading/],
    ["throws", "function_error", /threw an error before it responded/],
    ["no-response", "function_error", /Its log has the error/],
    ["missing", "function_not_found", /No function is named missing/],
    ["../etc/passwd", "function_not_found", /No function has this name/],
    ["files/two", "function_not_found", /files\/two/],
  ])("%s gives %s", async (name, code, message) => {
    await expect(bench.call(name)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it("has its error in the log, not in the response", async () => {
    await expect(bench.call("throws")).rejects.not.toMatchObject({ message: expect.stringContaining("boom") });
    expect(await bench.logged("Error: boom")).toEqual({
      app_id: "app_a",
      function_name: "throws",
      version: expect.stringMatching(/^dir_/),
      request_id: "req_test",
      level: "error",
      message: "Error: boom\n    at Object.handler (entry.ts:4:9)",
    });
  });

  it("survives an unhandled rejection of one invocation", async () => {
    await bench.call("stray");
    await bench.logged("Error: forgotten");
    await bench.logged("Error: late");
    expect((await bench.call("stray")).body).toBe("fine");
  });
});

const echo = async (request: Parameters<Workbench["call"]>[1]): Promise<Record<string, unknown>> => {
  const parsed: Record<string, unknown> = JSON.parse((await bench.call("echo", request)).body);
  return parsed;
};

describe("a request to a function", () => {
  it("has the platform's headers, and never the caller's credentials", async () => {
    const { headers } = await echo({
      headers: {
        Authorization: "Basic Zm9vOmJhcg==",
        Cookie: "session=1",
        api_key: "b44k_x",
        "On-Behalf-Of": "Bearer x",
        "Base44-App-Id": "app_other",
        "base44-api-url": "https://evil.example",
        "Base44-Service-Authorization": "Bearer forged",
        Connection: "close, X-Drop",
        "X-Drop": "1",
        TE: "trailers",
        "Base44-State": "state-1",
        "X-Data-Env": "dev",
        "X-Signature": "abc",
      },
    });
    const { invocation_id } = bench.issued.at(-1) ?? { invocation_id: "" };
    expect(headers).toMatchObject({
      "base44-app-id": "app_a",
      "base44-api-url": expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      "base44-service-authorization": `Bearer hft_${invocation_id}`,
      "base44-state": "state-1",
      "x-data-env": "dev",
      "x-signature": "abc",
    });
    const names = Object.keys(Object(headers));
    for (const name of [
      "authorization",
      "cookie",
      "api_key",
      "on-behalf-of",
      "x-drop",
      "te",
      "x-holdfast-key",
      "x-holdfast-invocation",
    ]) {
      expect(names).not.toContain(name);
    }
  });

  it("has the app user's token only if it was verified", async () => {
    const { headers } = await echo({ user_authorization: "user-token", headers: { authorization: "Bearer forged" } });
    expect(headers).toMatchObject({ authorization: "Bearer user-token" });
  });

  it("has its public URL, and the caller's address", async () => {
    const url = "https://shop.fn.example/api/functions/echo/a%20b/?c=1&d=%20";
    const { req_url, headers } = await echo({
      url,
      prefix: "/api/functions/echo",
      headers: { "x-real-ip": "1.2.3.4" },
    });
    expect(req_url).toBe(url);
    expect(headers).toMatchObject({
      "x-forwarded-for": "203.0.113.7",
      "x-forwarded-host": "shop.fn.example",
      "x-forwarded-proto": "https",
      "x-forwarded-prefix": "/api/functions/echo",
    });
    expect(headers).not.toHaveProperty("x-real-ip");
    expect(headers).not.toHaveProperty("x-holdfast-url");
  });

  it("has the method, the path and the body", async () => {
    expect(await echo({ method: "PUT", path: "/a/b?c=1&d=%20", body: Buffer.from("hällo") })).toMatchObject({
      method: "PUT",
      url: "/a/b?c=1&d=%20",
      body: "hällo",
    });
    expect(await echo({ body: () => Readable.from([Buffer.from("str"), Buffer.from("eam")]) })).toMatchObject({
      body: "stream",
    });
    expect(await echo({ method: "GET" })).toMatchObject({ method: "GET", body: "" });
  });

  it("keeps a compressed body unchanged", async () => {
    const { headers } = await echo({ body: gzipSync("x"), headers: { "content-encoding": "gzip" } });
    expect(headers).toMatchObject({ "content-encoding": "gzip" });
  });

  it("has a token that outlives the timeout only by the grace period", () => {
    const { expires_at } = bench.issued.at(-1) ?? { expires_at: 0 };
    expect(expires_at).toBe(1_700_000_000_000 + 30_000 + 60_000);
  });
});

describe("a response or request of a function", () => {
  it("cannot act on the server's own origin", async () => {
    const { status, headers, body } = await bench.call("answers");
    expect({ status, body }).toEqual({ status: 207, body: "<b>hi</b>" });
    expect(headers).toMatchObject({
      "x-own": "yes",
      "content-security-policy": expect.stringMatching(/^sandbox /),
      "x-content-type-options": "nosniff",
    });
    expect(headers).not.toHaveProperty("set-cookie");
  });

  it("logs a dropped header once", async () => {
    await bench.call("answers");
    await bench.call("answers");
    const lines = bench.logs.filter(({ message }) => message.includes("response header"));
    expect(lines).toEqual([
      {
        app_id: "app_a",
        function_name: "answers",
        version: null,
        request_id: null,
        level: "error",
        message: "The response header set-cookie was dropped, because a function cannot set it.",
      },
    ]);
  });

  it("logs a limited number of dropped headers", async () => {
    await bench.call("invents");
    await bench.call("invents");
    expect(bench.logs.filter(({ function_name }) => function_name === "invents")).toHaveLength(20);
  });

  it("goes to the gateway for known hosts over https, and never to a vendor", async () => {
    const before = bench.seen.length;
    expect(JSON.parse((await bench.call("fetches")).body)).toEqual([
      [200, 200, 200, 200],
      ["TypeError", "TypeError", "TypeError"],
    ]);
    expect(bench.seen.slice(before).map(({ method, url, body }) => [method, url, body])).toEqual([
      ["POST", "/slack.com/api/one?x=1&y=a%20b", "text"],
      ["GET", "/acme.my.salesforce.com/services/two", ""],
      ["PUT", "/slack.com/api/three", '{"a":1}'],
      ["DELETE", "/slack.com/api/four", ""],
    ]);
    expect(bench.seen[before]?.headers["authorization"]).toBe("Bearer t");
    expect(bench.seen[before + 2]?.headers["x-mine"]).toBe("1");
  });
});

describe("the SDKs", () => {
  it.each(["base44-sdk", "holdfast-sdk"])("%s gets a connection from the calling server", async (name) => {
    const { body } = await bench.call(name);
    expect(JSON.parse(body)).toEqual({ accessToken: "xoxp-1", connectionConfig: null });
    const { url, headers } = bench.seen.at(-1) ?? { url: "", headers: {} };
    expect(url).toBe("/api/apps/app_a/external-auth/tokens/slack");
    expect(headers["authorization"]).toBe(`Bearer hft_${bench.issued.at(-1)?.invocation_id}`);
  });
});
