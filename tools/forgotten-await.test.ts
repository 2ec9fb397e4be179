/**
 * Plants forgotten awaits in the server's sources, and runs the compiler, the linter and the house
 * rules over them, as `npm run check` does. Store operations are async functions. Without its
 * await, an operation would be lost, or would fail outside its transaction.
 *
 * Awaits that are statements are planted all at once, because each is reported on its own line.
 * Where the awaited value is used, the error can be lines away. Those are planted one per top-level
 * declaration, in as many copies of a file as its declarations need. Each copy is alone in its
 * folder, and `rootDirs` lets it import the other sources.
 */
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Visitor, type ParseResult } from "oxc-parser";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RETURNS_AWAITED } from "../oxlint.config.ts";
import { SRC } from "./layers.ts";
import { ROOT } from "./root.ts";
import { outputOf } from "./run.ts";
import { lineFinder, parse, readFiles, type SourceFile } from "./source.ts";
import { rules } from "./tidy.ts";

const TIMEOUT_MS = 300_000;
/** The omissions that the house rules must find, in store/ and service/ alone. */
const MIN_STATEMENTS = 120;
/** Where each folder of packages is found: the server's own are for the copies, too. */
const LINKED: Readonly<Record<string, string>> = {
  node_modules: "node_modules",
  "packages/node_modules": "packages/server/node_modules",
};
const COPIED = [
  SRC,
  "oxlint.config.ts",
  "package.json",
  "packages/server/package.json",
  "tools/layers.ts",
  "tsconfig.base.json",
];

interface Await {
  /** Where the keyword begins. */
  readonly start: number;
  readonly line: number;
  readonly is_statement: boolean;
  /** The lines of the top-level declaration around it. */
  readonly first_line: number;
  readonly last_line: number;
}

/** A file without some of its awaits. */
interface Copy {
  readonly file: SourceFile;
  readonly path: string;
  readonly omitted: readonly Await[];
}

/** One omission in one copy. */
interface Plant {
  readonly copy: Copy;
  readonly omitted: Await;
}

interface Finding {
  readonly file: string;
  readonly line: number;
  /** `TS2339`, `typescript(no-floating-promises)`. */
  readonly rule: string;
}

/** Fastify itself waits for the plugins that are registered, before it serves. */
const isRegistration = (text: string): boolean => /^await \w+\.register\(/.test(text);

/** Returns the awaits of calls in a file that lose something when they are forgotten. */
function awaitsIn(file: SourceFile): readonly Await[] {
  const { program } = parse(file);
  const lineAt = lineFinder(file.text);
  const statements = new Set<number>();
  const harmless = new Set<number>();
  const starts: number[] = [];
  new Visitor({
    ExpressionStatement: ({ expression }) => {
      statements.add(expression.start);
    },
    // An async function waits for the promise that it returns.
    ReturnStatement: ({ argument }) => {
      if (argument !== null) harmless.add(argument.start);
    },
    ArrowFunctionExpression: ({ body }) => {
      harmless.add(body.start);
    },
    AwaitExpression: ({ start, argument }) => {
      if (argument.type === "CallExpression" && !isRegistration(file.text.slice(start, argument.end)))
        starts.push(start);
    },
  }).visit(program);
  return starts
    .filter((start) => !harmless.has(start))
    .map((start) => {
      const { first_line, last_line } = declarationAt(program.body, start, lineAt);
      return { start, line: lineAt(start), is_statement: statements.has(start), first_line, last_line };
    });
}

function declarationAt(
  body: ParseResult["program"]["body"],
  offset: number,
  lineAt: (offset: number) => number,
): Pick<Await, "first_line" | "last_line"> {
  const declaration = body.find(({ start, end }) => start <= offset && offset < end);
  if (declaration === undefined) throw new Error(`There is no declaration at ${offset}.`);
  return { first_line: lineAt(declaration.start), last_line: lineAt(declaration.end - 1) };
}

/** Returns the text of a copy. Lines keep their numbers. */
const textOf = ({ file, omitted }: Copy): string =>
  omitted
    .toSorted((a, b) => b.start - a.start)
    .reduce((text, { start }) => text.slice(0, start) + text.slice(start).replace(/^await\s+/, ""), file.text);

const isIn = (layers: readonly string[], { path }: SourceFile): boolean =>
  layers.some((layer) => path.startsWith(`${SRC}/${layer}/`));

/**
 * Returns the copies of one file: one without all statements, the others without one await per
 * declaration.
 */
function copiesOf(file: SourceFile, number: number): readonly Copy[] {
  const awaits = awaitsIn(file);
  const statements = awaits.filter(({ is_statement }) => is_statement);
  const used = isIn(RETURNS_AWAITED, file) ? awaits.filter(({ is_statement }) => !is_statement) : [];
  const declarations = [...Map.groupBy(used, ({ first_line }) => first_line).values()];
  const rounds = Array.from({ length: Math.max(0, ...declarations.map((list) => list.length)) }, (_, round) =>
    declarations.flatMap((list) => list[round] ?? []),
  );
  const inside = file.path.slice(SRC.length + 1);
  return [statements, ...rounds]
    .filter((omitted) => omitted.length > 0)
    .map((omitted, round) => ({ file, path: `packages/planted-${number}-${round}/src/${inside}`, omitted }));
}

const files = readFiles([`${SRC}/**/*.ts`]).filter(({ path }) => !path.endsWith(".deno.ts"));
const copies = files.flatMap(copiesOf);
const plants: readonly Plant[] = copies.flatMap((copy) => copy.omitted.map((omitted) => ({ copy, omitted })));
const statements = plants.filter(({ omitted }) => omitted.is_statement);
const used = plants.filter(({ omitted }) => !omitted.is_statement);

/** Writes the sources as they are, and each copy, with the repository's configuration. */
async function writeTree(folder: string): Promise<void> {
  for (const [path, target] of Object.entries(LINKED)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await symlink(join(ROOT, target), join(folder, path));
  }
  for (const path of COPIED) await cp(join(ROOT, path), join(folder, path), { recursive: true });
  for (const copy of copies) {
    await mkdir(dirname(join(folder, copy.path)), { recursive: true });
    await writeFile(join(folder, copy.path), textOf(copy));
  }
  const roots = new Set(copies.map(({ path }) => path.split("/").slice(0, 3).join("/")));
  const config = {
    extends: "./tsconfig.base.json",
    compilerOptions: { noEmit: true, customConditions: ["holdfast-source"], rootDirs: [SRC, ...roots] },
    include: ["packages/*/src"],
    exclude: ["**/*.deno.ts"],
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
}

const finding = ([, file = "", line = "", rule = ""]: readonly string[]): Finding => ({
  file,
  line: Number(line),
  rule,
});

/** Returns the findings of the compiler, the linter and the house rule about promises. */
async function findingsIn(folder: string): Promise<readonly Finding[]> {
  const compiler = await outputOf("typescript/bin/tsc", ["-p", "tsconfig.json", "--pretty", "false"], folder);
  const linter = await outputOf(
    "oxlint/bin/oxlint",
    ["--type-aware", "--deny-warnings", "-f", "unix", "--ignore-pattern", "**/node_modules/**", "packages"],
    folder,
  );
  const rule = rules([]).find(({ claim }) => claim.includes("each promise"));
  const house = rule?.check([...files, ...copies.map((copy) => ({ path: copy.path, text: textOf(copy) }))]) ?? [];
  return [
    ...[...compiler.matchAll(/^([^(\n]+)\((\d+),\d+\): error (TS\d+)/gm)].map(finding),
    ...[...linter.matchAll(/^([^:\n]+):(\d+):\d+: .*\[\w+\/([^\]]+)\]$/gm)].map(finding),
    ...house.map((text) => finding(/^([^:]+):(\d+): (.*)$/.exec(text) ?? [])),
  ];
}

const placeOf = ({ copy, omitted }: Plant): string =>
  `${copy.file.path}:${omitted.line}: ${copy.file.text.split("\n")[omitted.line - 1]?.trim() ?? ""}`;

describe("npm run check", { tags: ["all"], timeout: TIMEOUT_MS }, () => {
  let folder = "";
  let findings: readonly Finding[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "holdfast-await-"));
    await writeTree(folder);
    findings = await findingsIn(folder);
  }, TIMEOUT_MS);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Reports whether a rule about promises found an omitted statement on its own line. */
  const isStatementFound = ({ copy, omitted }: Plant): boolean =>
    findings.some(({ file, line, rule }) => file === copy.path && line === omitted.line && /promise|await/.test(rule));

  /** Returns the rules that found an omission in its top-level declaration, which has no other. */
  const rulesThatFound = ({ copy, omitted }: Plant): readonly string[] =>
    findings
      .filter(({ file, line }) => file === copy.path && omitted.first_line <= line && line <= omitted.last_line)
      .map(({ rule }) => rule);

  it("finds nothing in the sources as they are", () => {
    expect(findings.filter(({ file }) => file.startsWith(SRC))).toEqual([]);
    // A copy that does not find a module has no types, and proves nothing.
    expect(findings.filter(({ rule }) => rule === "TS2307")).toEqual([]);
  });

  it(`finds each forgotten await that is a statement, at least ${MIN_STATEMENTS} of them in store/ and service/`, () => {
    const inside = statements.filter(({ copy }) => isIn(["store", "service"], copy.file));
    expect(inside.length).toBeGreaterThanOrEqual(MIN_STATEMENTS);
    const missed = statements.filter((plant) => !isStatementFound(plant));
    console.info(`Planted ${statements.length}, found ${statements.length - missed.length}.`);
    expect(missed.map(placeOf)).toEqual([]);
  });

  it("finds each forgotten await whose value is used, nearly all of them by the compiler", () => {
    const missed = used.filter((plant) => rulesThatFound(plant).length === 0);
    const compiled = used.filter((plant) => rulesThatFound(plant).some((rule) => rule.startsWith("TS")));
    console.info(`Planted ${used.length}, found ${used.length - missed.length}, the compiler ${compiled.length}.`);
    expect(missed.map(placeOf)).toEqual([]);
    expect(compiled.length / used.length).toBeGreaterThan(0.8);
  });
});
