/**
 * What Deno fetched: the modules and packages, where each is on disk, and what each specifier in
 * them means. Reads the report of `deno info --json`.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/types.ts";

/** A fetched file. `url` is its final address, after redirects. */
export interface RemoteModule {
  readonly url: string;
  readonly local: string;
  readonly media_type: string;
  /** URL or `npm:` specifier, by the specifier as written. */
  readonly imports: ReadonlyMap<string, string>;
}

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** Its folder. */
  readonly local: string;
  /** Ids of the packages that it needs. */
  readonly dependencies: readonly string[];
}

export interface Graph {
  readonly modules: ReadonlyMap<string, RemoteModule>;
  /** By id. */
  readonly packages: ReadonlyMap<string, NpmPackage>;
  /** The package and the path inside it, of an `npm:` specifier after redirects. */
  readonly npm: ReadonlyMap<string, NpmPackage>;
  readonly redirects: ReadonlyMap<string, string>;
}

export function readGraph(report: unknown): Graph {
  const { modules, npmPackages, redirects } = isJsonObject(report) ? report : {};
  const packages = new Map(objectEntries(npmPackages).flatMap(([id, value]) => packageOf(id, value)));
  const list = (Array.isArray(modules) ? modules : []).filter(isJsonObject);
  return {
    modules: new Map(list.flatMap(moduleOf).map((module) => [module.url, module])),
    packages,
    npm: new Map(list.flatMap((module) => npmEntry(module, packages))),
    redirects: new Map(objectEntries(redirects).flatMap(([from, to]) => (typeof to === "string" ? [[from, to]] : []))),
  };
}

const objectEntries = (value: JsonValue | undefined): readonly (readonly [string, JsonValue])[] =>
  isJsonObject(value) ? Object.entries(value) : [];

function packageOf(id: string, value: JsonValue): [string, NpmPackage][] {
  if (!isJsonObject(value)) return [];
  const { name, version, localPath, dependencies } = value;
  if (typeof name !== "string" || typeof version !== "string" || typeof localPath !== "string") return [];
  const ids = (Array.isArray(dependencies) ? dependencies : []).filter((one) => typeof one === "string");
  return [[id, { name, version, local: localPath, dependencies: ids }]];
}

function moduleOf({ specifier, local, mediaType, dependencies }: JsonObject): RemoteModule[] {
  if (typeof specifier !== "string" || typeof local !== "string") return [];
  const imports = (Array.isArray(dependencies) ? dependencies : []).flatMap((dependency): [string, string][] => {
    if (!isJsonObject(dependency) || typeof dependency["specifier"] !== "string") return [];
    const target = isJsonObject(dependency["code"]) ? dependency["code"]["specifier"] : null;
    return typeof target === "string" ? [[dependency["specifier"], target]] : [];
  });
  const media_type = typeof mediaType === "string" ? mediaType : "Unknown";
  return [{ url: specifier, local, media_type, imports: new Map(imports) }];
}

function npmEntry(
  { kind, specifier, npmPackage }: JsonObject,
  packages: ReadonlyMap<string, NpmPackage>,
): [string, NpmPackage][] {
  const found = typeof npmPackage === "string" ? packages.get(npmPackage) : undefined;
  return kind === "npm" && typeof specifier === "string" && found !== undefined ? [[specifier, found]] : [];
}

/** Follows redirects. A redirect of a package leads from a range to a version. */
export function finalUrl({ redirects }: Graph, url: string): string {
  let current = url;
  // Deno follows at most ten.
  for (let count = 0; count < 20; count += 1) {
    const next = redirects.get(current);
    if (next === undefined) return current;
    current = next;
  }
  return current;
}

/** Returns the packages that an import of the module `root` leads to, through modules. */
export function packagesOf(graph: Graph, root: string, specifier: string): readonly NpmPackage[] {
  const found: NpmPackage[] = [];
  const seen = new Set<string>();
  const urls = [graph.modules.get(root)?.imports.get(specifier) ?? specifier];
  for (let url = urls.pop(); url !== undefined; url = urls.pop()) {
    const final = finalUrl(graph, url);
    if (seen.has(final)) continue;
    seen.add(final);
    found.push(...[graph.npm.get(final)].filter((one) => one !== undefined));
    urls.push(...(graph.modules.get(final)?.imports.values() ?? []));
  }
  return found;
}
