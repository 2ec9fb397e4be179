/**
 * Decides for esbuild what each import means and which file it reads. Every file that esbuild opens
 * passes `load`, including those that it finds on its own for an import with a pattern.
 */
import { readFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, extname, sep } from "node:path";
import type { OnLoadArgs, OnLoadResult, OnResolveArgs, OnResolveResult, Plugin, PluginBuild } from "esbuild";
import { finalUrl, type Graph, type NpmPackage, type RemoteModule } from "./graph.ts";
import { acceptsVersion, classifyImport } from "./imports.ts";
import { ATTRIBUTE_LOADERS, LOADERS, MEDIA_LOADERS, mistake, withoutMaps } from "./loaders.ts";
import {
  builtin,
  isInsidePackage,
  loadFromPackage,
  loadOs,
  OS,
  resolveFromPackage,
  resolvePackage,
} from "./packages.ts";
import type { Assignment } from "./protocol.ts";
import { diskPath, resolveRelative, treePath, type Tree } from "./tree.ts";

export interface Fetched {
  readonly graph: Graph;
  /** URL of the module that lists the function's own remote imports. */
  readonly root: string;
  /** Folder of the packages, with all links resolved. */
  readonly packages: string;
}

export interface Bundling extends Pick<Assignment, "imports" | "sdks" | "pinned" | "jsr_registry"> {
  readonly tree: Tree;
  /** A folder that only this process uses. */
  readonly scratch: string;
  /** Null before the fetch. Until then, remote imports are only recorded. */
  readonly fetched: Fetched | null;
  /** Remote imports of the function's own files, by specifier, with the type that they request. */
  readonly remotes: Map<string, string | null>;
  /** Why a remote import cannot be used, by specifier. */
  readonly failures: ReadonlyMap<string, string>;
  /** Fetched packages that cannot be in a bundle. */
  readonly native: readonly NpmPackage[];
  readonly notes: Set<string>;
  /** Imports that pin an SDK version other than the server's. */
  readonly pins: Set<string>;
  /** False: imports with a pattern are errors, which name their place. */
  readonly resolves_patterns: boolean;
}

const REMOTE = "remote";
const SDK = "sdk";
const RUNTIME = "runtime";
/**
 * A folder that does not exist, far below the root. esbuild looks for the files of an import with a
 * pattern from the importer's folder. From here it finds none, and reports the import.
 */
const NOWHERE = `/nonexistent${"/n".repeat(1_000)}`;
const RUNTIME_MODULE = `const { secrets, waitUntil } = globalThis.Base44;\nexport { secrets, waitUntil };\n`;
const NO_CODE = 'is not a code file. To import it as text, add: with { type: "text" }.';

export function functionPlugin(bundling: Bundling): Plugin {
  return {
    name: "function",
    setup(esbuild) {
      esbuild.onResolve({ filter: /.*/ }, (args) => resolve(bundling, esbuild, args));
      esbuild.onLoad({ filter: /.*/ }, (args) => load(bundling, args));
    },
  };
}

async function resolve(
  bundling: Bundling,
  esbuild: PluginBuild,
  args: OnResolveArgs,
): Promise<OnResolveResult | undefined> {
  if (args.kind === "entry-point") return { path: args.path };
  if (isInsidePackage(args)) return undefined;
  if (args.namespace === REMOTE) return await resolveRemote(bundling, esbuild, args);
  const importer = args.namespace === "file" ? treePath(bundling.tree, args.importer) : null;
  if (importer !== null) return await resolveOwn(bundling, esbuild, args, importer);
  return await resolveFromPackage(esbuild, args, bundling.native);
}

/** Resolves an import of the function's own files. */
async function resolveOwn(
  bundling: Bundling,
  esbuild: PluginBuild,
  args: OnResolveArgs,
  importer: string,
): Promise<OnResolveResult> {
  const { tree, imports, pinned, sdks } = bundling;
  const mapped = mapImport(imports, args.path);
  const specifier = mapped ?? args.path;
  const shown = mapped === null ? specifier : `${args.path} (${specifier})`;
  const because = (why: string): OnResolveResult =>
    mistake(`The function ${tree.function_name} imports ${shown}, which ${why}`);
  const type = args.with["type"] ?? null;
  if (type !== null && !Object.hasOwn(ATTRIBUTE_LOADERS, type)) return because(`has the type ${type}. ${KNOWN_TYPES}`);
  const found = classifyImport(specifier, pinned);
  if (found.kind === "refused") return because(found.why);
  if (found.kind === "builtin") return builtin(found.path);
  if (found.kind === "runtime") return { path: specifier, namespace: RUNTIME };
  if (found.kind === "relative") {
    // A path in deno.json is relative to that file.
    const resolution = resolveRelative(tree, mapped === null ? importer : "deno.json", specifier);
    return "why" in resolution ? because(resolution.why) : { path: diskPath(tree, resolution.path) };
  }
  if (found.kind === "remote") return await resolveOwnRemote(bundling, esbuild, { args, specifier, because });
  const { name, range } = found;
  const { version } = sdks[name];
  if (!acceptsVersion(range, version)) {
    bundling.pins.add(specifier);
    bundling.notes.add(`${specifier} runs as version ${version}, which this server ships.`);
  }
  return { path: name, namespace: SDK };
}

const KNOWN_TYPES = "Files can be imported as json, text or bytes.";

/** Applies `imports` of deno.json. Returns null if it has no entry for the specifier. */
function mapImport(imports: Readonly<Record<string, string>>, specifier: string): string | null {
  if (Object.hasOwn(imports, specifier)) return imports[specifier] ?? null;
  const folders = Object.keys(imports).filter((key) => key.endsWith("/") && specifier.startsWith(key));
  // The most specific entry wins, as in an import map.
  const [folder] = folders.toSorted((a, b) => b.length - a.length);
  if (folder !== undefined) return `${imports[folder] ?? ""}${specifier.slice(folder.length)}`;
  // Deno adds the paths inside a package on its own.
  const name = Object.keys(imports).find((key) => specifier.startsWith(`${key}/`) && isPackage(imports[key]));
  return name === undefined ? null : `${imports[name] ?? ""}${specifier.slice(name.length)}`;
}

const isPackage = (target = ""): boolean => /^(npm|jsr):/.test(target);

interface OwnRemote {
  readonly args: OnResolveArgs;
  readonly specifier: string;
  readonly because: (why: string) => OnResolveResult;
}

async function resolveOwnRemote(
  bundling: Bundling,
  esbuild: PluginBuild,
  { args, specifier, because }: OwnRemote,
): Promise<OnResolveResult> {
  const { fetched, remotes, failures } = bundling;
  const type = args.with["type"] ?? null;
  if (type !== null && type !== "json")
    return because(`can have this type only in the function's own folder. Save the file there.`);
  const failure = failures.get(specifier);
  if (failure !== undefined) return because(failure);
  if (fetched === null) {
    remotes.set(specifier, type);
    return { path: specifier, external: true };
  }
  const url = fetched.graph.modules.get(fetched.root)?.imports.get(specifier) ?? specifier;
  return await resolveUrl(bundling, esbuild, { url, kind: args.kind, because });
}

/** Resolves an import of a fetched module. */
async function resolveRemote(bundling: Bundling, esbuild: PluginBuild, args: OnResolveArgs): Promise<OnResolveResult> {
  const { fetched } = bundling;
  const because = (why: string): OnResolveResult => mistake(`${args.importer} imports ${args.path}, which ${why}`);
  if (isBuiltin(args.path)) return builtin(args.path);
  const own = classifyImport(args.path, bundling.pinned);
  if (own.kind === "sdk") return { path: own.name, namespace: SDK };
  if (own.kind === "runtime") return { path: args.path, namespace: RUNTIME };
  const url = fetched?.graph.modules.get(args.importer)?.imports.get(args.path);
  if (url === undefined) return because("cannot be found.");
  return await resolveUrl(bundling, esbuild, { url, kind: args.kind, because });
}

interface Wanted {
  readonly url: string;
  readonly kind: OnResolveArgs["kind"];
  readonly because: (why: string) => OnResolveResult;
}

async function resolveUrl(
  { fetched, jsr_registry }: Bundling,
  esbuild: PluginBuild,
  { url, kind, because }: Wanted,
): Promise<OnResolveResult> {
  if (fetched === null) return because("is not fetched.");
  const final = finalUrl(fetched.graph, url);
  const found = fetched.graph.npm.get(final);
  if (found !== undefined) {
    // npm:/zod@4.0.0/mini is zod, version 4.0.0, and the path /mini.
    const [, subpath = ""] = /^npm:\/?(?:@[^/]+\/)?[^/]+(\/.*)?$/.exec(final) ?? [];
    const result = await resolvePackage(esbuild, found, subpath, kind);
    return result ?? because(`the package ${found.name} ${found.version} does not have.`);
  }
  if (final.startsWith("https://") || final.startsWith(jsr_registry)) {
    return fetched.graph.modules.has(final) ? { path: final, namespace: REMOTE } : because("cannot be fetched.");
  }
  return because("is neither a package nor on the network.");
}

async function load(bundling: Bundling, args: OnLoadArgs): Promise<OnLoadResult> {
  const { path, namespace } = args;
  if (namespace === RUNTIME) return { contents: RUNTIME_MODULE, loader: "js" };
  if (namespace === SDK) return loadSdk(bundling, path);
  if (namespace === OS) return loadOs();
  if (namespace === REMOTE) return await loadRemote(bundling, path);
  const own = namespace === "file" ? treePath(bundling.tree, path) : null;
  if (own !== null) return loadOwn(bundling, args, own);
  if (namespace === "file" && bundling.fetched !== null && path.startsWith(bundling.fetched.packages + sep))
    return await loadFromPackage(args);
  // Without the path: the author learns nothing about this machine.
  return mistake("An import leads out of the function's own folder.");
}

function loadSdk({ sdks }: Bundling, name: string): OnLoadResult {
  const sdk = Object.entries(sdks).find(([key]) => key === name);
  return sdk === undefined ? mistake(`${name} is not shipped.`) : { contents: sdk[1].code, loader: "js" };
}

function loadOwn(
  { tree, resolves_patterns }: Bundling,
  { path, with: attributes }: OnLoadArgs,
  own: string,
): OnLoadResult {
  const type = attributes["type"];
  const loader = type === undefined ? LOADERS[extname(own)] : ATTRIBUTE_LOADERS[type];
  if (loader === undefined) return mistake(`${own} ${NO_CODE}`);
  const contents = tree.files.get(own) ?? "";
  if (loader === "text" || loader === "binary") return { contents, loader };
  return { contents: withoutMaps(contents, loader), loader, resolveDir: resolves_patterns ? dirname(path) : NOWHERE };
}

async function loadRemote({ fetched }: Bundling, url: string): Promise<OnLoadResult> {
  const module = fetched?.graph.modules.get(url);
  const loader = MEDIA_LOADERS[module?.media_type ?? ""];
  if (module === undefined || loader === undefined) return mistake(`${url} is not a code file.`);
  return { contents: withoutMaps(await readCached(module), loader), loader, resolveDir: NOWHERE };
}

/** Deno appends a line with the response's headers to each file in its cache. */
async function readCached({ local }: RemoteModule): Promise<string> {
  return (await readFile(local, "utf8")).replace(/\n\/\/ denoCacheMetadata=.*$/, "");
}
