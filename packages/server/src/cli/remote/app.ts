/** The app that `--app` names, by id or by name, here and on a server. */
import { appNamed } from "../../core/names.ts";
import type { ManagementApi } from "./management-api.ts";

/** Every id that this server gives. It needs no list of apps. */
const APP_ID = /^app_[a-z0-9]{20}$/;

/**
 * Returns the id of the app. Text in the form of an id is one, so that no app can be named like
 * another app's id to be taken for it.
 *
 * @throws CodedError `not_found`, `app_ambiguous`
 */
export async function resolveApp({ listApps }: Pick<ManagementApi, "listApps">, app: string): Promise<string> {
  return APP_ID.test(app) ? app : appNamed(await listApps(), app).id;
}
