import { mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scanFunctions, readSource, type FoundFunction } from "../../../src/service/functions/folder.ts";
import { writeFiles } from "../../runner/harness.ts";

let base: string;
let dir: string;
beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), "holdfast-test-")));
  dir = join(base, "functions");
  await writeFiles(base, {
    "shared/greet.ts": "shared",
    "functions/one.ts": "",
    "functions/two.js": "",
    "functions/postToSlack.ts": "",
    "functions/three/entry.ts": "",
    "functions/three/helper.ts": "",
    "functions/three/index.ts": "",
    "functions/three/lib/index.ts": "",
    "functions/three/inner/entry.ts": "",
    "functions/crm/sync/entry.js": "",
    "functions/crm/import.ts": "",
    "functions/crm/notes.md": "",
    "functions/web/index.tsx": "",
    "functions/named/function.jsonc": `{
      // A comment, and a comma at the end.
      "name": "crm/renamed", "entry": "src/main.ts", "automations": [{ "type": "entity" }],
    }`,
    "functions/named/src/main.ts": "main",
    "functions/named/README.md": "# Ours",
    "functions/no-entry/function.json": `{ "name": "no-entry" }`,
    "functions/bad-json/function.jsonc": "{",
    "functions/bad-name/function.jsonc": `{ "name": "bad name", "entry": "entry.ts" }`,
    "functions/bad-list/function.jsonc": `{ "automations": {} }`,
    "functions/bad-list/entry.ts": "",
    "functions/twice/entry.ts": "",
    "functions/again/function.jsonc": `{ "name": "twice", "entry": "entry.ts" }`,
    "functions/.hidden/entry.ts": "",
    "functions/node_modules/pkg/entry.ts": "",
    "functions/three/node_modules/pkg/index.ts": "",
    "functions/three/.env": "SECRET=1",
    "functions/bad name.ts": "",
  });
  await writeFile(join(dir, "named/logo.png"), Buffer.from([0x89, 0x50, 0xff, 0xfe]));
  await symlink("/etc", join(dir, "etc"));
  await symlink(join(dir, "one.ts"), join(dir, "link.ts"));
  await symlink("/etc/passwd", join(dir, "three/passwd.txt"));
});
afterAll(() => rm(base, { recursive: true, force: true }));

async function found(name: string): Promise<FoundFunction> {
  const match = (await scanFunctions(dir)).functions.find((one) => one.name === name);
  if (match === undefined) throw new Error(`There is no ${name}.`);
  return match;
}

const read = async (name: string): Promise<readonly string[]> =>
  (await readSource(await found(name), 1_000)).map(({ path }) => path);

describe("a directory of functions", () => {
  it("has each function once, in every layout", async () => {
    const { functions } = await scanFunctions(dir);
    expect(functions.filter(({ problem }) => problem === null).map(({ name, entry }) => `${name}: ${entry}`)).toEqual([
      "crm/import: import.ts",
      "crm/renamed: src/main.ts",
      "crm/sync: entry.js",
      "link: link.ts",
      "one: one.ts",
      "postToSlack: postToSlack.ts",
      "three: entry.ts",
      "three/inner: entry.ts",
      "two: two.js",
      "web: index.tsx",
    ]);
    expect((await found("crm/renamed")).automations).toEqual([{ type: "entity" }]);
  });

  it("says of each function that cannot be used why", async () => {
    const { functions } = await scanFunctions(dir);
    const problems = functions.flatMap(({ name, problem }) => (problem === null ? [] : [`${name}: ${problem}`]));
    expect(problems).toEqual([
      "bad-json: function.jsonc is not valid JSON.",
      "bad-list: The automations in function.jsonc are not a list.",
      expect.stringMatching(/^bad-name: "bad name" cannot name a function\./),
      "no-entry: function.json in no-entry does not name an entry file.",
      "twice: Two functions are named twice.",
      "twice: Two functions are named twice.",
    ]);
    for (const name of ["bad-json", "twice"])
      await expect(read(name)).rejects.toMatchObject({ code: "function_invalid" });
  });

  it("that does not exist has none", async () => {
    expect(await scanFunctions(join(dir, "none"))).toEqual({ functions: [], paths: [] });
  });
});

describe("the source of a function", () => {
  it("is its folder and the shared files, without pictures, hidden files and packages", async () => {
    expect(await read("crm/renamed")).toEqual(["README.md", "function.jsonc", "src/main.ts", "../../shared/greet.ts"]);
    expect(await read("crm/sync")).toEqual(["entry.js", "../../../shared/greet.ts"]);
  });

  it("of one file is that file", async () => {
    expect(await read("crm/import")).toEqual(["import.ts"]);
  });

  it("never follows a symbolic link, and says which one it met", async () => {
    await expect(read("three")).rejects.toThrow(/passwd\.txt of the function three is a symbolic link/);
    await expect(read("link")).rejects.toThrow(/link\.ts of the function link is a symbolic link/);
  });

  it("is not read when a file is larger than all can be together", async () => {
    await expect(readSource(await found("crm/renamed"), 3)).rejects.toThrow(/is larger than 3 bytes/);
  });
});
