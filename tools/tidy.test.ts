import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { providers } from "../packages/server/src/providers/index.ts";
import { ROOT } from "./root.ts";
import { longFunctions, MAX_FUNCTION_LINES, nestingOf } from "./sizes.ts";
import { readFiles, syntaxOf, type SourceFile } from "./source.ts";
import { catalogFindings, rules } from "./tidy.ts";
import { commentLines, EXCEPTIONS, FORBIDDEN, punctuationOf, wordFindings } from "./words.ts";

const files = readFiles([
  "packages/*/{src,test}/**/*.ts",
  "packages/*/*.ts",
  "e2e/**/*.ts",
  "examples/**/*.ts",
  "tools/*.ts",
  "*.ts",
  "*.md",
  "docs/**/*.md",
  "packages/*/README.md",
]);
const ids = [...providers.keys()];

describe("the repository", () => {
  it.each(rules(ids))("$claim", ({ check }) => {
    expect(check(files)).toEqual([]);
  });

  it("is read, every layer of it", () => {
    for (const folder of [
      "core",
      "providers/catalog",
      "oauth",
      "vault",
      "store/queries",
      "service",
      "http/api",
      "http/pages",
      "cli/commands",
    ])
      expect(files.filter(({ path }) => path.startsWith(`packages/server/src/${folder}/`)).length).toBeGreaterThan(2);
    expect(files.some(({ path }) => path.startsWith("packages/simulator/test/"))).toBe(true);
    expect(files.some(({ path }) => path.startsWith("examples/"))).toBe(true);
    expect(files.some(({ path }) => path.startsWith("docs/adr/"))).toBe(true);
  });

  it("has one catalog file per provider", () => {
    const folder = join(ROOT, "packages/server/src/providers/catalog");
    const names = readdirSync(folder).filter((name) => name.endsWith(".ts"));
    expect(catalogFindings(ids, names)).toEqual([]);
    expect(catalogFindings(ids, [...names, "planted.ts"])).toEqual([
      "catalog/planted.ts is not in the list of providers/index.ts.",
    ]);
    expect(catalogFindings([...ids, "planted"], names)).toEqual([
      "planted is in the list of providers/index.ts without catalog/planted.ts.",
    ]);
  });
});

describe("a rule", () => {
  it.each(rules(ids))("finds each violation: the repository $claim", ({ check, offenders }) => {
    expect(offenders.length).toBeGreaterThan(0);
    for (const offender of offenders) expect(check(offender)).toHaveLength(1);
  });

  it.each([
    ["a comment", "// Like fetch(url), but limited.\n/* console.log */\n"],
    ["a string", 'const define = { "process.env.NODE_ENV": "x", at: "https://a//b" };\n'],
  ])("about code ignores %s", (_where, text) => {
    const file = { path: "packages/server/src/runner/functions.ts", text: `/** Bundles. */\n${text}` };
    for (const { claim, check } of rules(ids)) expect([claim, ...check([file])]).toEqual([claim]);
  });

  it("about code reads what follows an address, and what is inside a template", () => {
    const text = 'const a = "https://b"; console.log(a);\nconst c = `${console.log(a)}`;\n';
    const findings = rules(ids).flatMap(({ check }) => check([{ path: "packages/server/src/service/a.ts", text }]));
    expect(findings.filter((finding) => finding.includes("console"))).toHaveLength(2);
  });
});

const fileOf = (text: string, path = "packages/server/src/service/planted.ts"): SourceFile => ({ path, text });
const wordsIn = (text: string, path?: string): readonly string[] =>
  wordFindings(fileOf(text, path)).map(({ line, word }) => `${line} ${word}`);

describe("the word list", () => {
  it.each(FORBIDDEN)("finds %j in a comment, a string, a template, a test's title and a page", (word) => {
    const capital = word.charAt(0).toUpperCase() + word.slice(1);
    expect(wordsIn(`/** ${capital}, then. */\n`)).toEqual([`1 ${word}`]);
    expect(wordsIn(`const a = 1; // ${word}\n`)).toEqual([`1 ${word}`]);
    expect(wordsIn(`const a = "See ${word}.";\n`)).toEqual([`1 ${word}`]);
    expect(wordsIn(`const a = \`\n${word} \${b}\`;\n`)).toEqual([`2 ${word}`]);
    expect(wordsIn(`const a = \`\${b} ${word}\`;\n`)).toEqual([`1 ${word}`]);
    expect(wordsIn(`\nit("returns ${word} here", () => {});\n`, "e2e/planted.test.ts")).toEqual([`2 ${word}`]);
    expect(wordsIn(`# Title\n\nReturns ${word}.\n`, "docs/planted.md")).toEqual([`3 ${word}`]);
  });

  it("finds a phrase that continues on the next line", () => {
    expect(wordsIn("/**\n * What is\n * to be kept.\n */\n")).toEqual(["2 what is to be"]);
    expect(wordsIn("  // Returns one\n  // that is new.\n")).toEqual(["1 one that is"]);
    expect(wordsIn("Returns one\nthat is new.\n", "README.md")).toEqual(["1 one that is"]);
  });

  it.each([
    ["names in code", "const whoever = nobody(somebody);\n"],
    ["code in a comment", "// Returns `nobody`.\n"],
    ["longer words", "// Nobodys, whatevers.\n"],
    ["module specifiers", 'import { a } from "whatever";\nexport * from "nobody";\n'],
    ["the wire value of who_must_act", 'const a = { who_must_act: "nobody" };\n'],
  ])("ignores %s", (_what, text) => {
    expect(wordsIn(text)).toEqual([]);
  });

  it("ignores the data of a test, but not its sentences", () => {
    expect(wordsIn('expect(a).toBe("whatever");\n', "packages/server/test/planted.test.ts")).toEqual([]);
    expect(wordsIn('expect(a).toBe("Not whatever.");\n', "packages/server/test/planted.test.ts")).toHaveLength(1);
  });

  it("has no exception that nothing needs", () => {
    const lines = files.flatMap(({ path, text }) => text.split("\n").map((line) => ({ path, line: line.trim() })));
    const idle = EXCEPTIONS.filter(
      ({ path, line }) => !lines.some((candidate) => path.test(candidate.path) && line.test(candidate.line)),
    );
    expect(idle).toEqual([]);
  });
});

describe("the counts", () => {
  it("take words and semicolons from comments alone, without code in backquotes", () => {
    const text = '// One; two.\n/* `a; b` three */\nconst a = "four; five";\n';
    expect(punctuationOf([fileOf(text)])).toEqual({ words: 3, semicolons: 1 });
  });

  it("measure each line of a comment, except those that cannot be broken", () => {
    const address = `https://example.test/${"a".repeat(100)}`;
    const text = `/**\n * One.\n * ${address}\n */\n// oxlint-disable-next-line no-console -- a reason\nconst a = 1; // Two.\n`;
    expect(commentLines(fileOf(text)).map(({ line, columns }) => [line, columns])).toEqual([
      [1, 3],
      [2, 7],
      [4, 3],
      [6, 20],
    ]);
    expect(commentLines(fileOf(`// See ${address}\n`))).toHaveLength(1);
  });

  it("name functions by their declaration, constant or property, and count those inside another function", () => {
    const text = [
      "export function one() { const two = () => 2; return two; }",
      "const three = { four() {}, five: async () => 5, six: 6 };",
      "each(() => { function seven() {} return () => seven; });",
      "export default function () {}",
    ].join("\n");
    const names = syntaxOf(fileOf(text)).functions.map(({ name, is_nested }) => `${name} ${is_nested ? "in" : "top"}`);
    expect(names.toSorted()).toEqual(
      ["one top", "two in", "four top", "five top", "null top", "seven in", "null in", "default top"].toSorted(),
    );
    expect(nestingOf([fileOf(text)])).toEqual({ functions: 6, nested: 2, nested_bindings: 0 });
    const factory =
      "const create = (deps) => ({ get: (id) => get(deps, id), all: () => deps.list(), put: (one) => put(() => one) });\n";
    expect(nestingOf([fileOf(factory)])).toEqual({ functions: 4, nested: 2, nested_bindings: 1 });
  });

  it("measure a function from its first line to its last", () => {
    const of = (lines: number): string => `const planted = () => {${"\n".repeat(lines - 1)}};\n`;
    expect(longFunctions([fileOf(of(MAX_FUNCTION_LINES))])).toEqual([]);
    expect(longFunctions([fileOf(of(MAX_FUNCTION_LINES + 1))])).toMatchObject([{ lines: MAX_FUNCTION_LINES + 1 }]);
  });
});
