/**
 * Roles in a workspace and in an app, scopes of API keys, and plans. Each is a closed list in
 * ascending order, so that "at least" is a comparison. service/access/authorization.ts decides what
 * a role allows.
 */

/** In ascending order. */
export const ROLES = ["viewer", "editor", "admin", "owner"] as const;
export type Role = (typeof ROLES)[number];

/**
 * Roles of an app's users, as its functions see them. They grant nothing in Holdfast. Admins of the
 * app's workspace set them.
 */
export const APP_ROLES = ["user", "admin"] as const;
export type AppRole = (typeof APP_ROLES)[number];

/** The most that an API key can do, even if its creator can do more. */
export const SCOPES = ["read", "write", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export const PLANS = ["free", "starter", "builder", "pro", "elite", "enterprise"] as const;
export type Plan = (typeof PLANS)[number];
/** The lowest plan that includes connectors. */
export const CONNECTORS_PLAN: Plan = "builder";

const SCOPE_ROLE: Readonly<Record<Scope, Role>> = { read: "viewer", write: "editor", admin: "admin" };

export const roleReaches = (role: Role, least: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(least);

/** Returns the role, capped by the scope. */
export function capped(role: Role, scope: Scope): Role {
  const most = SCOPE_ROLE[scope];
  return roleReaches(role, most) ? most : role;
}

export const allowsConnectors = (plan: Plan): boolean => PLANS.indexOf(plan) >= PLANS.indexOf(CONNECTORS_PLAN);

export const asPlan = (text: unknown): Plan | null => PLANS.find((plan) => plan === text) ?? null;
