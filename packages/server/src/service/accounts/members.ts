/** Changes a member's role. The same transaction checks that an owner remains. */
import { CodedError } from "../../core/errors.ts";
import type { Role } from "../../core/roles.ts";
import type { UserId, WorkspaceId } from "../../core/types.ts";
import { setRole, type MemberChange } from "../../store/queries/workspaces.ts";
import type { Ground } from "../ground.ts";

/** @throws CodedError `not_found`, `last_owner`, `insufficient_role` */
export async function setMemberRole(
  { store }: Pick<Ground, "store">,
  id: WorkspaceId,
  user_id: UserId,
  role: Role | null,
  by: Role,
): Promise<void> {
  requireChanged(await store.transaction(async (tx) => await setRole(tx, id, user_id, role, by)));
}

/** @throws CodedError `not_found` */
export async function transfer(
  { store }: Pick<Ground, "store">,
  id: WorkspaceId,
  from: UserId | null,
  to: UserId,
): Promise<void> {
  const change = await store.transaction(async (tx) => {
    const promoted = await setRole(tx, id, to, "owner", "owner");
    if (promoted !== "changed" || from === null || from === to) return promoted;
    return await setRole(tx, id, from, "admin", "owner");
  });
  requireChanged(change);
}

function requireChanged(change: MemberChange): void {
  if (change === "changed") return;
  if (change === "last_owner") throw new CodedError("last_owner");
  if (change === "missing") throw new CodedError("not_found", { message: "The workspace has no such member." });
  throw roleAboveOwn("admin");
}

export function roleAboveOwn(own: Role): CodedError {
  const message = `You cannot give or change a role above your own, which is ${own}.`;
  return new CodedError("insufficient_role", { message });
}
