import { globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { providers } from "../packages/server/src/providers/index.ts";
import { catalogFindings, rules, type SourceFile } from "./tidy.ts";

const ROOT = join(import.meta.dirname, "..");
const PATTERNS = ["packages/*/{src,test}/**/*.ts", "packages/*/*.ts", "e2e/**/*.ts", "examples/**/*.ts", "tools/*.ts"];

const files: readonly SourceFile[] = globSync(PATTERNS, {
  cwd: ROOT,
  exclude: (path) => /(?:^|\/)(?:node_modules|dist)$/.test(path),
}).map((path) => ({ path: path.replaceAll("\\", "/"), text: readFileSync(join(ROOT, path), "utf8") }));

describe("the repository", () => {
  const ids = [...providers.keys()];

  it.each(rules(ids))("$claim", ({ check }) => {
    expect(check(files)).toEqual([]);
  });

  it.each(rules(ids))("would be told if it were not so: $claim", ({ check, offender }) => {
    expect(check([offender])).toHaveLength(1);
  });

  it("was looked at, each layer of it", () => {
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

  it.each([
    ["a comment", "// Like fetch(url), but limited.\n/* console.log */\n"],
    ["a string", 'const define = { "process.env.NODE_ENV": "x", at: "https://a//b" };\n'],
  ])("is not blamed for what stands in %s", (_where, text) => {
    const file = { path: "packages/server/src/runner/bundle.ts", text };
    for (const { check } of rules(ids)) expect(check([file])).toEqual([]);
  });

  it("is looked at behind an address and inside a template", () => {
    const text = 'const a = "https://b"; console.log(a);\nconst c = `${console.log(a)}`;\n';
    const findings = rules(ids).flatMap(({ check }) => check([{ path: "packages/server/src/service/a.ts", text }]));
    expect(findings.filter((finding) => finding.includes("console"))).toHaveLength(2);
  });
});
