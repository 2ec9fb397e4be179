/** Source maps that a function's own code names: never opened, and no text of the code changes. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bundled } from "../../../src/core/functions/functions.ts";
import { localBundler, type LocalBundler } from "../../support/bundler.ts";
import { temporaryFolder } from "../harness.ts";
import { treeOf } from "./workshop.ts";

let dir: string;
let bundler: LocalBundler;
beforeAll(async () => {
  dir = await temporaryFolder();
  bundler = await localBundler();
  await writeFile(join(dir, "secret.map"), "canary-of-the-server");
});
afterAll(async () => {
  await bundler[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const bundle = (files: Readonly<Record<string, string>>): Promise<Bundled> => bundler.bundle(treeOf("f1", files));

/** Runs a module, and returns its export `values`. */
async function valuesOf(code: string): Promise<unknown> {
  const url = `data:text/javascript;base64,${Buffer.from(code).toString("base64")}`;
  const module: { readonly values?: unknown } = await import(url);
  return module.values;
}

const HOSTILE_MAP = { version: 3, sources: ["/etc/passwd"], sourcesContent: ["x"], names: [], mappings: "AAAA;ACAA" };
const HOSTILE_URL = `data:application/json;base64,${Buffer.from(JSON.stringify(HOSTILE_MAP)).toString("base64")}`;

/** What follows `sourceMappingURL=`. */
const target = fc.oneof(
  fc.constantFrom("x", "", "file:///etc/passwd", "/etc/passwd", HOSTILE_URL, "data:application/json,{"),
  fc.string({ unit: fc.constantFrom("a", ":", "/", ".", " "), maxLength: 8 }),
);
const mapText = fc
  .tuple(fc.constantFrom("//# ", "//@ ", "/*# ", "//#", "# ", ""), target)
  .map(([start, end]) => `${start}sourceMappingURL=${end}`);

const escapedSlashes = (text: string): string => text.replaceAll(/[/*+?.(){}|[\]]/g, String.raw`\$&`);

/** Expressions that have the text in them, each of which the code must keep. */
const expression = fc.oneof(
  mapText.map((text) => JSON.stringify(text)),
  mapText.map((text) => `'${text}'`),
  mapText.map((text) => `\`\n${text}\n\``),
  fc.tuple(mapText, mapText).map(([first, second]) => `\`${first}\${[\`${second}\`]} ${first}\``),
  mapText.map((text) => `/${escapedSlashes(text) || "x"}/g.source`),
  mapText.map((text) => `String.raw\`${text}\\n\``),
);
const comment = fc.oneof(
  mapText.map((text) => `${text.startsWith("/*") ? text : `/*# ${text.replace(/^\/\/[#@]? ?/, "")}`} */`),
  mapText.map((text) => `//# ${text}\n`),
  mapText.map((text) => `//@ ${text.replace(/^\/[/*][#@]? ?/, "")}\n`),
);
const module = fc
  .record({
    items: fc.array(fc.tuple(expression, comment), { minLength: 1, maxLength: 6 }),
    last: fc.oneof(comment, fc.constant("")),
    has_end: fc.boolean(),
  })
  .map(({ items, last, has_end }) => {
    const list = items.map(([value, between]) => `${value}, ${between}`).join("\n");
    const code = `export const values = [${list}\n];\n${last}`;
    return has_end ? `${code}\n` : code.trimEnd();
  });

describe("text that looks like a comment with a source map", () => {
  it("stays as it is in strings, templates and regular expressions, with any comments around it", async () => {
    const property = fc.asyncProperty(module, async (code) => {
      const bundled = await bundle({ "entry.ts": code });
      expect(await valuesOf(bundled.code)).toEqual(await valuesOf(code));
      const { sources }: { readonly sources: readonly string[] } = JSON.parse(bundled.source_map);
      expect(sources).toEqual(["entry.ts"]);
    });
    await fc.assert(property, { numRuns: 200 });
  });

  it.for([
    `"//# sourceMappingURL=x"`,
    "`\n//# sourceMappingURL=file:///etc/passwd\n`",
    String.raw`/\/\/# sourceMappingURL=(.*)$/m.source`,
    `"sourceMappingURL=" + "/*# sourceMappingURL=y */"`,
  ])("is not changed: %s", async (value) => {
    const code = `export const values = [${value}];`;
    const { code: bundled } = await bundle({ "entry.ts": `export { values } from "./a.js";`, "a.js": code });
    expect(await valuesOf(bundled)).toEqual(await valuesOf(code));
  });

  it("is not changed in data and in text", async () => {
    const files = { "a.json": `{"a":"//# sourceMappingURL=x"}`, "a.txt": "//# sourceMappingURL=x" };
    const { code } = await bundle({
      "entry.ts": `import a from "./a.json" with { type: "json" };\nimport b from "./a.txt" with { type: "text" };\nexport const values = [a.a, b];`,
      ...files,
    });
    expect(await valuesOf(code)).toEqual(["//# sourceMappingURL=x", "//# sourceMappingURL=x"]);
  });
});

it("opens no file that a comment names, at the beginning, in the middle or at the end", async () => {
  const named = `sourceMappingURL=file://${dir}/secret.map`;
  for (const code of [
    `//# ${named}\nthrow 1;`,
    `f(/*# ${named} */);`,
    `throw 1; //@ ${named}`,
    `throw 1;\n//# ${named}`,
  ])
    for (const entry of ["entry.ts", "entry.js", "entry.jsx"]) {
      const { source_map } = await bundler.bundle({ ...treeOf("f1", { [entry]: code }), entry });
      expect(JSON.parse(source_map)).toMatchObject({ sources: [entry] });
    }
});
