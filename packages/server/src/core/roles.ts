/**
 * Roles in a workspace, scopes of API keys, plans: closed lists, each in order, so that "at least" is a comparison. What a
 * role may do is service/access/authorization.ts' business.
 */

/** From least to most. */
export const ROLES = ["viewer", "editor", "admin", "owner"] as const;
export type Role = (typeof ROLES)[number];

/** What an API key may do at most, whatever its maker may. */
export const SCOPES = ["read", "write", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export const PLANS = ["free", "starter", "builder", "pro", "elite", "enterprise"] as const;
export type Plan = (typeof PLANS)[number];
/** The least plan with connectors. */
export const CONNECTORS_PLAN: Plan = "builder";

const SCOPE_ROLE: Readonly<Record<Scope, Role>> = { read: "viewer", write: "editor", admin: "admin" };

export const roleReaches = (role: Role, least: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(least);

/** The role, no higher than the scope lets it. */
export function capped(role: Role, scope: Scope): Role {
  const most = SCOPE_ROLE[scope];
  return roleReaches(role, most) ? most : role;
}

export const allowsConnectors = (plan: Plan): boolean => PLANS.indexOf(plan) >= PLANS.indexOf(CONNECTORS_PLAN);

export const asPlan = (text: unknown): Plan | null => PLANS.find((plan) => plan === text) ?? null;
