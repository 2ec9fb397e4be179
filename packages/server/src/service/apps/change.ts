/** Renames an app, and turns its functions on or off. */
import { CodedError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import type { AppId } from "../../core/types.ts";
import type { AppRow } from "../../store/tables.ts";
import { existingApp } from "../access/authorization.ts";
import type { AppsDeps } from "./types.ts";

/** Omitted fields stay as they are. */
export interface AppChange {
  readonly name?: string;
  readonly functions_enabled?: boolean;
}

/** @throws CodedError `not_found`, `invalid_name`, `already_exists` */
export async function changeApp(
  { store, credentials }: AppsDeps,
  app_id: AppId,
  { name, functions_enabled }: AppChange,
): Promise<AppRow> {
  const app = await existingApp(store, app_id);
  const change = {
    ...(name === undefined ? {} : { name: checkName(name) }),
    ...(functions_enabled === undefined ? {} : { functions_enabled }),
  };
  if (!(await store.changeApp(app, change))) throw nameTaken(name ?? app.name);
  credentials.clear();
  return await existingApp(store, app_id);
}

export function nameTaken(name: string): CodedError {
  const message = `There is already an app named "${name}". Choose another name.`;
  return new CodedError("already_exists", { message });
}
