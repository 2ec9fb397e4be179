/**
 * Attacks at run time, past the bundler. Imports that the bundler refuses are in bundle.test.ts.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWorkbench, type Workbench } from "./harness.ts";

/** Bodies of async functions that leak something, or throw. `path` is a file outside the folder. */
const ATTEMPTS = {
  "reads a file": `return await Deno.readTextFile(path);`,
  "reads a file with node:fs": `return (await import("node:fs")).readFileSync(path, "utf8");`,
  "reads its own folder": `return [...Deno.readDirSync(".")].length;`,
  "imports a computed path": `return (await import(path, { with: { type: "json" } })).default;`,
  "imports a concatenated path": `return (await import("/etc/" + part, { with: { type: "text" } })).default;`,
  "imports a template path": "return (await import(`/etc/${part}`, { with: { type: 'text' } })).default;",
  "imports by eval": `return (await eval('import("/etc/passwd", { with: { type: "text" } })')).default;`,
  "imports through a data module": `return (await import("data:text/javascript," + encodeURIComponent('import t from "file://' + path + '" with { type: "json" }; export default t;'))).default;`,
  "imports through a blob module": `return (await import(URL.createObjectURL(new Blob(['export { default } from "file:///etc/passwd" with { type: "text" };'], { type: "text/javascript" })))).default;`,
  "requires a file": `return (await import("node:module")).createRequire("file:///")(path);`,
  "starts a worker on a file": `return await new Promise((resolve, reject) => { const w = new Worker("file://" + path, { type: "module" }); w.onmessage = resolve; w.onerror = (e) => { e.preventDefault(); reject(new Error(e.message)); }; });`,
  "fetches a file": `return await (await fetch("file://" + path)).text();`,
  "writes a file": `Deno.writeTextFileSync("/tmp/holdfast-escape", "x"); return "written";`,
  "runs a program": `return new Deno.Command("/bin/true").outputSync().code;`,
  "runs a program with node:child_process": `const { spawn } = await import("node:child_process"); return await new Promise((resolve, reject) => spawn("/bin/true").on("error", reject).on("exit", resolve));`,
  "loads a library": `return Deno.dlopen("libc.so.6", {});`,
  "reads the host name": `return Deno.hostname();`,
  "requests more rights": `const { state } = await Deno.permissions.request({ name: "read" }); if (state !== "granted") throw new Error(state); return state;`,
  "imports from the network": `return (await import("https://example.com/" + part)).default;`,
  "imports a package": `return (await import("npm:" + part)).default;`,
  "calls the metadata address": `return (await fetch("http://169.254.169.254/")).status;`,
  "calls another port of this machine": `return (await fetch("http://127.0.0.1:9999/")).status;`,
  "calls the server under another name": `return (await fetch(api.replace("127.0.0.1", "0.0.0.0"))).status;`,
  "opens a socket": `return (await Deno.connect({ hostname: "127.0.0.1", port: 9999 })).rid;`,
  "listens on all interfaces": `return Deno.listen({ hostname: "0.0.0.0", port: 0 }).addr.port;`,
} as const;

let bench: Workbench;
beforeAll(async () => {
  const cases = Object.entries(ATTEMPTS).map(
    ([name, code]) => `${JSON.stringify(name)}: async (path, api, part) => { ${code} }`,
  );
  bench = await openWorkbench({
    files: {
      "secret/master.json": `{ "key": "canary" }`,
      "escape/entry.js": `const attempts = { ${cases.join(",\n")} };
        Deno.serve(async (req) => {
          const { name, path } = await req.json();
          try { return Response.json({ got: await attempts[name](path, req.headers.get("base44-api-url"), "passwd") }); }
          catch (error) { return Response.json({ refused: error.name + ": " + error.message }); }
        });`,
      "env.js": `import { env } from "node:process";
        Deno.serve(() => Response.json([Deno.env.get("HOME") ?? null, Deno.env.has("PATH"), Deno.env.toObject(), Deno.args, env.HOME ?? null]));`,
      "fake-ready.js": `console.log("@@ready 9999"); Deno.stdout.writeSync(new TextEncoder().encode("half a line")); Deno.serve(() => new Response("real"));`,
    },
  });
});
afterAll(() => bench[Symbol.asyncDispose]());

describe("a function", () => {
  it.each(Object.keys(ATTEMPTS))("%s: refused", async (name) => {
    const path = join(bench.dir, "secret/master.json");
    const { body } = await bench.call("escape", { body: Buffer.from(JSON.stringify({ name, path })) });
    expect(body).toMatch(
      /^\{"refused":".*(NotCapable|NotAllowed|NotSupported|read access|--no-remote|--no-npm|prompt|denied|function_egress_refused|fetch failed)/,
    );
    expect(body).not.toMatch(/canary|root:/);
  });

  it("sees no variables of the server and no settings in its arguments", async () => {
    expect(JSON.parse((await bench.call("env")).body)).toEqual([null, false, {}, [], null]);
  });

  it("cannot redirect the server to another port", async () => {
    expect((await bench.call("fake-ready")).body).toBe("real");
  });
});
