/**
 * Ends the processes of functions that were deleted, or whose app was deleted or has its functions
 * switched off: here, on another node, or by a command. Otherwise a running call would keep its
 * token, and a timer would run until the process is idle for too long. Must not know how a process
 * is ended.
 */
import { CodedError } from "../../core/errors.ts";
import { functionNotFound } from "../../core/functions/functions.ts";
import { asAppId } from "../../core/ids.ts";
import type { Credentials } from "../access/credentials.ts";
import type { Functions } from "./functions.ts";

interface Running {
  readonly app_id: string;
  readonly function_name: string;
}

export interface RecheckDeps {
  readonly credentials: Pick<Credentials, "existingApp">;
  readonly functions: Pick<Functions, "has">;
  readonly running: () => readonly Running[];
  readonly stop: (running: Running, why: CodedError) => void;
}

/** Checks every function that has a process, once. */
export async function recheck(deps: RecheckDeps): Promise<void> {
  for (const { app_id, function_name } of deps.running()) {
    const why = await refusalOf(deps, { app_id, function_name });
    if (why !== null) deps.stop({ app_id, function_name }, why);
  }
}

/** Returns why the function must not run, or null. An unreachable database is no reason. */
async function refusalOf(
  { credentials, functions }: RecheckDeps,
  { app_id, function_name }: Running,
): Promise<CodedError | null> {
  try {
    const app = await credentials.existingApp(asAppId(app_id));
    if (!app.functions_enabled) return new CodedError("functions_disabled");
    return (await functions.has(app.id, function_name)) ? null : functionNotFound(function_name);
  } catch (error) {
    return error instanceof CodedError && error.code === "not_found" ? error : null;
  }
}
