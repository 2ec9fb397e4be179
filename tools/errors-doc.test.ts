import { describe, expect, it } from "vitest";
import { DATA_DIR } from "../packages/server/src/cli/remote/local.ts";
import { LIMITS } from "../packages/server/src/core/limits.ts";
import { ERRORS, RETIRED } from "../packages/server/src/core/errors.ts";
import { PAGES, SETTINGS } from "./generate.ts";
import { read } from "./root.ts";

const firstCells = (text: string): readonly string[] =>
  [...text.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, cell = ""]) => cell);

describe("the generated pages", () => {
  it.each(Object.entries(PAGES))("%s is what npm run generate writes", (path, make) => {
    expect(read(path)).toBe(make());
  });

  it("docs/errors.md lists each error in the code once, and no other", () => {
    expect(firstCells(read("docs/errors.md")).toSorted()).toEqual(Object.keys(ERRORS).toSorted());
  });

  it("docs/errors.md gives the status that the server replies with", () => {
    const statuses = [...read("docs/errors.md").matchAll(/^\| `([a-z_]+)` +\| (\d{3}) /gm)];
    expect(Object.fromEntries(statuses.map(([, code, status]) => [code, Number(status)]))).toEqual(
      Object.fromEntries(Object.entries(ERRORS).map(([code, { status }]) => [code, status])),
    );
  });

  it("no retired code is in use", () => {
    expect(RETIRED.filter((code) => Object.hasOwn(ERRORS, code))).toEqual([]);
  });

  it("docs/configuration.md lists each setting and limit in the code, and no other", () => {
    const limits = Object.keys(LIMITS).map((name) => `HOLDFAST_${name.toUpperCase()}`);
    const block = /const SETTINGS = new Set\(\[([\s\S]*?)\]\)/.exec(read("packages/server/src/config.ts"))?.[1] ?? "";
    const settings = [...block.matchAll(/"(HOLDFAST_[A-Z_]+)"/g)].map(([, name = ""]) => name);
    expect(settings.length).toBeGreaterThan(0);
    expect(firstCells(read("docs/configuration.md"))).toEqual([...SETTINGS.map(({ name }) => name), ...limits]);
    expect(SETTINGS.map(({ name }) => name).toSorted()).toEqual(settings.toSorted());
  });

  it("docs/configuration.md names the flags that serve accepts", () => {
    const source = read("packages/server/src/cli/commands/serve.ts").replaceAll(
      "...DATA_DIR",
      JSON.stringify(DATA_DIR[0]),
    );
    const taken: readonly string[] = [...source.matchAll(/\.option\("(--[a-z-]+)/g)].map((match) => match[1] ?? "");
    expect(SETTINGS.flatMap(({ flag }) => (flag === null ? [] : [flag])).toSorted()).toEqual(taken.toSorted());
  });

  it("only codes that exist appear in the error bodies shown in the docs", () => {
    for (const path of ["README.md", "SECURITY.md"]) {
      for (const [, code = ""] of read(path).matchAll(/"code": ?"([a-z_]+)"/g)) expect(ERRORS).toHaveProperty(code);
    }
  });
});
