/** The callers behind credentials. Types and one constant. */
import type { Scope } from "../../core/roles.ts";
import type { AppId, UserId, WorkspaceId } from "../../core/types.ts";
import type { Entitlements } from "./entitlements.ts";

/** A user, or a user's program, that edits apps. */
export interface BuilderPrincipal {
  readonly kind: "builder";
  /** Null for a key that was created on the server's machine before the first account. */
  readonly user_id: UserId | null;
  /** Names the credential in the audit trail. */
  readonly actor: string;
  /** The only workspace that the credential opens. Null: all workspaces of its user. */
  readonly workspace_id: WorkspaceId | null;
  /** The most that the credential allows. Null: all that its user's role allows. */
  readonly scope: Scope | null;
}

/** A command on the server's machine, whose user has the database and the keys anyway. */
export interface InstallationPrincipal {
  readonly kind: "installation";
  readonly user_id: null;
  readonly actor: "command";
}

/** The backend of one app. */
export interface AppPrincipal {
  readonly kind: "app";
  readonly app_id: AppId;
  /** Names the credential in the audit trail. */
  readonly actor: string;
  readonly entitlements: Entitlements;
}

export type Principal = BuilderPrincipal | InstallationPrincipal;

export const COMMAND: InstallationPrincipal = { kind: "installation", user_id: null, actor: "command" };
