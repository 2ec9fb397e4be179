/** Looks through fetched packages for parts that a function cannot use, or that do not run. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject, type JsonObject } from "../../../core/types.ts";
import type { Graph, NpmPackage } from "./graph.ts";

/** What a package brings besides JavaScript. */
export interface Traits {
  /** Code for one kind of machine: `.node` files, or their sources. */
  readonly is_native: boolean;
  readonly has_scripts: boolean;
  /** Names of the packages that it works without. */
  readonly optional: ReadonlySet<string>;
}

export type Traced = ReadonlyMap<NpmPackage, Traits>;

/** Scripts that npm runs when it installs a package. Deno does not. */
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall"];

export async function traitsOf({ packages }: Graph): Promise<Traced> {
  const read = await Promise.all(
    [...packages.values()].map(async (one) => ({ one, manifest: await manifestOf(one), has_code: await hasCode(one) })),
  );
  const platform = new Set(
    read.filter(({ manifest, has_code }) => has_code && isForPlatform(manifest)).map(({ one }) => one.name),
  );
  return new Map(
    read.map(({ one, manifest, has_code }) => {
      const optional = new Set(namesIn(manifest["optionalDependencies"]));
      // A package with one part for each kind of machine is only the way to them.
      const is_native = has_code || [...optional].some((name) => platform.has(name));
      const has_scripts = namesIn(manifest["scripts"]).some((name) => INSTALL_SCRIPTS.includes(name));
      return [one, { is_native, has_scripts, optional }];
    }),
  );
}

async function hasCode({ local }: NpmPackage): Promise<boolean> {
  // Deno does not install an optional package for another kind of machine.
  const names = await readdir(local, { recursive: true }).catch(() => []);
  return names.some((name) => name.endsWith(".node") || /(?:^|\/)binding\.gyp$/.test(name));
}

/** A package can have any bytes as its package.json. Deno takes what it needs from the registry. */
async function manifestOf({ local }: NpmPackage): Promise<JsonObject> {
  try {
    const text = await readFile(join(local, "package.json"), "utf8");
    const manifest: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
    return isJsonObject(manifest) ? manifest : {};
  } catch {
    return {};
  }
}

const isForPlatform = (manifest: JsonObject): boolean =>
  Object.hasOwn(manifest, "os") || Object.hasOwn(manifest, "cpu");
const namesIn = (value: unknown): readonly string[] => (isJsonObject(value) ? Object.keys(value) : []);

/** Returns the packages that can be in no bundle. */
export const nativeIn = (traits: Traced): readonly NpmPackage[] =>
  [...traits].flatMap(([one, { is_native }]) => (is_native ? [one] : []));

/** Returns a native package that these packages do not work without, or undefined. */
export function requiredNative(graph: Graph, traits: Traced, wanted: readonly NpmPackage[]): NpmPackage | undefined {
  const seen = new Set<NpmPackage>();
  const waiting = [...wanted];
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    if (seen.has(one)) continue;
    seen.add(one);
    const { is_native = false, optional } = traits.get(one) ?? {};
    if (is_native) return one;
    const needed = one.dependencies.flatMap((id) => graph.packages.get(id) ?? []);
    waiting.push(...needed.filter(({ name }) => optional?.has(name) !== true));
  }
  return undefined;
}

export const label = ({ name, version }: NpmPackage): string => `${name}@${version}`;
