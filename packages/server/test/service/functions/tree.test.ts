import { posix } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CodedError } from "../../../src/core/errors.ts";
import type { SourceTree } from "../../../src/core/functions/functions.ts";
import { LIMITS } from "../../../src/core/limits.ts";
import { checkTree } from "../../../src/service/functions/tree.ts";

const file = (path: string, content = "") => ({ path, content });

/** Checks files beside a valid entry. */
const check = (paths: readonly string[], name = "hello", entry = "entry.ts"): SourceTree =>
  checkTree(name, { entry, files: [file("entry.ts"), ...paths.map((path) => file(path))] }, LIMITS);

/** Returns the error of a refusal. */
function refusal(action: () => unknown): CodedError {
  try {
    action();
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
  throw new Error("It was not refused.");
}

describe("a path", () => {
  it.each([
    ["lib/x.ts", "lib/x.ts"],
    ["./lib/./x.ts", "lib/x.ts"],
    ["lib//x.ts", "lib/x.ts"],
    ["lib/../x.ts", "x.ts"],
    ["../../shared/x.ts", "../../shared/x.ts"],
    ["lib/../../../shared/deep/x.ts", "../../shared/deep/x.ts"],
    ["..notes.ts", "..notes.ts"],
    ["a/b..", "a/b.."],
    [".env", ".env"],
    ["höhe.ts", "höhe.ts"],
  ])("%s is stored as %s", (sent, stored) => {
    expect(check([sent]).files.map(({ path }) => path)).toEqual(["entry.ts", stored]);
  });

  it.each([
    "/etc/passwd",
    "//etc/passwd",
    "C:/secret.ts",
    "c:secret.ts",
    String.raw`lib\x.ts`,
    String.raw`..\..\shared\x.ts`,
    "a\0b.ts",
    "\0",
    "a\u001b[31m.ts",
    "a\nb.ts",
    "a\u202etxt.ts",
    "",
    ".",
    "./",
    "..",
    "../",
    "lib/",
    "lib/..",
    "../x.ts",
    "../../x.ts",
    "../../x/shared/y.ts",
    "../../../etc/passwd",
    "../../../shared/x.ts",
    "../shared/x.ts",
    "../../shared",
    "../../shared/",
    "../../shared/../x.ts",
    "../../shared/../../etc/passwd",
    "../../Shared/x.ts",
    "../../shared2/x.ts",
    "../../shared/../shared",
    "lib/../../x.ts",
    "\ud800.ts",
    "a".repeat(256),
    `${"a/".repeat(512)}a`,
  ])("%j is refused by name, in the function's own words", (path) => {
    const { code, status, message, options } = refusal(() => check([path]));
    expect([code, status]).toEqual(["deployment_invalid", 400]);
    expect(message).toContain(JSON.stringify(path.slice(0, 200)));
    expect(options.errors?.map(({ name }) => name)).toEqual([path.slice(0, 200).toWellFormed()]);
  });

  it("to a shared file starts two levels up, or as many as the public CLI sends for a nested name", () => {
    expect(() => check(["../../shared/x.ts"], "crm/sync")).not.toThrow();
    expect(() => check(["../../../shared/x.ts"], "crm/sync")).not.toThrow();
    expect(() => check(["../../../../shared/x.ts"], "a/b/c")).not.toThrow();
    for (const path of ["../../../../shared/x.ts", "../shared/x.ts", "../../../x.ts"])
      expect(refusal(() => check([path], "crm/sync")).code).toBe("deployment_invalid");
  });

  it("outside of the allowed folders is never accepted, however it is spelled", () => {
    const part = fc.constantFrom(
      "..",
      ".",
      "",
      "a",
      "shared",
      "Shared",
      "shared ",
      "%2e%2e",
      "...",
      "\\",
      "\0",
      "c:",
      "é",
    );
    const path = fc.array(part, { minLength: 1, maxLength: 8 }).map((parts) => parts.join("/"));
    const law = fc.property(path, fc.constantFrom(...FOLDERS), (text, { name, folder, allowed }) =>
      storedPaths(text, name).every((stored) => {
        const reached = posix.resolve(folder, stored);
        const is_inside = allowed.some((root) => reached.startsWith(`${root}/`));
        return is_inside && stored === posix.normalize(stored) && !/[\\\0]/.test(stored);
      }),
    );
    expect(fc.check(law, { numRuns: 2_000 }).counterexample).toBeNull();
  });
});

/** Where functions can lie, and the folders that their files can be in. */
const FOLDERS = [
  { name: "hello", folder: "/project/functions/hello", allowed: ["/project/functions/hello", "/project/shared"] },
  {
    name: "crm/sync",
    folder: "/project/functions/crm/sync",
    allowed: ["/project/functions/crm/sync", "/project/functions/shared", "/project/shared"],
  },
] as const;

/** Returns the paths that are stored for a sent path. None if it is refused. */
function storedPaths(text: string, name: string): readonly string[] {
  try {
    return check([text], name).files.map(({ path }) => path);
  } catch (error) {
    if (error instanceof CodedError && error.code === "deployment_invalid") return [];
    throw error;
  }
}

describe("two paths", () => {
  it.each([
    ["lib/x.ts", "lib/x.ts"],
    ["lib/x.ts", "lib/./x.ts"],
    ["lib/x.ts", "LIB/X.ts"],
    ["é.ts", "e\u0301.ts"],
    ["É.ts", "e\u0301.ts"],
    ["straße.ts", "STRASSE.ts"],
    ["straße.ts", "STRAẞE.ts"],
    ["STRAẞE.ts", "strasse.ts"],
    ["ﬁle.ts", "FILE.ts"],
    ["İ.ts", "i\u0307.ts"],
    ["lib/x.ts", "lib/x.ts."],
    ["lib/x.ts", "lib/x.ts "],
    ["lib/x.ts", "lib. /x.ts"],
    ["lib/x.ts", "lib/\u200bx.ts"],
    ["lib", "lib./x.ts"],
    ["../../shared/x.ts", "../../shared/X.ts"],
    ["entry.ts", "Entry.ts"],
    ["lib", "lib/x.ts"],
    ["LIB", "lib/x.ts"],
    ["lib/x", "lib/x/y/z.ts"],
    ["../../shared/x", "../../shared/x/y.ts"],
  ])("%j and %j cannot be in one function, in either order", (a, b) => {
    for (const paths of [
      [a, b],
      [b, a],
    ])
      expect(refusal(() => check(paths)).code).toBe("deployment_invalid");
  });

  it("that a file system keeps apart are both stored", () => {
    expect(check(["a.ts", "b.ts", "lib/a.ts", "../../shared/a.ts", "lib2/x.ts"]).files).toHaveLength(6);
  });
});

describe("a part of a path", () => {
  it.each(["...", "lib/.../x.ts", "lib/.. /x.ts", "lib/. /x.ts", " ", "../../shared/.. /x.ts"])(
    "%j cannot have dots and spaces only, which some file systems drop",
    (path) => expect(refusal(() => check([path])).code).toBe("deployment_invalid"),
  );
});

describe("an entry", () => {
  it("is one of the files in the function's own folder", () => {
    expect(refusal(() => check([], "hello", "main.ts")).message).toContain('"main.ts"');
    expect(refusal(() => check(["../../shared/x.ts"], "hello", "../../shared/x.ts")).message).toContain("entry");
    expect(refusal(() => check([], "hello", "/entry.ts")).message).toContain('"/entry.ts"');
    expect(check([], "hello", "./entry.ts").entry).toBe("entry.ts");
  });

  it("below the function's folder is the place that the public CLI's paths start from", () => {
    const files = ["main.ts", "util.ts", "../lib/x.ts", "../function.jsonc", "../../../shared/y.ts"].map((path) =>
      file(path),
    );
    const tree = checkTree("hello", { entry: "src/main.ts", files }, LIMITS);
    expect([tree.entry, ...tree.files.map(({ path }) => path)]).toEqual([
      "src/main.ts",
      "src/main.ts",
      "src/util.ts",
      "lib/x.ts",
      "function.jsonc",
      "../../shared/y.ts",
    ]);
    const outside = [...files, file("../../secret.ts")];
    expect(refusal(() => checkTree("hello", { entry: "src/main.ts", files: outside }, LIMITS)).code).toBe(
      "deployment_invalid",
    );
  });
});

describe("the files together", () => {
  const files = (count: number) => Array.from({ length: count }, (_, index) => file(`f${index}.ts`));

  it("are at most 200, and the first one too many is named", () => {
    expect(checkTree("hello", { entry: "f0.ts", files: files(200) }, LIMITS).files).toHaveLength(200);
    expect(refusal(() => checkTree("hello", { entry: "f0.ts", files: files(201) }, LIMITS)).message).toContain(
      '"f200.ts"',
    );
  });

  it("have at most 5 MiB in UTF-8, and the file that exceeds it is named", () => {
    const half = "é".repeat(1_310_720);
    const fitting = [file("a.ts", half), file("b.ts", half)];
    expect(checkTree("hello", { entry: "a.ts", files: fitting }, LIMITS).files).toHaveLength(2);
    const more = [...fitting, file("c.ts", "x")];
    expect(refusal(() => checkTree("hello", { entry: "a.ts", files: more }, LIMITS)).message).toContain('"c.ts"');
  });

  it.each([[null], ["entry.ts"], [7], [{ path: "a.ts" }], [{ content: "" }], [{ path: 7, content: "" }], [[]]])(
    "do not contain %j",
    (wrong) => {
      const error = refusal(() => checkTree("hello", { entry: "entry.ts", files: [file("entry.ts"), wrong] }, LIMITS));
      expect(error.message).toContain('"files/1"');
    },
  );

  it("are text: a content that is not Unicode would be changed by storing it", () => {
    const broken = [file("entry.ts"), file("b.ts", "\udc00")];
    expect(refusal(() => checkTree("hello", { entry: "entry.ts", files: broken }, LIMITS)).message).toContain('"b.ts"');
  });
});
