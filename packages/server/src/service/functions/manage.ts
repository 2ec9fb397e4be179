/** Listing, rolling back and deleting the functions of an app. */
import { CodedError } from "../../core/errors.ts";
import { functionNotFound, type SourceFile } from "../../core/functions/functions.ts";
import { isJsonObject, type AppId } from "../../core/types.ts";
import { liveSourceBytes, switchFunction } from "../../store/queries/functions.ts";
import type { FunctionRow } from "../../store/tables.ts";
import { readContent } from "./content.ts";
import { inDirectory } from "./directory.ts";
import { refuseDirectory, tooMuchSource } from "./deploy.ts";
import type { FunctionVersion, ListedFunction } from "./functions.ts";
import { keyOf, readRow } from "./live.ts";
import { isSchedule } from "./schedule.ts";
import { putSchedules } from "./schedules.ts";
import type { FunctionsState } from "./types.ts";

export async function hasFunction(state: FunctionsState, app_id: AppId, name: string): Promise<boolean> {
  if ((await inDirectory(state.directory, app_id, name)) || state.rows.fresh(keyOf(app_id, name)) !== null) return true;
  try {
    await readRow(state, app_id, name);
    return true;
  } catch (error) {
    if (error instanceof CodedError && error.code === "function_not_found") return false;
    throw error;
  }
}

/**
 * Reads one function at a time: all together can have 50 MiB. A function in the directory hides a
 * deployed function with the same name.
 *
 * @throws CodedError `function_unreadable`, before it yields the first one. A reply that has begun
 *   cannot become an error, and without a function a client would delete its files.
 */
export async function* listFunctions(state: FunctionsState, app_id: AppId): AsyncGenerator<ListedFunction> {
  const own = await directoryFunctions(state, app_id);
  const rows = (await state.store.listFunctions(app_id)).filter((row) => !own.some(({ name }) => name === row.name));
  for (const row of rows) await readContent(state, row, row.source_digest);
  for (const one of [...own, ...rows].toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)))) {
    const complete: ListedFunction = "files" in one ? one : await listed(state, one);
    yield complete;
  }
}

async function listed(state: FunctionsState, row: FunctionRow): Promise<ListedFunction> {
  const { name, live_version: version_id, number: version, entry, automations } = row;
  return { name, version_id, version, entry, files: await readFiles(state, row), automations };
}

/** Returns the functions of the directory whose schedules do not run without a deployment. */
export async function withIgnoredSchedules(state: FunctionsState): Promise<readonly string[]> {
  if (state.directory === null) return [];
  const own = await directoryFunctions(state, state.directory.app_id);
  return own.filter(({ automations }) => automations.some(isActiveSchedule)).map(({ name }) => name);
}

const isActiveSchedule = (automation: unknown): boolean =>
  isJsonObject(automation) && isSchedule(automation) && automation["is_active"] !== false;

/** Omits functions whose files cannot be used. A call to such a function returns the reason. */
async function directoryFunctions({ directory }: FunctionsState, app_id: AppId): Promise<readonly ListedFunction[]> {
  if (directory === null || directory.app_id !== app_id) return [];
  const found: ListedFunction[] = [];
  for (const name of await directory.names()) {
    const source = await directory.source(name).catch((error: unknown) => {
      if (error instanceof CodedError && error.code === "function_invalid") return null;
      throw error;
    });
    if (source === null) continue;
    const { tree, automations, source_id: version_id } = source;
    found.push({ name, version_id, version: null, entry: tree.entry, files: tree.files, automations });
  }
  return found;
}

async function readFiles(state: FunctionsState, row: FunctionRow): Promise<readonly SourceFile[]> {
  const files: unknown = JSON.parse(await readContent(state, row, row.source_digest));
  if (!Array.isArray(files)) throw new CodedError("internal");
  return files.flatMap((file: unknown) =>
    isJsonObject(file) && typeof file["path"] === "string" && typeof file["content"] === "string"
      ? [{ path: file["path"], content: file["content"] }]
      : [],
  );
}

export async function listVersions(
  state: FunctionsState,
  app_id: AppId,
  name: string,
): Promise<readonly FunctionVersion[]> {
  await refuseDirectory(state, app_id, name);
  const live = await state.store.getFunction(app_id, name);
  if (live === null) throw functionNotFound(name);
  const versions = await state.store.listFunctionVersions(app_id, name);
  return versions.map(({ id, number, created_at, created_by, built_with }) => ({
    id,
    number,
    is_live: id === live.live_version,
    created_at,
    created_by,
    built_with,
  }));
}

export async function rollback(
  state: FunctionsState,
  app_id: AppId,
  name: string,
  number: number | null,
): Promise<number> {
  const versions = await listVersions(state, app_id, name);
  const live = versions.find(({ is_live }) => is_live)?.number ?? 0;
  const wanted = number ?? versions.find((version) => version.number < live)?.number;
  const switched = wanted === undefined ? null : await switchTo(state, app_id, name, wanted);
  state.rows.drop(keyOf(app_id, name));
  if (switched !== null) return switched.number;
  const which = number === null ? `a version before ${live}, the live one` : `a version ${number}`;
  const kept = versions.map((version) => version.number).join(", ");
  throw new CodedError("not_found", {
    message: `The function ${name} does not have ${which}. It has: ${kept}. To choose one: --to, or "to" over HTTP.`,
  });
}

/**
 * Makes a version live, with its automations. Returns null if the version was deleted.
 *
 * @throws CodedError `limit_reached` if the app would have more source than a deployment can reach
 */
function switchTo({ store, limits }: FunctionsState, app_id: AppId, name: string, number: number) {
  return store.transaction(async (tx) => {
    const switched = await switchFunction(tx, app_id, name, number);
    if (switched === null) return null;
    await putSchedules(tx, app_id, name, switched.automations);
    if ((await liveSourceBytes(tx, app_id)) > limits.functions_source_bytes) throw tooMuchSource(limits);
    return switched;
  });
}

export async function removeFunction(state: FunctionsState, app_id: AppId, name: string): Promise<void> {
  await refuseDirectory(state, app_id, name);
  const is_removed = await state.store.deleteFunction(app_id, name);
  state.rows.drop(keyOf(app_id, name));
  if (!is_removed) throw functionNotFound(name);
}
