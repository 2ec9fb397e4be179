/** Checks that the owner of a new row exists. */
import { CodedError } from "../../core/errors.ts";
import type { AppId, WorkspaceId } from "../../core/types.ts";
import { first, type Transaction } from "../operation.ts";

/**
 * Requires an app before a row is stored for it. Without the app, nothing would ever delete that
 * row.
 *
 * @throws CodedError `not_found`
 */
export async function requireApp({ db }: Transaction, id: AppId): Promise<void> {
  const found = await first(db.selectFrom("apps").select("id").where("id", "=", id));
  if (found === null) throw new CodedError("not_found", { message: "There is no such app." });
}

/** Requires a workspace, as `requireApp` requires an app. @throws CodedError `not_found` */
export async function requireWorkspace({ db }: Transaction, id: WorkspaceId): Promise<void> {
  const found = await first(db.selectFrom("workspaces").select("id").where("id", "=", id));
  if (found === null) throw new CodedError("not_found", { message: "There is no such workspace." });
}
