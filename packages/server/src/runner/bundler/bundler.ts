/**
 * Turns a function's source tree into one self-contained module. Each bundle has a process of its
 * own in the sandbox, and its network reaches only the egress proxy. If hostile files take over the
 * tools that read them, that ends with the process.
 *
 * Owns what a bundle can use: time, memory, bytes and files to fetch. Must not know apps, versions
 * or tokens, or where a bundle is stored.
 */
import type { Clock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import type { Bundled, Bundler, SourceTree } from "../../core/functions/functions.ts";
import { registryTargets, type Registries } from "../../core/functions/function-settings.ts";
import type { Limits } from "../../core/limits.ts";
import type { Rules } from "../egress/target.ts";
import type { SharedSandbox } from "../sandbox/shared.ts";
import { denoImports } from "./deno-json.ts";
import type { Assignment } from "./inside/protocol.ts";
import { bundledFrom, invalid, notStarted, type BundlerFailure } from "./outcome.ts";
import { runAssignment, type Report } from "./run.ts";
import { openToolbox, type Toolbox } from "./toolbox.ts";

export interface BundlerOptions {
  readonly sandbox: Pick<SharedSandbox, "open">;
  readonly registries: Registries;
  readonly egress: Rules;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Called when the bundler failed, as opposed to the function. */
  readonly onFailure: (failure: BundlerFailure) => void;
}

interface State extends BundlerOptions {
  toolbox: Promise<Toolbox> | null;
}

export function createBundler(options: BundlerOptions): Bundler {
  const { egress, registries } = options;
  // The operator named the registries, so their addresses can be private.
  const allowed = [...egress.allowed, ...registryTargets(registries)];
  const state: State = { ...options, egress: { ...egress, allowed }, toolbox: null };
  return { bundle: (tree, signal) => bundle(state, tree, signal) };
}

async function bundle(state: State, tree: SourceTree, signal?: AbortSignal): Promise<Bundled> {
  const { limits } = state;
  signal?.throwIfAborted();
  const source_bytes = tree.files.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
  if (source_bytes > limits.function_source_bytes) throw invalid(tree, "Its files are too large in total.");
  const imports = denoImports(tree, limits);
  const report = await runOn(state, tree, imports, signal).catch((error: unknown) => {
    throw error instanceof CodedError ? error : notStarted(state, tree, error);
  });
  signal?.throwIfAborted();
  return bundledFrom(state, tree, report);
}

async function runOn(
  state: State,
  tree: SourceTree,
  imports: Assignment["imports"],
  signal?: AbortSignal,
): Promise<Report> {
  const { limits, registries } = state;
  const sandbox = await state.sandbox.open();
  state.toolbox ??= openToolbox(sandbox.root);
  const { folder, sdks } = await state.toolbox.catch((error: unknown) => {
    // The next bundle tries again.
    state.toolbox = null;
    throw error;
  });
  const { sdk_versions: pinned, jsr: jsr_registry } = registries;
  const assignment = { tree, imports, sdks, pinned, jsr_registry, fetched_files: limits.function_fetched_files };
  return await runAssignment({ ...state, sandbox }, { folder, assignment }, signal);
}
