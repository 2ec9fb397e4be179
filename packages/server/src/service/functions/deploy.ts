/**
 * Deploys a function: checks its source, bundles it, stores both as a new version, and makes this
 * version live in the same transaction. If any step fails, the old version stays live.
 */
import { CodedError } from "../../core/errors.ts";
import { isFunctionName, type Bundled, type SourceTree } from "../../core/functions/functions.ts";
import { newId } from "../../core/ids.ts";
import type { Limits } from "../../core/limits.ts";
import type { AppId } from "../../core/types.ts";
import { VERSION } from "../../core/version.ts";
import { deployFunction, functionWorkspaces, storedBytes } from "../../store/queries/functions.ts";
import type { FunctionRow } from "../../store/tables.ts";
import { contentOf, digestOf } from "./content.ts";
import { inDirectory } from "./directory.ts";
import { keyOf } from "./live.ts";
import { meaningOf } from "./schedule.ts";
import { automationNotes, checkSchedules, putSchedules } from "./schedules.ts";
import { checkTree, type SentSource } from "./tree.ts";
import { inTurn } from "./turns.ts";
import type { FunctionsState } from "./types.ts";

/** A function as a client sends it. The automations are checked. */
export interface NewDeployment extends SentSource {
  readonly automations: readonly unknown[];
}

export interface Deployment {
  readonly status: "deployed" | "unchanged";
  /** The number of the live version. */
  readonly number: number;
  readonly notes: readonly string[];
}

/**
 * @throws CodedError `deployment_invalid`, `invalid_field`, `limit_reached`,
 *   `function_from_directory`, `overloaded`, `not_found`
 */
export async function deploy(
  state: FunctionsState,
  app_id: AppId,
  function_name: string,
  deployment: NewDeployment,
  created_by: string,
): Promise<Deployment> {
  requireName(function_name);
  await refuseDirectory(state, app_id, function_name);
  const tree = checkTree(function_name, deployment, state.limits);
  checkSchedules(deployment.automations);
  const notes = automationNotes(deployment.automations);
  // The public CLI sends files in any order. Another order must not make a new version.
  const source = JSON.stringify(tree.files.toSorted((a, b) => (a.path < b.path ? -1 : 1)));
  const current = await state.store.getFunction(app_id, function_name);
  if (current !== null && isSame(current, { tree, source, automations: deployment.automations }))
    return { status: "unchanged", number: current.number, notes };
  const bundled = await inTurn(state, app_id, () => bundle(state, tree));
  const number = await store(state, { app_id, tree, source, bundled, automations: deployment.automations, created_by });
  // The operator decides which SDK runs, so the log names functions that want another one.
  if (bundled.pins.length > 0)
    state.log.info("function_sdk_pin_differs", { app_id, function_name, pin: bundled.pins.join(" ") });
  return { status: "deployed", number, notes: [...bundled.notes, ...notes] };
}

function requireName(function_name: string): void {
  if (isFunctionName(function_name)) return;
  const message = "Use letters, digits, _ and -, and / for a nested name";
  throw new CodedError("deployment_invalid", {
    message: `${JSON.stringify(function_name.slice(0, 200))} cannot name a function. ${message}.`,
    errors: [{ name: "name", message }],
  });
}

/** @throws CodedError `function_from_directory` */
export async function refuseDirectory({ directory }: FunctionsState, app_id: AppId, name: string): Promise<void> {
  if (await inDirectory(directory, app_id, name)) throw new CodedError("function_from_directory");
}

interface Sent {
  readonly tree: SourceTree;
  /** The files as JSON. */
  readonly source: string;
  readonly automations: readonly unknown[];
}

/** A newer release bundles again, because the bundle contains its SDK. */
function isSame(current: FunctionRow, { tree, source, automations }: Sent): boolean {
  return (
    current.source_digest === digestOf(source) &&
    current.entry === tree.entry &&
    current.built_with === VERSION &&
    meaningOf(...current.automations) === meaningOf(...automations)
  );
}

async function bundle({ bundler, limits }: FunctionsState, tree: SourceTree): Promise<Bundled> {
  const bundled = await bundler.bundle(tree).catch((error: unknown) => {
    if (!(error instanceof CodedError) || error.code !== "function_invalid") throw error;
    throw new CodedError("deployment_invalid", { message: error.message, cause: error });
  });
  const size = Buffer.byteLength(bundled.code) + Buffer.byteLength(bundled.source_map);
  if (size <= limits.function_bundle_bytes) return bundled;
  const message = `The function ${tree.function_name} with its packages has ${size} bytes, which is more than ${limits.function_bundle_bytes}. Import less.`;
  throw new CodedError("deployment_invalid", { message });
}

interface Finished extends Sent {
  readonly app_id: AppId;
  readonly bundled: Bundled;
  readonly created_by: string;
}

/** Returns the number of the new version. */
async function store(state: FunctionsState, finished: Finished): Promise<number> {
  const { limits, rows } = state;
  const { app_id, tree, source, bundled, automations, created_by } = finished;
  const { code, source_map, lock } = bundled;
  const content = await contentOf([source, code, source_map, lock]);
  const version = {
    id: newId("fnv"),
    app_id,
    function_name: tree.function_name,
    entry: tree.entry,
    automations,
    source_digest: digestOf(source),
    bundle_digest: digestOf(code),
    map_digest: digestOf(source_map),
    lock_digest: digestOf(lock),
    built_with: VERSION,
    created_by,
  };
  const most = {
    functions: limits.functions_per_app,
    source_bytes: limits.functions_source_bytes,
    versions: limits.function_versions,
  };
  const outcome = await state.store.transaction(async (tx) => {
    const deployed = await deployFunction(tx, version, content, most);
    if (deployed.kind === "deployed") await putSchedules(tx, app_id, tree.function_name, automations);
    if (state.functions_isolation === "none" && (await functionWorkspaces(tx)).length > 1)
      throw new CodedError("functions_not_isolated");
    // Checked last, because deleting old versions makes room. The throw restores them.
    if ((await storedBytes(tx, app_id)) > limits.functions_stored_bytes) throw tooMuchStored(limits);
    return deployed;
  });
  rows.drop(keyOf(app_id, tree.function_name));
  if (outcome.kind === "deployed") return outcome.number;
  if (outcome.kind === "too_large") throw tooMuchSource(limits);
  const message = `An app can have ${limits.functions_per_app} functions. Delete one first.`;
  throw new CodedError("limit_reached", { message });
}

export function tooMuchSource({ functions_source_bytes: bytes }: Limits): CodedError {
  const message = `An app's functions can have ${bytes} bytes of source in total. Delete one first.`;
  return new CodedError("limit_reached", { message });
}

function tooMuchStored({ functions_stored_bytes: bytes }: Limits): CodedError {
  const message = `An app's functions can have ${bytes} bytes in total, with bundles and earlier versions. Delete a function first.`;
  return new CodedError("limit_reached", { message });
}
