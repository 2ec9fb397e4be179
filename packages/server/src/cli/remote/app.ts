/** The app that `--app` names, by id or by name, here and on a server. */
import { appNamed } from "../../core/names.ts";
import type { ManagementApi } from "./management-api.ts";

/** The form of every app's id. */
const APP_ID = /^app_[a-z0-9]{20}$/;

/**
 * Returns the id of the app. Text in the form of an id is always an id. Otherwise an app named like
 * another app's id could be mistaken for that app.
 *
 * @throws CodedError `not_found`, `app_ambiguous`
 */
export async function resolveApp({ listApps }: Pick<ManagementApi, "listApps">, app: string): Promise<string> {
  return APP_ID.test(app) ? app : appNamed(await listApps(), app).id;
}
