/**
 * Bundles one function into one module and checks every import. A function can import files of its
 * own folder, the two SDKs, and node: modules. Must not know processes.
 *
 * The bundler reads files with the server's rights. So the function's files are read by
 * `ownReader`, and never by esbuild's own resolver, which would follow links, tsconfig.json and
 * package.json anywhere.
 */
import { readFile, realpath, stat } from "node:fs/promises";
import type { BigIntStats } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, extname, isAbsolute, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  build,
  type Loader,
  type Message,
  type OnLoadArgs,
  type OnLoadResult,
  type OnResolveArgs,
  type OnResolveResult,
  type Plugin,
  type PluginBuild,
} from "esbuild";
import { CodedError } from "../core/errors.ts";
import { sha256Hex } from "../core/secret.ts";
import { isJsonObject } from "../core/types.ts";
import { acceptsVersion, classifyImport, type SdkName } from "./imports.ts";
import type { FunctionSource } from "./names.ts";
import { withSourceMap } from "./source-map.ts";

export interface Bundle {
  readonly code: string;
  /** SHA-256 of the code. The same code uses the same process. */
  readonly version: string;
  /** The function's own files, each with its `stampText` just before it was read. */
  readonly stamps: ReadonlyMap<string, string>;
}

/** esbuild's namespace for the function's own files. "file" is code of the installation. */
const OWN = "function";
const RUNTIME = "runtime";
/** Never written. esbuild requires a name to distinguish the code from its map. */
const OUTPUT = "function.mjs";
const RUNTIME_MODULE = `const { secrets, waitUntil } = globalThis.Base44;\nexport { secrets, waitUntil };\n`;
const LOADERS: Readonly<Record<string, Loader>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".tsx": "tsx",
  ".js": "js",
  ".mjs": "js",
  ".jsx": "jsx",
  ".json": "json",
};
const CODE_LOADERS: ReadonlySet<Loader> = new Set<Loader>(["ts", "tsx", "js", "jsx"]);
const ATTRIBUTE_LOADERS: Readonly<Record<string, Loader>> = { json: "json", text: "text", bytes: "binary" };
const HERE = fileURLToPath(import.meta.url);

/** Returns a text that changes whenever the file's content may have changed. */
const stampText = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string => `${ino}:${size}:${mtimeNs}:${ctimeNs}`;

/** Returns the bundle. @throws CodedError `function_invalid` that names file and line */
export async function bundleFunction(source: FunctionSource, source_bytes: number): Promise<Bundle> {
  const stamps = new Map<string, string>();
  const plugin = functionPlugin(source, ownReader(source_bytes, stamps));
  try {
    const { outputFiles } = await build({
      entryPoints: [source.entry],
      plugins: [plugin],
      bundle: true,
      write: false,
      outfile: OUTPUT,
      sourcemap: "external",
      sourcesContent: false,
      format: "esm",
      platform: "browser",
      target: "es2024",
      // The workspace's sources if this runs from sources. A published package has only its dist.
      conditions: HERE.endsWith(".ts") ? ["holdfast-source", "module"] : ["module"],
      define: { "process.env.NODE_ENV": '"production"' },
      absWorkingDir: dirname(source.entry),
      tsconfigRaw: {},
      charset: "utf8",
      // A comment could be a directive to Deno.
      legalComments: "none",
      logLevel: "silent",
    });
    const [map = "", text = ""] = [".map", ""].map(
      (end) => outputFiles.find(({ path }) => path.endsWith(`${OUTPUT}${end}`))?.text,
    );
    const root = source.folder ?? dirname(source.entry);
    const code = withSourceMap(text, map, { own: new Set(stamps.keys()), root, namespace: OWN });
    return { code, version: sha256Hex(code), stamps };
  } catch (error) {
    throw invalid(source, messagesOf(error), error);
  }
}

/** Returns `function_invalid` with the first two errors, which are enough. */
function invalid(
  { function_name, entry, folder }: FunctionSource,
  messages: readonly Message[],
  cause: unknown,
): CodedError {
  const root = folder ?? dirname(entry);
  const texts = messages.slice(0, 2).map(({ text, location }) => {
    if (location === null) return text;
    const file = location.file.replace(`${OWN}:`, "");
    return `${isAbsolute(file) ? relative(root, file) : file}:${location.line}: ${text}`;
  });
  const why = texts.length === 0 ? "The bundler failed." : texts.join(" ");
  return new CodedError("function_invalid", {
    message: `The function ${function_name} cannot be loaded. ${why}`,
    cause,
  });
}

function messagesOf(error: unknown): readonly Message[] {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors) ? error.errors : [];
}

type Read = (path: string) => Promise<Uint8Array | null>;

function functionPlugin(source: FunctionSource, read: Read): Plugin {
  const resolveImport = async (esbuild: PluginBuild, args: OnResolveArgs): Promise<OnResolveResult | null> => {
    if (args.kind === "entry-point") return { path: source.entry, namespace: OWN };
    // Code of the installation, such as an SDK's imports, follows esbuild's own rules.
    if (args.namespace !== OWN) return null;
    const found = classifyImport(args.path);
    if (found.kind === "relative") return await resolveOwn(source, args);
    if (found.kind === "builtin") return { path: args.path, external: true };
    if (found.kind === "runtime") return { path: args.path, namespace: RUNTIME };
    const named = `The function ${source.function_name} imports ${args.path}, which`;
    if (found.kind === "refused") return mistake(`${named} ${found.why}`);
    const { name, range } = found;
    const installed = await installedVersion(name);
    if (installed === null) return mistake(`${named} is not installed with this server.`);
    if (!acceptsVersion(range, installed)) {
      return mistake(
        `${named} this server does not have. It has version ${installed}: write npm:${name}@${installed}, or npm:${name}.`,
      );
    }
    return await esbuild.resolve(name, { kind: args.kind, resolveDir: dirname(HERE), importer: HERE });
  };
  const loadOwn = async ({ path, with: attributes }: OnLoadArgs): Promise<OnLoadResult> => {
    const type = attributes["type"];
    const loader = type === undefined ? LOADERS[extname(path)] : ATTRIBUTE_LOADERS[type];
    if (loader === undefined)
      return mistake(`${basename(path)} is not a code file. To import it as text, add: with { type: "text" }.`);
    const contents = await read(path);
    if (contents === null) return mistake("The files of the function are too large in total.");
    return { contents: CODE_LOADERS.has(loader) ? withoutMapComments(contents) : contents, loader };
  };
  return {
    name: "function-imports",
    setup(esbuild) {
      esbuild.onResolve({ filter: /.*/ }, (args) => resolveImport(esbuild, args));
      esbuild.onLoad({ filter: /.*/, namespace: RUNTIME }, () => ({ contents: RUNTIME_MODULE, loader: "js" }));
      esbuild.onLoad({ filter: /.*/, namespace: OWN }, loadOwn);
    },
  };
}

/**
 * Removes source map comments. esbuild would open the file that such a comment names, and quote it
 * in the error: `//# sourceMappingURL=file:///etc/passwd`.
 */
function withoutMapComments(contents: Uint8Array): string {
  return Buffer.from(contents).toString("utf8").replaceAll("sourceMappingURL=", "sourceMappingURL:");
}

/** Resolves by real path, because a link inside the folder can lead anywhere. */
async function resolveOwn(
  { function_name, folder, readable = folder ?? undefined }: FunctionSource,
  args: OnResolveArgs,
): Promise<OnResolveResult> {
  const named = `The function ${function_name} imports ${args.path}, which`;
  if (folder === null || readable === undefined) {
    return mistake(
      `${named} a single-file function cannot do. Give it a folder: ${function_name}/entry.ts with its files beside it.`,
    );
  }
  const wanted = resolve(dirname(args.importer), args.path);
  if (!isBelow(readable, wanted))
    return mistake(`${named} is outside the function's own folder. Move it into that folder.`);
  const real = await realpath(wanted).catch(() => null);
  if (real === null) return mistake(`${named} does not exist${await suggestion(wanted, args.path)}.`);
  if (!isBelow(readable, real))
    return mistake(`${named} is a symbolic link out of the function's own folder. Copy the file instead.`);
  return { path: real, namespace: OWN };
}

async function suggestion(wanted: string, specifier: string): Promise<string> {
  for (const extension of [".ts", ".js"]) {
    const found = await stat(wanted + extension).catch(() => null);
    if (found !== null) return `. Write the full name: ${specifier}${extension}`;
  }
  return "";
}

function isBelow(folder: string, path: string): boolean {
  const rest = relative(folder, path);
  return rest !== "" && !rest.startsWith("..") && !isAbsolute(rest);
}

/**
 * Reads the function's files and limits their size: a function must not fill the server's memory.
 */
function ownReader(source_bytes: number, stamps: Map<string, string>): Read {
  let left = source_bytes;
  return async (path) => {
    const stats = await stat(path, { bigint: true });
    left -= Number(stats.size);
    if (left < 0) return null;
    stamps.set(path, stampText(stats));
    return await readFile(path);
  };
}

async function installedVersion(name: SdkName): Promise<string | null> {
  try {
    // Searches the folders upwards, because a package's exports need not include package.json.
    const paths = createRequire(HERE).resolve.paths(name) ?? [];
    for (const path of paths) {
      const text = await readFile(resolve(path, name, "package.json"), "utf8").catch(() => null);
      const manifest: unknown = text === null ? null : JSON.parse(text);
      if (isJsonObject(manifest) && typeof manifest["version"] === "string") return manifest["version"];
    }
    return null;
  } catch {
    return null;
  }
}

const mistake = (text: string): { errors: { text: string }[] } => ({ errors: [{ text }] });
