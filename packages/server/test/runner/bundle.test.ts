import { rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleFunction } from "../../src/runner/bundle.ts";
import { acceptsVersion, classifyImport } from "../../src/runner/imports.ts";
import { findFunction } from "../../src/runner/names.ts";
import { temporaryFolder, writeFiles } from "./harness.ts";

let dir: string;
beforeAll(async () => {
  dir = await temporaryFolder();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

let count = 0;
/** Bundles a function in its own folder, with this source as its entry. */
async function bundle(
  entry: string,
  files: Readonly<Record<string, string>> = {},
  source_bytes = 100_000,
): Promise<string> {
  const name = `f${(count += 1)}`;
  const named = Object.entries(files).map(([file, content]) => [join(name, file), content] as const);
  await writeFiles(dir, { [`${name}/entry.ts`]: entry, ...Object.fromEntries(named) });
  return (await bundleFunction(await findFunction(dir, name), source_bytes)).code;
}

/** Returns the source map at the end of the code. */
function mapOf(code: string): { sources: readonly string[] } {
  const [, base64 = ""] = /\n\/\/# sourceMappingURL=data:application\/json;base64,(\S+)\n$/.exec(code) ?? [];
  const map: { sources: readonly string[] } = JSON.parse(Buffer.from(base64, "base64").toString());
  return map;
}

describe("an import that is refused", () => {
  it.each([
    [`import t from "/etc/passwd" with { type: "text" };`, /absolute path/],
    [`const t = await import("/etc/passwd", { with: { type: "text" } });`, /absolute path/],
    ["const t = await import(`/etc/passwd`);", /absolute path/],
    [`const t = await import("/etc/" + "passwd");`, /absolute path/],
    [`export * from "file:///etc/passwd";`, /absolute path/],
    [`import "C:\\\\secret.js";`, /absolute path/],
    [`const t = require("/etc/passwd");`, /absolute path/],
    [`import t from "../outside.ts";`, /outside the function's own folder/],
    [`import t from "./a/../../outside.ts";`, /outside the function's own folder/],
    [`import t from "../../../../../../etc/passwd" with { type: "text" };`, /outside the function's own folder/],
    [`import t from "./missing.ts";`, /does not exist\.$/],
    [`import t from "./helper";`, /Write the full name: \.\/helper\.ts/],
    [`import t from "./picture.png";`, /picture\.png is not a code file/],
    [`import t from "https://deno.land/std/x.ts";`, /is on the network/],
    [`import t from "npm:zod@4.0.0";`, /imports npm:zod@4\.0\.0, which this server does not have.*npm:@base44\/sdk/],
    [`import t from "jsr:@std/path";`, /imports jsr:@std\/path, which this server does not have/],
    [`import t from "zod";`, /cannot be found/],
    [`import t from "fs";`, /must be written node:fs/],
    [`import t from "node:nothing";`, /not a Node\.js module/],
    [`import t from "@base44/sdk";`, /must be written npm:@base44\/sdk/],
    [`import t from "npm:@base44/sdk@0.8.4";`, /It has version 0\.8\.50: write npm:@base44\/sdk@0\.8\.50/],
    [`import t from "npm:@base44/sdk@0.8.50/dist/client.js";`, /which this server does not have/],
    [`import t from "base44:runtime/secrets";`, /cannot be found/],
  ])("%s", async (source, message) => {
    const helper = { "helper.ts": "export default 1;", "picture.png": "" };
    await expect(
      bundle(`// first line\n${source}\nDeno.serve(() => new Response(String(t)));`, helper),
    ).rejects.toMatchObject({
      code: "function_invalid",
      message: expect.stringMatching(message),
    });
    await expect(bundle(`// first line\n${source}\nconsole.log(t);`, helper)).rejects.toThrow(/entry\.ts:2: /);
  });

  it("can be in a helper file", async () => {
    const files = { "lib/deep.ts": `import "/etc/passwd";` };
    await expect(bundle(`import "./lib/deep.ts";`, files)).rejects.toThrow(/lib\/deep\.ts:1: .*absolute path/);
  });

  it("can be a symbolic link out of the folder", async () => {
    await writeFiles(dir, {
      "linked/entry.ts": `import t from "./s.json" with { type: "json" }; console.log(t);`,
      "outside.json": "{}",
    });
    await symlink(join(dir, "outside.json"), join(dir, "linked/s.json"));
    await expect(findFunction(dir, "linked").then((source) => bundleFunction(source, 1_000))).rejects.toThrow(
      /symbolic link out/,
    );
  });

  it("is any import of a single-file function", async () => {
    await writeFiles(dir, { "single.ts": `import "./other.ts";`, "other.ts": "" });
    await expect(findFunction(dir, "single").then((source) => bundleFunction(source, 1_000))).rejects.toThrow(
      /single-file function cannot do\. Give it a folder: single\/entry\.ts/,
    );
  });
});

describe("a bundle", () => {
  it("contains everything except node: modules", async () => {
    const code = await bundle(
      `import { createClientFromRequest } from "npm:@base44/sdk@^0.8.0"; import { Buffer } from "node:buffer"; import * as own from "npm:@holdfast/sdk";
       import "base44:runtime"; const lazy = () => import("./lazy.ts"); console.log(createClientFromRequest, Buffer, own, lazy);`,
      { "lazy.ts": "export const lazy = 1;" },
    );
    const imported = [...code.matchAll(/^(?:import|export)\b[^;]*?from "([^"]+)";/gm)].map((match) => match[1]);
    expect(imported).toEqual(["node:buffer"]);
    expect(code).not.toMatch(/\bimport\(/);
  });

  it("is refused with file and line of a syntax error", async () => {
    await expect(bundle(`import "./bad.ts";`, { "bad.ts": "const a = 1;\nconst = 2;" })).rejects.toThrow(/bad\.ts:2: /);
  });

  it("ignores settings and directives in the function's folder", async () => {
    const code = await bundle(
      `//! kept?\nimport { a } from "./lib/a.ts";\nconsole.log(a);\n//# sourceMappingURL=file:///etc/passwd`,
      {
        "lib/a.ts": "export const a = 1;",
        "tsconfig.json": `{ "extends": "/etc/passwd", "compilerOptions": { "paths": { "./lib/*": ["/etc/*"] } } }`,
        "package.json": `{ "browser": { "./lib/a.ts": "/etc/passwd" } }`,
      },
    );
    expect(code).not.toMatch(/kept|passwd/);
    expect(mapOf(code)).toMatchObject({ sources: ["lib/a.ts", "entry.ts"] });
  });

  it("has a source map without files outside the function's folder, even if the function has its own map", async () => {
    const hostile_map = {
      version: 3,
      sources: ["/etc/passwd", "../../../etc/passwd"],
      names: [],
      mappings: "AAAA;ACAA",
      sourcesContent: ["a", "b"],
    };
    const comment = `//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(hostile_map)).toString("base64")}`;
    const code = await bundle(`import { a } from "./a.js";\nimport "npm:@holdfast/sdk";\nconsole.log(a);\n${comment}`, {
      "a.js": `export const a = 1;\nconsole.log(a);\n${comment}`,
    });
    const { sources, ...rest } = mapOf(code);
    expect(new Set(sources)).toEqual(new Set(["a.js", "entry.ts"]));
    expect(rest).not.toHaveProperty("sourcesContent");
  });

  it("is refused if the function's files are too large in total, not counting the SDKs", async () => {
    const big = { "big.ts": `export const text = "${"x".repeat(600)}";` };
    await expect(bundle(`import "./big.ts";`, big, 600)).rejects.toThrow(/too large in total/);
    await expect(bundle(`import "./big.ts"; import "npm:@base44/sdk";`, big, 1_000)).resolves.toBeDefined();
  });
});

describe("an SDK's version", () => {
  it.each([
    [null, true],
    ["latest", true],
    ["*", true],
    ["0.8.50", true],
    ["=0.8.50", true],
    ["^0.8.0", true],
    ["^0.8.50", true],
    ["~0.8.4", true],
    ["0.8", true],
    ["0", true],
    ["0.8.x", true],
    ["^0.8", true],
    ["^0", true],
    ["0.8.4", false],
    ["0.8.51", false],
    ["^0.8.51", false],
    ["^0.7.0", false],
    ["~0.7.9", false],
    ["^1.0.0", false],
    ["1", false],
    [">=0.8.0", false],
    ["0.8.50-beta", false],
  ])("%s is satisfied by 0.8.50: %s", (range, met) => {
    expect(acceptsVersion(range, "0.8.50")).toBe(met);
  });

  it("satisfies itself in every notation", () => {
    const version = fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)).map((parts) => parts.join("."));
    const law = fc.property(version, (text) =>
      ["", "^", "~", "="].every((operator) => acceptsVersion(operator + text, text)),
    );
    expect(fc.check(law).failed).toBe(false);
  });
});

it("no specifier is relative unless it starts with a dot and a slash", () => {
  const specifier = fc
    .array(fc.constantFrom(".", "/", "npm:", "file:", "a", "@base44/sdk", "..", "node:fs", " "))
    .map((parts) => parts.join(""));
  const law = fc.property(specifier, (text) => classifyImport(text).kind !== "relative" || /^\.\.?\//.test(text));
  expect(fc.check(law).failed).toBe(false);
});
