/** The bundler's work on a function's own files. Nothing is fetched, and no sandbox is around. */
import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asAppId } from "../../../src/core/ids.ts";
import { LIMITS } from "../../../src/core/limits.ts";
import type { Outcome } from "../../../src/runner/bundler/inside/protocol.ts";
import { resolveRelative, treeOf as sentTree } from "../../../src/runner/bundler/inside/tree.ts";
import { bundle as bundleInside } from "../../../src/runner/bundler/inside/worker.ts";
import { openToolbox, type Toolbox } from "../../../src/runner/bundler/toolbox.ts";
import { createFunctionDirectory } from "../../../src/service/functions/directory.ts";
import { temporaryFolder, writeFiles } from "../harness.ts";
import { treeOf } from "./workshop.ts";

let dir: string;
let toolbox: Toolbox;
beforeAll(async () => {
  dir = await temporaryFolder();
  toolbox = await openToolbox(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

let count = 0;
type Files = Readonly<Record<string, string>>;

/** A bench whose Deno does not exist: the function's own files never need it. */
async function outcomeOf(entry: string, files: Files = {}, function_name = "f1"): Promise<Outcome> {
  const scratch = join(dir, String((count += 1)));
  await mkdir(scratch);
  const tree = treeOf(function_name, { "entry.ts": entry, ...files });
  const sdk_versions = { pinned: [], jsr_registry: "https://jsr.invalid/", fetched_files: 1 };
  return await bundleInside(
    { tree, imports: {}, sdks: toolbox.sdks, ...sdk_versions },
    { deno: "/nonexistent", environment: {}, scratch },
  );
}

async function bundle(
  entry: string,
  files: Files = {},
  function_name = "f1",
): Promise<{ code: string; notes: readonly string[]; source_map: string }> {
  const outcome = await outcomeOf(entry, files, function_name);
  if (outcome.kind === "refused") throw new Error(outcome.problems.join(" "));
  return outcome;
}

const sourcesOf = ({ source_map }: { source_map: string }): readonly string[] => {
  const { sources }: { sources: readonly string[] } = JSON.parse(source_map);
  return sources;
};

describe("an import that is refused", () => {
  it.each([
    [`import t from "/etc/passwd" with { type: "text" };`, /absolute path/],
    [`const t = await import("/etc/passwd", { with: { type: "text" } });`, /absolute path/],
    ["const t = await import(`/etc/passwd`);", /absolute path/],
    [`const t = await import("/etc/" + "passwd");`, /absolute path/],
    [`export * from "file:///etc/passwd";`, /absolute path/],
    [`export * from "FILE:///etc/passwd";`, /absolute path/],
    [`export * from "\\tfile:///etc/passwd";`, /cannot be found/],
    [`import "C:\\\\secret.js";`, /absolute path/],
    [`const t = require("/etc/passwd");`, /absolute path/],
    [`import t from "/proc/self/environ" with { type: "text" };`, /absolute path/],
    [`import t from "../outside.ts";`, /outside the function's own folder/],
    [`import t from "./a/../../outside.ts";`, /outside the function's own folder/],
    [`import t from "../../other/outside.ts";`, /outside the function's own folder/],
    [`import t from "../../../../../../etc/passwd" with { type: "text" };`, /outside the function's own folder/],
    [`import t from "./missing.ts";`, /does not exist\.$/],
    [`import t from "../../shared/missing.ts";`, /does not exist\.$/],
    [`import t from "./%65ntry.ts";`, /does not exist\.$/],
    [`import t from "./helper.ts?x";`, /does not exist\.$/],
    [`import t from "./helper";`, /Write the full name: \.\/helper\.ts/],
    [`import t from "./picture.png";`, /picture\.png is not a code file/],
    [`import t from "./helper.ts" with { type: "css" };`, /has the type css/],
    [`import t from "./helper.ts" with { type: "__proto__" };`, /has the type __proto__/],
    [`import t from "http://deno.land/std/x.ts";`, /is not encrypted\. Write https:/],
    [`import t from "https://user:word@deno.land/x.ts";`, /username or a password/],
    [`import t from "https://deno.land/x.txt" with { type: "text" };`, /only in the function's own folder/],
    [`import t from "data:text/javascript,export default 1";`, /is not a file\. Save the module/],
    [`const t = await import("blob:https://a/b");`, /is not a file\. Save the module/],
    [`import t from "npm:";`, /not the name of a package/],
    [`import t from "npm:../../etc";`, /not the name of a package/],
    [`import t from "npm:zod@file:/etc/passwd";`, /not the name of a package/],
    [`import t from "jsr:path";`, /not the name of a package/],
    [`import t from "zod";`, /cannot be found\. Write npm:zod, or add it to "imports"/],
    [`import t from "fs";`, /must be written node:fs/],
    [`import t from "node:nothing";`, /not a Node\.js module/],
    [`import t from "@base44/sdk";`, /must be written npm:@base44\/sdk/],
    [`import t from "@holdfast/sdk";`, /must be written npm:@holdfast\/sdk/],
    [`import t from "npm:@base44/sdk@0.8.50/dist/client.js";`, /is a file inside the SDK/],
    [`import t from "npm:/@base44/sdk/dist/client.js";`, /is a file inside the SDK/],
    [`import t from "base44:runtime/secrets";`, /cannot be found/],
    [`import t from "base44:other";`, /cannot be found/],
  ])("%s", async (source, message) => {
    const files = { "helper.ts": "export default 1;", "picture.png": "" };
    await expect(bundle(`// first line\n${source}\nDeno.serve(() => new Response(String(t)));`, files)).rejects.toThrow(
      message,
    );
    await expect(bundle(`// first line\n${source}\nconsole.log(t);`, files)).rejects.toThrow(/entry\.ts:2: /);
  });

  it("can be in a helper file", async () => {
    const files = { "lib/deep.ts": `import "/etc/passwd";` };
    await expect(bundle(`import "./lib/deep.ts";`, files)).rejects.toThrow(/lib\/deep\.ts:1: .*absolute path/);
  });

  it("can be in a shared file", async () => {
    const files = { "../../shared/deep.ts": `import "../functions/other/entry.ts";` };
    await expect(bundle(`import "../../shared/deep.ts";`, files)).rejects.toThrow(
      /\.\.\/\.\.\/shared\/deep\.ts:1: .*outside the function's own folder/,
    );
  });

  it("is any import of a single-file function", async () => {
    const tree = { function_name: "crm/single", entry: "single.ts", files: [{ path: "single.ts", content: "" }] };
    expect(resolveRelative(sentTree(tree, dir), "single.ts", "./other.ts")).toEqual({
      why: "a single-file function cannot do. Give it a folder: crm/single/entry.ts with its files beside it.",
    });
  });

  it("is a file that a folder with nothing but its entry does not have", async () => {
    for (const path of ["./other.ts", "../../shared/other.ts"])
      await expect(bundle(`import "${path}";`)).rejects.toThrow(`imports ${path}, which does not exist.`);
  });
});

it("a symbolic link among the function's files is refused when they are read", async () => {
  const folder = join(dir, "linked");
  await writeFiles(folder, { "f/entry.ts": `import t from "./s.json"; console.log(t);`, "outside.json": "{}" });
  await symlink(join(folder, "outside.json"), join(folder, "f/s.json"));
  const bundler = { bundle: () => Promise.reject(new Error("not refused")) };
  const directory = createFunctionDirectory({
    directory: folder,
    app_id: asAppId("app_a"),
    secrets: {},
    bundler,
    limits: LIMITS,
  });
  await expect(directory.code("f")).rejects.toThrow(/s\.json of the function f is a symbolic link/);
});

describe("an import whose path is not a literal", () => {
  it("never finds files outside of the function's folder", async () => {
    const attacks = [
      "import(`./.holdfast/${name}.key`, { with: { type: 'text' } })",
      "import(`./.holdfast/${name}.key`, { with: { type: 'bytes' } })",
      'import("./.holdfast/" + name + ".key", { with: { type: "text" } })',
      "require(`./.holdfast/${name}.key`)",
      "import(`./../../../../../../../../proc/${name}`, { with: { type: 'text' } })",
      "import(`../${name}`, { with: { type: 'text' } })",
      "import(`../../${name}`, { with: { type: 'text' } })",
      "import(`../../../tools/${name}.cjs`, { with: { type: 'text' } })",
      "import(`./lib/${name}/../../../../etc/passwd`, { with: { type: 'text' } })",
      `import(\`${"../".repeat(300)}etc/\${name}\`, { with: { type: "text" } })`,
      `import(\`${"../".repeat(2_000)}proc/self/\${name}\`, { with: { type: "text" } })`,
    ];
    for (const attack of attacks) {
      const code = `const name = Deno.args[0];\nexport default await ${attack};`;
      const found = await outcomeOf(code, { "lib/a.ts": "export const a = 1;" });
      expect([attack, found]).toMatchObject([attack, { kind: "refused" }]);
      expect(JSON.stringify(found)).toMatch(
        /outside the function's own folder|out of the function's own folder|matches no file/,
      );
      expect(JSON.stringify(found)).toMatch(/entry\.ts:2: /);
    }
  });

  it("finds the files of the function's own folder that match", async () => {
    const { code } = await bundle(
      "const name = Deno.args[0];\nexport const lib = await import(`./lib/${name}.ts`);\nexport const text = await import(`./texts/${name}.md`, { with: { type: 'text' } });\nexport const both = await import(`../../shared/${name}.ts`);",
      {
        "lib/one.ts": "export const one = 'found one';",
        "lib/two.ts": "import './three.ts';",
        "lib/three.ts": "console.log('found three');",
        "texts/a.md": "found a text",
        "../../shared/s.ts": "export const s = 'found shared';",
        "other.ts": "console.log('unrelated');",
      },
    );
    for (const part of ["found one", "found three", "found a text", "found shared"]) expect(code).toContain(part);
    expect(code).not.toContain("unrelated");
  });

  it("shares a module with a literal import of the same file", async () => {
    const files = { "lib/state.ts": "export const state = { marker: 1 };" };
    const { code } = await bundle(
      "import { state } from './lib/state.ts';\nconst name = Deno.args[0];\nexport default [state, await import(`./lib/${name}.ts`)];",
      files,
    );
    expect(code.split("marker: 1")).toHaveLength(2);
  });

  it("is checked in the files that match", async () => {
    const files = { "lib/one.ts": `import "/etc/passwd";` };
    await expect(bundle("const n = 'one';\nimport(`./lib/${n}.ts`);", files)).rejects.toThrow(
      /lib\/one\.ts:1: .*absolute path/,
    );
  });

  it("stays in the code if no part of its path is known", async () => {
    const { code } = await bundle("const name = Deno.args[0];\nexport default await import(name);");
    expect(code).toContain("import(name)");
  });
});

describe("a shared file", () => {
  const shared = {
    "../../shared/lib/a.ts": `import { b } from "../b.ts"; export const a = b;`,
    "../../shared/b.ts": "export const b = 'the shared b';",
  };

  it.each([
    ["sync", "../../shared/lib/a.ts"],
    ["crm/sync", "../../shared/lib/a.ts"],
    ["crm/sync", "../../../shared/lib/a.ts"],
    ["a/b/c/d", "../../../../../shared/lib/a.ts"],
  ])("of %s can be imported as %s", async (name, specifier) => {
    const bundled = await bundle(`import { a } from "${specifier}";\nconsole.log(a);`, shared, name);
    expect(bundled.code).toContain("the shared b");
    expect(new Set(sourcesOf(bundled))).toEqual(new Set(["../../shared/b.ts", "../../shared/lib/a.ts", "entry.ts"]));
  });

  it.each([
    ["sync", "../../../shared/lib/a.ts"],
    ["crm/sync", "../../../../shared/lib/a.ts"],
    ["crm/sync", "../shared/lib/a.ts"],
  ])("of %s cannot be imported as %s", async (name, specifier) => {
    await expect(bundle(`import "${specifier}";`, shared, name)).rejects.toThrow(/outside the function's own folder/);
  });

  it("can be sent under its path on disk", async () => {
    const sent = { "../../../shared/b.ts": "export const b = 'the shared b';" };
    for (const specifier of ["../../shared/b.ts", "../../../shared/b.ts"]) {
      const { code } = await bundle(`import { b } from "${specifier}";\nconsole.log(b);`, sent, "crm/sync");
      expect(code).toContain("the shared b");
    }
  });
});

describe("a bundle", () => {
  it("contains everything except node: modules", async () => {
    const { code } = await bundle(
      `import { createClientFromRequest } from "npm:@base44/sdk@^0.8.0"; import { Buffer } from "node:buffer"; import * as own from "npm:@holdfast/sdk";
       import "base44:runtime"; const lazy = () => import("./lazy.ts"); console.log(createClientFromRequest, Buffer, own, lazy);`,
      { "lazy.ts": "export const lazy = 1;" },
    );
    const imported = [...code.matchAll(/^(?:import|export)\b[^;]*?from "([^"]+)";/gm)].map((match) => match[1]);
    expect(imported).toEqual(["node:buffer"]);
    expect(code).not.toMatch(/\bimport\(/);
  });

  it("contains files as json, text and bytes", async () => {
    const { code } = await bundle(
      `import data from "./data.json" with { type: "json" }; import plain from "./data.json"; import text from "./note.md" with { type: "text" };
       import bytes from "./note.md" with { type: "bytes" }; const lazy = await import("./note.md", { with: { type: "text" } });
       globalThis.found = JSON.stringify([data.n, plain.n, text, [...bytes], lazy.default]);`,
      { "data.json": `{ "n": 7 }`, "note.md": "hé" },
    );
    await import(`data:text/javascript,${encodeURIComponent(code)}`);
    expect(JSON.parse(String(Reflect.get(globalThis, "found")))).toEqual([7, 7, "hé", [104, 195, 169], "hé"]);
  });

  it("is refused with file and line of a syntax error", async () => {
    await expect(bundle(`import "./bad.ts";`, { "bad.ts": "const a = 1;\nconst = 2;" })).rejects.toThrow(/bad\.ts:2: /);
  });

  it("is refused with file and line of an export that does not exist", async () => {
    const files = { "lib.ts": "export const a = 1;" };
    await expect(
      bundle(`import { a } from "./lib.ts";\nimport { b } from "./lib.ts";\nconsole.log(a, b);`, files),
    ).rejects.toThrow(/entry\.ts:2: .*"b"/);
  });

  it("ignores settings and directives in the function's folder", async () => {
    const bundled = await bundle(
      `//! kept?\nimport { a } from "./lib/a.ts";\nconsole.log(a);\n//# sourceMappingURL=file:///etc/passwd`,
      {
        "lib/a.ts": "export const a = 1;",
        "tsconfig.json": `{ "extends": "/etc/passwd", "compilerOptions": { "paths": { "./lib/*": ["/etc/*"] } } }`,
        "package.json": `{ "browser": { "./lib/a.ts": "/etc/passwd" } }`,
        ".pnp.cjs": "hostile",
      },
    );
    expect(bundled.code).not.toMatch(/kept|passwd/);
    expect(sourcesOf(bundled)).toEqual(["lib/a.ts", "entry.ts"]);
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
    const bundled = await bundle(
      `import { a } from "./a.js";\nimport "npm:@holdfast/sdk";\nconsole.log(a);\n${comment}`,
      {
        "a.js": `export const a = 1;\nconsole.log(a);\n${comment}`,
      },
    );
    expect(new Set(sourcesOf(bundled))).toEqual(new Set(["a.js", "entry.ts"]));
    expect(Object.keys(JSON.parse(bundled.source_map)).toSorted()).toEqual(["mappings", "names", "sources", "version"]);
  });

  it("does not name a folder of this machine", async () => {
    const { code, source_map } = await bundle(`import "npm:@base44/sdk"; import "./a.ts";`, {
      "a.ts": "console.log(1);",
    });
    expect(code + source_map).not.toContain(dir);
    expect(code + source_map).not.toContain(process.cwd());
  });

  it("is refused if an import abuses a built-in property name", async () => {
    for (const name of ["__proto__", "constructor", "toString"])
      await expect(bundle(`import "${name}";`)).rejects.toThrow(/entry\.ts:1: .*cannot be found/);
  });
});

describe("an SDK", () => {
  it.each([
    "npm:@base44/sdk",
    "npm:/@base44/sdk",
    "npm:@base44/sdk@0.8.50",
    "npm:@base44/sdk@^0.8.4",
    "npm:@base44/sdk@latest",
  ])("%s is the one that this server ships", async (specifier) => {
    const { code, notes } = await bundle(
      `import { createClientFromRequest } from "${specifier}";\nconsole.log(createClientFromRequest);`,
    );
    expect(code).toContain("Base44-App-Id");
    expect(notes).toEqual([]);
  });

  it.each([
    "npm:@base44/sdk@0.8.4",
    "npm:@base44/sdk@0.8.53",
    "npm:/@base44/sdk@0.7.0",
    "npm:@base44/sdk@next",
    "npm:@base44/sdk@>=2",
  ])("%s is the shipped one, too, and one note says so", async (specifier) => {
    const source = `import { createClient } from "${specifier}";\nconsole.log(createClient);`;
    const { code, notes } = await bundle(`${source}\nimport "./other.ts";`, { "other.ts": source });
    expect(code).toContain("Base44-App-Id");
    expect(notes).toEqual([`${specifier} runs as version 0.8.50, which this server ships.`]);
  });
});
