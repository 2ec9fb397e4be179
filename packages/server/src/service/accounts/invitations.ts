/**
 * Invitations: a one-time link for one email address and one role. The user who opens it creates an
 * account with that address, or joins with the account that is signed in.
 */
import { CodedError } from "../../core/errors.ts";
import { newId, randomToken } from "../../core/ids.ts";
import { checkEmail } from "../../core/names.ts";
import { roleReaches, type Role } from "../../core/roles.ts";
import { sha256Hex } from "../../core/secret.ts";
import { plus, type UserId, type WorkspaceId } from "../../core/types.ts";
import type { InvitationsTable } from "../../store/account-tables.ts";
import type { Ground } from "../ground.ts";
import { roleAboveOwn } from "./members.ts";

const LINK_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** An invitation without the hash of its link. */
export type InvitationSummary = Omit<InvitationsTable, "token_hash" | "used_at" | "workspace_id">;

export interface InvitationView {
  readonly workspace_id: WorkspaceId;
  readonly workspace_name: string;
  readonly email: string;
  readonly role: Role;
}

export interface NewInvitation {
  readonly email: string;
  readonly role: Role;
  /** The caller's own role, which is the highest that the caller can give. */
  readonly by: Role;
  readonly actor: string;
}

export interface CreatedInvitation {
  readonly id: string;
  readonly invitation_url: string;
}

type InvitationDeps = Pick<Ground, "store" | "urls" | "clock" | "limits">;

/** @throws CodedError `insufficient_role`, `invalid_email` */
export async function invite(
  { store, urls, clock, limits }: InvitationDeps,
  workspace_id: WorkspaceId,
  { email, role, by, actor }: NewInvitation,
): Promise<CreatedInvitation> {
  if (!roleReaches(by, role)) throw roleAboveOwn(by);
  const token = randomToken();
  const id = newId("ivt");
  await store.createInvitation({
    id,
    workspace_id,
    token_hash: sha256Hex(token),
    email: checkEmail(email),
    role,
    invited_by: actor,
    expires_at: plus(clock.now(), limits.invitation_ttl_ms),
  });
  return { id, invitation_url: urls.invitation(token) };
}

export async function listInvitations(
  { store }: InvitationDeps,
  id: WorkspaceId,
): Promise<readonly InvitationSummary[]> {
  return (await store.listInvitations(id)).map(toSummary);
}

function toSummary({ id, email, role, invited_by, created_at, expires_at }: InvitationsTable): InvitationSummary {
  return { id, email, role, invited_by, created_at, expires_at };
}

/** @throws CodedError `not_found` */
export async function revokeInvitation(
  { store }: InvitationDeps,
  id: WorkspaceId,
  invitation_id: string,
): Promise<void> {
  if (await store.deleteInvitation(id, invitation_id)) return;
  throw new CodedError("not_found", { message: "The workspace has no pending invitation with this id." });
}

/** @throws CodedError `invitation_invalid` */
export async function viewInvitation({ store }: InvitationDeps, token: string): Promise<InvitationView> {
  const found = LINK_PATTERN.test(token) ? await store.findInvitation(sha256Hex(token)) : null;
  if (found === null) throw new CodedError("invitation_invalid");
  const { workspace_id, workspace_name, email, role } = found;
  return { workspace_id, workspace_name, email, role };
}

/** @throws CodedError `invitation_invalid` */
export async function acceptInvitation(deps: InvitationDeps, token: string, user_id: UserId): Promise<InvitationView> {
  const view = await viewInvitation(deps, token);
  const accepted = await deps.store.acceptInvitation(sha256Hex(token), user_id, newId("mem"));
  if (accepted === null) throw new CodedError("invitation_invalid");
  return view;
}
