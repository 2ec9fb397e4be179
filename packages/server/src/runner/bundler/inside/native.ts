/** Looks through fetched packages for parts that a function cannot use, or that do not run. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject } from "../../../core/types.ts";
import type { Graph, NpmPackage } from "./graph.ts";

/** Scripts that npm runs when it installs a package. Deno does not. */
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall"];

/** Returns the packages with code for one kind of machine: `.node` files, or their sources. */
export async function nativePackages({ packages }: Graph): Promise<ReadonlySet<NpmPackage>> {
  const found = await Promise.all([...packages.values()].map(async (one) => ((await isNative(one)) ? [one] : [])));
  return new Set(found.flat());
}

async function isNative({ local }: NpmPackage): Promise<boolean> {
  // Deno does not install an optional package for another kind of machine.
  const names = await readdir(local, { recursive: true }).catch(() => []);
  return names.some((name) => name.endsWith(".node") || /(?:^|\/)binding\.gyp$/.test(name));
}

/** Returns the packages whose scripts did not run. */
export async function packagesWithScripts({ packages }: Graph): Promise<readonly string[]> {
  const found = await Promise.all(
    [...packages.values()].map(async (one) => ((await hasScripts(one)) ? [label(one)] : [])),
  );
  return found.flat().toSorted();
}

async function hasScripts({ local }: NpmPackage): Promise<boolean> {
  const text = await readFile(join(local, "package.json"), "utf8").catch(() => "{}");
  const manifest: unknown = JSON.parse(text);
  const scripts = isJsonObject(manifest) ? manifest["scripts"] : null;
  return isJsonObject(scripts) && INSTALL_SCRIPTS.some((name) => Object.hasOwn(scripts, name));
}

export const label = ({ name, version }: NpmPackage): string => `${name}@${version}`;
