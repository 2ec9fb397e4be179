import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { CodedError } from "../../../src/core/errors.ts";
import { LIMITS } from "../../../src/core/limits.ts";
import { registryTargets, type Registries } from "../../../src/core/functions/function-settings.ts";
import { denoImports } from "../../../src/runner/bundler/deno-json.ts";
import { acceptsVersion, classifyImport } from "../../../src/runner/bundler/inside/imports.ts";
import { treeOf } from "./workshop.ts";

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

describe("a specifier", () => {
  const specifier = fc
    .array(
      fc.constantFrom(
        ".",
        "/",
        "npm:",
        "jsr:",
        "https://",
        "file:",
        "data:",
        "a",
        "@base44/sdk",
        "..",
        "node:fs",
        " ",
        "\\",
        "%2e",
        "@1",
        ":",
      ),
    )
    .map((parts) => parts.join(""));

  it("is relative only if it starts with a dot and a slash", () => {
    const law = fc.property(specifier, (text) => classifyImport(text).kind !== "relative" || /^\.\.?\//.test(text));
    expect(fc.check(law).failed).toBe(false);
  });

  it("is remote only if it is the name of a package or an https URL", () => {
    const law = fc.property(
      specifier,
      (text) => classifyImport(text).kind !== "remote" || /^(npm:\/?[@\w]|jsr:\/?@|https:\/\/\w)/.test(text),
    );
    expect(fc.check(law).failed).toBe(false);
  });

  it.each([
    "npm:zod",
    "npm:zod@3.22.4",
    "npm:/zod@^4",
    "npm:@scope/name@1/sub/path.js",
    "jsr:@std/path",
    "jsr:/@std/path@^1.0.0/posix",
    "https://esm.sh/zod@3.22.4?target=deno",
    "https://deno.land/std@0.224.0/path/mod.ts",
  ])("%s is remote", (text) => {
    expect(classifyImport(text)).toEqual({ kind: "remote" });
  });
});

describe("the settings for imports", () => {
  const read = (environment: Record<string, string>): Registries => loadConfig({}, environment).functions_registries;

  it("are the public registries, and the shipped SDK only", () => {
    const public_ones = { npm: "https://registry.npmjs.org/", jsr: "https://jsr.io/" };
    expect(read({})).toEqual({ ...public_ones, sdk_versions: [] });
  });

  it("name other registries and versions", () => {
    const registries = read({
      HOLDFAST_NPM_REGISTRY: "http://npm.internal:4873/group",
      HOLDFAST_JSR_URL: "https://jsr.internal/",
      HOLDFAST_SDK_VERSIONS: "0.8.31, 0.9.0-beta.1",
    });
    expect(registries).toEqual({
      npm: "http://npm.internal:4873/group/",
      jsr: "https://jsr.internal/",
      sdk_versions: ["0.8.31", "0.9.0-beta.1"],
    });
    expect(registryTargets(registries)).toEqual(["npm.internal:4873", "jsr.internal:443"]);
  });

  it.each([
    ["HOLDFAST_NPM_REGISTRY", "npm.internal"],
    ["HOLDFAST_NPM_REGISTRY", "file:///etc"],
    ["HOLDFAST_NPM_REGISTRY", "https://user:word@npm.internal/"],
    ["HOLDFAST_JSR_URL", "https://jsr.internal/?a=b"],
    ["HOLDFAST_SDK_VERSIONS", "^0.8.0"],
    ["HOLDFAST_SDK_VERSIONS", "0.8.31,"],
  ])("stop the start if %s is %s", (name, value) => {
    expect(() => read({ [name]: value })).toThrow(name);
  });
});

describe("a function's deno.json", () => {
  const read = (content: string, name = "deno.json"): Readonly<Record<string, string>> =>
    denoImports(treeOf("f", { "entry.ts": "", [name]: content }), LIMITS);

  it("gives names to packages, files and modules", () => {
    const imports = { zod: "npm:zod@4", "@std/path": "jsr:@std/path@1", "lib/": "./lib/", x: "https://a.example/x.ts" };
    expect(read(JSON.stringify({ imports, tasks: {}, compilerOptions: { strict: true } }))).toEqual(imports);
    expect(read(`{ /* a comment */ "imports": { "zod": "npm:zod@4", }, }`, "deno.jsonc")).toEqual({ zod: "npm:zod@4" });
    expect(read("{}")).toEqual({});
    expect(read(JSON.stringify({ imports }), "lib/deno.json")).toEqual({});
    expect(denoImports(treeOf("f", { "entry.ts": "" }), LIMITS)).toEqual({});
  });

  it.each([
    ["{", /deno\.json is not valid JSON/],
    ["[]", /deno\.json is not valid JSON/],
    [`{ "imports": [] }`, /"imports" that is not an object/],
    [`{ "imports": { "zod": 1 } }`, /maps "zod" to an invalid target/],
    [`{ "imports": { "lib/": "./lib" } }`, /maps "lib\/" to an invalid target/],
    [`{ "imports": { "./a.ts": "./b.ts" } }`, /imports "\.\/a\.ts", which is not a short name/],
    [`{ "imports": { "/etc/": "./b/" } }`, /is not a short name/],
    [`{ "imports": { "npm:zod": "./b.ts" } }`, /is not a short name/],
    [`{ "imports": { "": "./b.ts" } }`, /is not a short name/],
    [`{ "importMap": "./map.json" }`, /has "importMap", which functions do not use\. Put the names into "imports"/],
    [`{ "scopes": {} }`, /has "scopes"/],
    [`{ "workspace": [] }`, /has "workspace"/],
  ])("is refused if it is %s", (content, message) => {
    expect(refusalOf(content)).toMatch(message);
  });

  it("is refused if it is nested too deeply to be read", () => {
    expect(refusalOf("[".repeat(60_000))).toMatch(/deno\.json is not valid JSON/);
  });

  it("is refused unread if it is large, because the server would spend a second on its errors", () => {
    expect(refusalOf("@ ".repeat(2_500_000))).toMatch(/deno\.json has more than 65536 bytes/);
  });

  function refusalOf(content: string): string {
    try {
      return `not refused: ${JSON.stringify(read(content))}`;
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== "function_invalid") throw error;
      return error.message;
    }
  }
});
