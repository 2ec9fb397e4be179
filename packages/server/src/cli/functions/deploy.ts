/**
 * `holdfast functions deploy`: deploys the functions of a directory, one after the other. If one
 * fails, its live version does not change, and the others are still deployed.
 */
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { FUNCTION_LIMITS } from "../../core/functions/function-limits.ts";
import { readSource, scanFunctions, type FoundFunction } from "../../service/functions/folder.ts";
import { RemoteError } from "../remote/error.ts";
import { createOutput } from "../terminal/output.ts";
import type { FunctionsApi } from "./api.ts";
import { withFunctions, type AppFlags } from "./open.ts";

type DeployResult =
  | {
      readonly name: string;
      readonly status: "deployed" | "unchanged";
      readonly version: number;
      readonly notes: readonly string[];
    }
  | { readonly name: string; readonly status: "error"; readonly code: string; readonly error: string };

/** The usual directories of functions, the public CLI's first. */
const DEFAULT_DIRECTORIES = ["base44/functions", "functions"];

export async function deploy(directory: string | undefined, flags: AppFlags): Promise<void> {
  const path = directoryOf(directory);
  const { functions } = await scanFunctions(path);
  if (functions.length === 0) {
    const message = `There are no functions in ${path}. A function is a folder with an entry.ts, or a file: hello.ts.`;
    throw new CodedError("usage", { message });
  }
  const output = createOutput(flags.json === true);
  const results = await withFunctions(flags, async (api) => {
    const done: DeployResult[] = [];
    for (const found of functions) {
      const result = await deployOne(api, found);
      done.push(result);
      for (const note of result.status === "error" ? [] : result.notes) output.note(`${found.name}: ${note}`);
    }
    return done;
  });
  output.result({ functions: results }, results.map(lineOf).join("\n"));
  if (results.some(({ status }) => status === "error")) process.exitCode = 1;
}

/**
 * Returns the directory of functions given on the command line, or the first usual one that exists.
 * In a project it is the usual one, too. A scan of the project itself would find functions with
 * wrong names, and take shared files for functions.
 */
export function directoryOf(directory: string | undefined): string {
  const path = directory ?? DEFAULT_DIRECTORIES.find((usual) => existsSync(usual));
  if (path !== undefined && existsSync(path)) return insideProject(resolve(path));
  const message =
    path === undefined
      ? `There is no ${DEFAULT_DIRECTORIES.join(" and no ")} here. Name the directory of the functions.`
      : `There is no directory ${path}.`;
  throw new CodedError("usage", { message });
}

function insideProject(path: string): string {
  if (basename(path) === "functions") return path;
  return DEFAULT_DIRECTORIES.map((usual) => join(path, usual)).find((usual) => existsSync(usual)) ?? path;
}

async function deployOne(api: FunctionsApi, found: FoundFunction): Promise<DeployResult> {
  const { name, entry, automations } = found;
  try {
    const files = await readSource(found, FUNCTION_LIMITS.function_source_bytes);
    const { status, version, notes } = await api.deploy(name, { entry, files, automations });
    return { name, status: status === "unchanged" ? "unchanged" : "deployed", version, notes };
  } catch (error) {
    if (error instanceof RemoteError) return { name, status: "error", code: error.refusal.code, error: error.message };
    if (error instanceof CodedError) return { name, status: "error", code: error.code, error: error.message };
    throw error;
  }
}

function lineOf(result: DeployResult): string {
  if (result.status === "error") return `${result.name}: failed: ${result.error} (${result.code})`;
  return `${result.name}: ${result.status === "deployed" ? "deployed as" : "unchanged,"} version ${result.version}`;
}
