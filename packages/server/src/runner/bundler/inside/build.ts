/** Runs esbuild over a function, and turns its errors into sentences with file and line. */
import { join, resolve } from "node:path";
import { build, type BuildOptions, type BuildResult, type Message } from "esbuild";
import { functionPlugin, type Bundling } from "./plugin.ts";
import { portableMap } from "./source-map.ts";
import { diskPath, treePath } from "./tree.ts";

export interface Code {
  readonly code: string;
  readonly source_map: string;
}

/** An import whose path is a template or a sum of strings. */
export interface PatternImport {
  readonly importer: string;
  /** With stars in the place of expressions. */
  readonly pattern: string;
  readonly place: string;
}

export interface Built {
  /** Null if there are problems or patterns. */
  readonly code: Code | null;
  readonly problems: readonly string[];
  readonly patterns: readonly PatternImport[];
}

/** Never written. esbuild requires a name to distinguish the code from its map. */
const OUTPUT = "function.mjs";
/** esbuild's words for an import with a pattern below a folder that does not exist. */
const PATTERN = /^Could not resolve (?:import|require)\((".*")\)$/;
/** In esbuild's helper: when the default import is the whole module. */
const DEFAULT_IMPORT = "isNodeMode || !mod || !mod.__esModule ?";
/** Node.js's `require`, of which a bundle has only the built-in modules. */
const REQUIRE = [
  'import { createRequire as __createRequire, isBuiltin as __isBuiltin } from "node:module";',
  "const require = ((load) => {",
  "const find = (name) => {",
  "if (__isBuiltin(name)) return name;",
  "throw Object.assign(new Error(`Cannot find module '${name}'`), { code: \"MODULE_NOT_FOUND\" });",
  "};",
  // Packages ask for the path of a file of theirs, and open it later, or never.
  "const resolve = (name) => (/^[./]/.test(name) ? name : find(name));",
  "return Object.assign((name) => load(find(name)), { resolve });",
  "})(__createRequire(import.meta.url));",
].join(" ");

/** Bundles the function. `more`: further files to check, with their imports. */
export async function buildFunction(bundling: Bundling, more: readonly string[] = []): Promise<Built> {
  const { tree, scratch, fetched, remotes } = bundling;
  try {
    const result = await build({
      ...OPTIONS,
      entryPoints: [tree.entry, ...more].map((path) => diskPath(tree, path)),
      outdir: scratch,
      absWorkingDir: scratch,
      entryNames: more.length === 0 ? "function" : "[dir]/[name]",
      plugins: [functionPlugin(bundling)],
    });
    const left = importsLeft(result).filter((path) => fetched !== null || !remotes.has(path));
    if (left.length > 0)
      return {
        code: null,
        problems: left.map((path) => `${path} is imported, but is not in the bundle.`),
        patterns: [],
      };
    return { code: codeOf(bundling, result), problems: [], patterns: [] };
  } catch (error) {
    const messages = messagesOf(error);
    if (messages.length === 0) throw error;
    return { code: null, ...sorted(bundling, messages) };
  }
}

const OPTIONS: BuildOptions & { write: false; metafile: true } = {
  bundle: true,
  write: false,
  metafile: true,
  sourcemap: "external",
  sourcesContent: false,
  format: "esm",
  platform: "node",
  conditions: ["deno"],
  target: "es2024",
  outExtension: { ".js": ".mjs" },
  // Packages for Node.js read these while they load. A function has no environment and no file.
  define: { "process.env.NODE_ENV": '"production"', __dirname: '"/"', __filename: '"/function.mjs"' },
  tsconfigRaw: {},
  charset: "utf8",
  // A comment could be a directive to Deno.
  legalComments: "none",
  logLevel: "silent",
  logLimit: 0,
};

type Result = BuildResult<{ write: false; metafile: true }>;

/** Returns the static imports of the bundle that Deno cannot resolve. It has node: modules. */
function importsLeft({ metafile }: Result): readonly string[] {
  const imports = Object.values(metafile.outputs).flatMap(({ imports: list }) => list);
  return imports
    .filter(({ kind, path }) => kind === "import-statement" && !path.startsWith("node:"))
    .map(({ path }) => path);
}

function codeOf(bundling: Bundling, { outputFiles, metafile }: Result): Code {
  const [map = "", text = ""] = [".map", ""].map(
    (end) => outputFiles.find(({ path }) => path.endsWith(`${OUTPUT}${end}`))?.text,
  );
  const imports = Object.values(metafile.outputs).flatMap(({ imports: list }) => list);
  const requires = imports.some(({ kind }) => kind === "require-call" || kind === "require-resolve");
  // Both stay on their lines, so that the source map stays right.
  const code = `${requires ? REQUIRE : ""}${withNodeDefaults(text)}`;
  return { code, source_map: portableMap(map, (source) => treePath(bundling.tree, resolve(bundling.scratch, source))) };
}

/**
 * Gives the default import of a CommonJS module its `module.exports`, as Deno and Node.js do.
 * esbuild does so only for importers that it finds in a package of type module, and otherwise
 * prefers `exports.default`. Its helper is above the first module, each of which begins with a
 * comment.
 */
function withNodeDefaults(text: string): string {
  const helpers = text.slice(0, text.indexOf("\n// "));
  return helpers.replace(DEFAULT_IMPORT, "true ?") + text.slice(helpers.length);
}

function messagesOf(error: unknown): readonly Message[] {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors) ? error.errors : [];
}

function sorted(bundling: Bundling, messages: readonly Message[]): Omit<Built, "code"> {
  const problems: string[] = [];
  const patterns: PatternImport[] = [];
  for (const message of messages) {
    const place = placeOf(bundling, message);
    const [, quoted] = PATTERN.exec(message.text) ?? [];
    if (quoted === undefined || place.importer === null) problems.push(`${place.text}${withKnownPaths(message.text)}`);
    else patterns.push({ importer: place.importer, pattern: JSON.parse(quoted), place: place.text });
  }
  return { problems: [...new Set(problems)], patterns };
}

/** Writes paths in esbuild's own messages as the author knows them. */
const withKnownPaths = (text: string): string =>
  text
    .replaceAll(/"fetched\/\S*node_modules\/(?!\.)/g, '"npm:')
    .replaceAll("tree/functions/function/", "")
    .replaceAll("tree/shared/", "../../shared/");

/** Returns file and line as the author knows them: `entry.ts:2: `. */
function placeOf({ tree, scratch }: Bundling, { location }: Message): { importer: string | null; text: string } {
  if (location === null) return { importer: null, text: "" };
  const importer = treePath(tree, join(scratch, location.file));
  const file = importer ?? location.file.replace(/^remote:/, "").replace(/^.*node_modules\/(?!\.)/, "npm:");
  return { importer, text: `${file}:${location.line}: ` };
}
