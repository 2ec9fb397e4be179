/** The least role for each action. Viewers read. Changes need a higher role. */
import { CodedError } from "../../core/errors.ts";
import { roleReaches, type Role } from "../../core/roles.ts";

export const ACTIONS = {
  "workspace.read": "viewer",
  "workspace.leave": "viewer",
  "workspace.rename": "admin",
  "workspace.plan": "admin",
  "workspace.delete": "owner",
  "workspace.transfer": "owner",
  "member.read": "viewer",
  "member.manage": "admin",
  "api_key.manage": "admin",
  "audit.export": "admin",
  "governance.read": "viewer",
  "governance.manage": "admin",
  "oauth_client.read": "viewer",
  "oauth_client.manage": "admin",
  "app.read": "viewer",
  "app.create": "editor",
  "app.rename": "editor",
  "app.functions": "admin",
  "app.delete": "admin",
  "app_issuer.read": "viewer",
  "app_issuer.manage": "admin",
  "app_user.read": "editor",
  "app_user.token": "editor",
  "app_user.manage": "admin",
  "connector.read": "viewer",
  "connector.connect": "editor",
  "connector.disconnect": "editor",
  "function.read": "viewer",
  "function.deploy": "editor",
  "function.logs": "editor",
  "secret.read": "viewer",
  "secret.manage": "editor",
  "service_token.read": "viewer",
  "service_token.manage": "editor",
} as const satisfies Record<string, Role>;

export type Action = keyof typeof ACTIONS;

/** @throws CodedError `insufficient_role` */
export function requireRole(role: Role, action: Action): void {
  const least = ACTIONS[action];
  if (roleReaches(role, least)) return;
  const message = `This needs the ${least} role in the workspace; you are ${withArticle(role)}. An API key has at most the role that its scope allows.`;
  throw new CodedError("insufficient_role", { message });
}

function withArticle(role: Role): string {
  return role === "viewer" ? "a viewer" : `an ${role}`;
}
