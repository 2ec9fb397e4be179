/**
 * Finds the input of a call: the live version's code and the app's secrets. Rows are cached until
 * this or another process changes them, so most calls need no query. A deployment on another node
 * takes effect within a second.
 */
import {
  functionNotFound,
  isFunctionName,
  namesWithin,
  withSourceMap,
  type FunctionMatch,
  type LiveFunction,
} from "../../core/functions/functions.ts";
import type { AppId } from "../../core/types.ts";
import type { FunctionRow } from "../../store/tables.ts";
import { readContent } from "./content.ts";
import { inDirectory } from "./directory.ts";
import type { FunctionsState } from "./types.ts";

/**
 * @throws CodedError `function_not_found`, the same for a function of another app as for one that
 *   does not exist
 */
export async function live(state: FunctionsState, app_id: AppId, function_name: string): Promise<LiveFunction> {
  if (!isFunctionName(function_name)) throw functionNotFound(function_name);
  const stored = await state.appSecrets.open(app_id);
  const { directory } = state;
  if (directory === null || !(await inDirectory(directory, app_id, function_name))) {
    const row = state.rows.fresh(keyOf(app_id, function_name)) ?? (await readRow(state, app_id, function_name));
    const version = { version_id: row.live_version, code: await codeOf(state, row) };
    return { app_id, function_name, ...version, secrets: stored.values, secrets_revision: stored.revision };
  }
  const own = Object.fromEntries(Object.entries(directory.secrets).map(([name, value]) => [name, value.expose()]));
  const secrets = { ...stored.values, ...own };
  // Those of the directory do not change while the server runs.
  return {
    app_id,
    function_name,
    ...(await directory.code(function_name)),
    secrets,
    secrets_revision: stored.revision,
  };
}

/** Returns the function with the longest name that is a prefix of the path, or null. */
export async function match(
  { store, directory }: FunctionsState,
  app_id: AppId,
  path: string,
): Promise<FunctionMatch | null> {
  const names = namesWithin(path);
  const deployed = new Set(await store.functionNames(app_id, names));
  for (const name of names) {
    if (!deployed.has(name) && !(await inDirectory(directory, app_id, name))) continue;
    return { function_name: name, path: `/${path.replace(/^\//, "").slice(name.length + 1)}` };
  }
  return null;
}

export const keyOf = (app_id: AppId, name: string): string => `${app_id}/${name}`;

/** Reads a function that is not cached. @throws CodedError `function_not_found` */
export async function readRow({ store, rows }: FunctionsState, app_id: AppId, name: string): Promise<FunctionRow> {
  const epoch = rows.epoch();
  const { value, is_stale } = await rows.read(keyOf(app_id, name), async () => {
    const row = await store.getFunction(app_id, name);
    if (row === null) throw functionNotFound(name);
    return row;
  });
  if (!is_stale) rows.put(keyOf(app_id, name), value, epoch);
  return value;
}

async function codeOf(state: FunctionsState, row: FunctionRow): Promise<string> {
  const { code } = state;
  const key = `${row.bundle_digest} ${row.map_digest}`;
  const known = code.get(key);
  if (known !== undefined) return known;
  const [bundle, source_map] = await Promise.all([
    readContent(state, row, row.bundle_digest),
    readContent(state, row, row.map_digest),
  ]);
  const complete = withSourceMap({ code: bundle, source_map });
  code.set(key, complete);
  return complete;
}
