/**
 * Imports between files of npm packages. esbuild resolves them by Node.js's rules. Packages expect
 * more of their machine than a function has: what they can do without fails when they ask for it.
 */
import { readFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, extname, sep } from "node:path";
import type { Loader, OnLoadArgs, OnLoadResult, OnResolveArgs, OnResolveResult, PluginBuild } from "esbuild";
import type { NpmPackage } from "./graph.ts";
import { ATTRIBUTE_LOADERS, LOADERS, mistake, withoutMaps } from "./loaders.ts";

/** The namespace of the module that stands in for node:os. */
export const OS = "os";
/** A function has no right to ask for these. Packages do when they load. */
const OS_MODULE = `const os = require("node:os");
module.exports = {
  ...os,
  hostname: () => "localhost",
  release: () => "",
  version: () => "",
  homedir: () => "/tmp",
  uptime: () => 0,
  cpus: () => [],
  loadavg: () => [0, 0, 0],
  networkInterfaces: () => ({}),
  totalmem: () => 0,
  freemem: () => 0,
  userInfo: () => ({ uid: -1, gid: -1, username: "function", homedir: "/tmp", shell: null }),
};
`;
/** Marks an import that esbuild itself resolves, among the fetched packages. */
const INSIDE_PACKAGE = Symbol("inside a package");
const LATE_KINDS: ReadonlySet<string> = new Set(["require-call", "require-resolve", "dynamic-import"]);

export const isInsidePackage = ({ pluginData }: OnResolveArgs): boolean => pluginData === INSIDE_PACKAGE;

export const builtin = (path: string): OnResolveResult => ({
  path: path.startsWith("node:") ? path : `node:${path}`,
  external: true,
});

/** Resolves an import of a file of a package. `native`: packages that cannot be in a bundle. */
export async function resolveFromPackage(
  esbuild: PluginBuild,
  args: OnResolveArgs,
  native: readonly NpmPackage[],
): Promise<OnResolveResult | undefined> {
  const { path, kind, importer, resolveDir } = args;
  if (isBuiltin(path)) {
    const { path: name = "" } = builtin(path);
    return name === "node:os" && args.namespace !== OS ? { path: name, namespace: OS } : builtin(path);
  }
  if (!LATE_KINDS.has(kind)) return undefined;
  const found = await esbuild.resolve(path, { kind, importer, resolveDir, pluginData: INSIDE_PACKAGE });
  const is_missing = found.errors.length > 0 || native.some(({ local }) => found.path.startsWith(local + sep));
  // Often optional. It fails at the time when the package asks for it, as in Node.js.
  return is_missing ? { path, external: true } : undefined;
}

/** Resolves a package, or a file of it by `subpath`: `/mini`. Null if the package has none. */
export async function resolvePackage(
  esbuild: PluginBuild,
  { name, local }: NpmPackage,
  subpath: string,
  kind: OnResolveArgs["kind"],
): Promise<OnResolveResult | null> {
  const resolveDir = dirname(local.slice(0, -name.length));
  const { errors, ...found } = await esbuild.resolve(name + subpath, { kind, resolveDir, pluginData: INSIDE_PACKAGE });
  return errors.length > 0 ? null : { path: found.path, namespace: found.namespace, sideEffects: found.sideEffects };
}

export const loadOs = (): OnLoadResult => ({ contents: OS_MODULE, loader: "js" });

export async function loadFromPackage({ path, with: attributes }: OnLoadArgs): Promise<OnLoadResult> {
  const type = attributes["type"];
  const loader = type === undefined ? loaderOf(path) : ATTRIBUTE_LOADERS[type];
  if (loader === undefined) return mistake(`${path.split(`node_modules${sep}`).at(-1)} is not a code file.`);
  const contents = await readFile(path);
  if (loader === "json" || loader === "binary") return { contents, loader };
  return { contents: withoutMaps(contents.toString(), loader), loader };
}

function loaderOf(path: string): Loader | undefined {
  const extension = extname(path);
  return extension === "" ? "js" : LOADERS[extension];
}
