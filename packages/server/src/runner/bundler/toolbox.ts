/**
 * What the bundler's process gets besides the function: its own program, esbuild, and the SDKs that
 * this server ships, each as one module. All of it comes from this installation.
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { chmod, copyFile, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CodedError } from "../../core/errors.ts";
import { isJsonObject } from "../../core/types.ts";
import { SDK_NAMES, type SdkName } from "./inside/imports.ts";
import type { ShippedSdk } from "./inside/protocol.ts";

export interface Toolbox {
  /** Folder of the host with PROGRAM and ESBUILD. */
  readonly folder: string;
  readonly sdks: Readonly<Record<SdkName, ShippedSdk>>;
}

export const PROGRAM = "bundler.cjs";
export const ESBUILD = "esbuild";

const HERE = fileURLToPath(import.meta.url);
/** True if this server runs from its sources. */
const FROM_SOURCES = HERE.endsWith(".ts");
const MODULE_BYTES = 8_388_608;

/**
 * `root` is a folder whose subfolders can be mounted. The tools are copies, because the sandbox's
 * uid need not be able to read this installation.
 */
export async function openToolbox(root: string): Promise<Toolbox> {
  const folder = await mkdtemp(join(root, "bundler-"));
  await chmod(folder, 0o755);
  const esbuild = findEsbuild();
  await copy(esbuild, join(folder, ESBUILD), 0o755);
  const program = join(dirname(HERE), "inside", FROM_SOURCES ? "main.ts" : "main.js");
  const flags = ["--platform=node", "--format=cjs", "--target=node24"];
  await writeFile(join(folder, PROGRAM), await run(esbuild, [program, ...flags]));
  await chmod(join(folder, PROGRAM), 0o644);
  const [base44, holdfast] = await Promise.all(SDK_NAMES.map((name) => shippedSdk(esbuild, name)));
  if (base44 === undefined || holdfast === undefined) throw new Error("An SDK is missing.");
  return { folder, sdks: { "@base44/sdk": base44, "@holdfast/sdk": holdfast } };
}

async function copy(from: string, to: string, mode: number): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, mode);
}

function findEsbuild(): string {
  const fromEsbuild = createRequire(createRequire(HERE).resolve("esbuild"));
  return fromEsbuild.resolve(`@esbuild/${process.platform}-${process.arch}/bin/esbuild`);
}

/** Runs esbuild once, over files of this installation, and returns its output. */
async function run(esbuild: string, flags: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(esbuild, ["--bundle", "--log-level=error", ...flags], {
    cwd: dirname(HERE),
    maxBuffer: MODULE_BYTES,
  });
  return stdout;
}

async function shippedSdk(esbuild: string, name: SdkName): Promise<ShippedSdk> {
  const [version, code] = await Promise.all([
    installedVersion(name),
    run(esbuild, [
      name,
      "--format=esm",
      // The SDK for Node.js opens sockets, which functions cannot. The one for browsers uses fetch.
      "--platform=browser",
      "--target=es2024",
      `--conditions=${FROM_SOURCES ? "holdfast-source,module" : "module"}`,
      '--define:process.env.NODE_ENV="production"',
      "--legal-comments=none",
    ]),
  ]);
  return { version, code };
}

/** Searches the folders upwards, because a package's exports need not include package.json. */
async function installedVersion(name: SdkName): Promise<string> {
  for (const path of createRequire(HERE).resolve.paths(name) ?? []) {
    const text = await readFile(join(path, name, "package.json"), "utf8").catch(() => null);
    const manifest: unknown = text === null ? null : JSON.parse(text);
    if (isJsonObject(manifest) && typeof manifest["version"] === "string") return manifest["version"];
  }
  throw new CodedError("configuration", { message: `The npm package ${name} is not installed. Run npm ci.` });
}
