/**
 * Entitlements: what a workspace's plan and an app's switch for functions allow the app's tokens to
 * do. Checked at each use of a token.
 */
import { CodedError } from "../../core/errors.ts";
import { allowsConnectors, type Plan } from "../../core/roles.ts";
import type { AppRow } from "../../store/tables.ts";

export type Entitlements = Pick<AppRow, "plan" | "functions_enabled">;

/** @throws CodedError `functions_disabled`, `plan_upgrade_required` */
export function requireEntitled({ plan, functions_enabled }: Entitlements): void {
  if (!functions_enabled) throw new CodedError("functions_disabled");
  requireConnectors(plan);
}

/** @throws CodedError `plan_upgrade_required` */
export function requireConnectors(plan: Plan): void {
  if (allowsConnectors(plan)) return;
  const message = `The workspace is on the ${plan} plan. Connectors require the builder plan or a higher one. An admin of the workspace can change it.`;
  throw new CodedError("plan_upgrade_required", { message });
}
