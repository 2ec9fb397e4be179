/**
 * The work of the bundler's process. It opens hostile files with tools that were not made for them,
 * so it runs in a sandbox. It runs none of the function's code.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isJsonObject, type JsonObject } from "../../../core/types.ts";
import { buildFunction, type PatternImport } from "./build.ts";
import { fetchRemotes, type FetchResult } from "./deno.ts";
import { packagesOf } from "./graph.ts";
import { label, nativeIn, requiredNative, traitsOf, type Traced } from "./native.ts";
import type { Bundling, Fetched } from "./plugin.ts";
import type { Assignment, Outcome, Surroundings } from "./protocol.ts";
import { diskPath, filesMatching, treeOf, type Tree } from "./tree.ts";

/** What a lock file of Deno has when nothing is locked. */
const EMPTY_LOCK = `{\n  "version": "5"\n}\n`;
const NOTHING: FetchResult = { failures: new Map(), fetched: null, lock: EMPTY_LOCK };
const NO_NATIVE = "Functions cannot run native code.";
/** The first ones are enough. */
const SHOWN_IDS = 5;
const CODE = /\.[cm]?[jt]sx?$/;

export interface Bench extends Surroundings {
  /** A folder that only this process uses, with all links resolved. */
  readonly scratch: string;
}

export async function bundle(assignment: Assignment, bench: Bench): Promise<Outcome> {
  const { scratch } = bench;
  const tree = treeOf(assignment.tree, join(scratch, "tree"));
  const survey: Bundling = {
    ...assignment,
    tree,
    scratch,
    fetched: null,
    remotes: new Map(),
    failures: new Map(),
    native: [],
    notes: new Set(),
    pins: new Set(),
    resolves_patterns: false,
  };
  const { code, problems, patterns } = await checkAll(survey);
  if (problems.length > 0) return { kind: "refused", problems };
  if (code !== null && survey.remotes.size === 0) return built(survey, code, EMPTY_LOCK);
  if (patterns.length > 0) await writeNames(tree);
  return await fetchAndBuild(survey, assignment, bench);
}

type Checked = Awaited<ReturnType<typeof buildFunction>>;

/** Checks the function's files without fetching anything, and finds all of its remote imports. */
async function checkAll(survey: Bundling): Promise<Checked> {
  let files: readonly string[] = [];
  for (;;) {
    const checked = await buildFunction(survey, files);
    const outside = checked.patterns.flatMap((found) => refusedPattern(survey.tree, found));
    if (checked.problems.length + outside.length > 0)
      return { ...checked, problems: [...checked.problems, ...outside] };
    const matching = checked.patterns.flatMap(
      ({ importer, pattern }) => filesMatching(survey.tree, importer, pattern) ?? [],
    );
    const all = [...new Set([...files, ...matching.filter((path) => CODE.test(path))])];
    // A file can have imports with patterns of its own.
    if (all.length === files.length) return checked;
    files = all;
  }
}

function refusedPattern(tree: Tree, { importer, pattern, place }: PatternImport): string[] {
  const files = filesMatching(tree, importer, pattern);
  if (files !== null && files.length > 0) return [];
  const why =
    files === null ? "can be outside the function's own folder. Import the files by name." : "matches no file.";
  return [`${place}The function ${tree.function_name} imports ${pattern}, which ${why}`];
}

/** esbuild looks for the files of a pattern on disk. It reads their contents from memory. */
async function writeNames(tree: Tree): Promise<void> {
  for (const path of tree.files.keys()) {
    const disk = diskPath(tree, path);
    await mkdir(dirname(disk), { recursive: true });
    await writeFile(disk, "");
  }
}

async function fetchAndBuild(survey: Bundling, assignment: Assignment, bench: Bench): Promise<Outcome> {
  const { remotes, tree, notes } = survey;
  const fetching = { ...bench, folder: join(bench.scratch, "fetched"), left_files: assignment.fetched_files };
  const { fetched, lock, ...rest } = remotes.size === 0 ? NOTHING : await fetchRemotes(fetching, remotes);
  if (fetching.left_files < 0) return { kind: "refused", problems: [tooMany(tree, assignment.fetched_files)] };
  const unlocked = fetched === null ? [] : unlockedIn(lock);
  if (unlocked.length > 0) return { kind: "refused", problems: [cannotLock(tree, unlocked)] };
  const traits = fetched === null ? new Map() : await traitsOf(fetched.graph);
  const failures = new Map([...rest.failures, ...nativeFailures(remotes, fetched, traits)]);
  for (const [one, { has_scripts }] of traits)
    if (has_scripts) notes.add(`The install script of ${label(one)} did not run.`);
  const native = nativeIn(traits);
  const bundling = { ...survey, fetched, failures, native, resolves_patterns: true };
  const { code, problems, patterns } = await buildFunction(bundling);
  if (code !== null) return built(survey, code, lock);
  const unresolved = patterns.map(({ place, pattern }) => `${place}${pattern} cannot be resolved.`);
  return { kind: "refused", problems: [...problems, ...unresolved] };
}

/** Returns why specifiers cannot be used that need native code. */
function nativeFailures(remotes: Bundling["remotes"], fetched: Fetched | null, traits: Traced): [string, string][] {
  if (fetched === null) return [];
  const { graph, root } = fetched;
  return [...remotes.keys()].flatMap((specifier) => {
    const found = requiredNative(graph, traits, packagesOf(graph, root, specifier));
    return found === undefined ? [] : [[specifier, `needs the native addon ${label(found)}. ${NO_NATIVE}`]];
  });
}

const tooMany = ({ function_name }: Tree, files: number): string =>
  `The imports of the function ${function_name} need more than ${files} files.`;

/** Returns the packages of a lock file whose registry names no digest of their archive. */
function unlockedIn(lock: string): readonly string[] {
  const { npm } = asObject(JSON.parse(lock));
  return Object.entries(asObject(npm)).flatMap(([id, one]) =>
    typeof asObject(one)["integrity"] === "string" ? [] : [id],
  );
}

const asObject = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});

const cannotLock = ({ function_name }: Tree, ids: readonly string[]): string =>
  `The function ${function_name} imports ${ids.slice(0, SHOWN_IDS).join(", ")}, whose registry names no integrity. Without one, a package cannot be locked.`;

const built = ({ notes, pins }: Bundling, code: { code: string; source_map: string }, lock: string): Outcome => ({
  kind: "built",
  ...code,
  lock,
  notes: [...notes],
  pins: [...pins],
});
