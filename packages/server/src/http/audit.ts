/** Records a builder's action in the audit trail. Every route that changes something calls this. */
import type { FastifyRequest } from "fastify";
import type { WorkspaceId } from "../core/types.ts";
import type { HttpContext } from "./context.ts";

export interface AuditedAction {
  readonly actor: string;
  /** `<noun>.<verb>`. */
  readonly action: string;
  readonly target?: string | null;
  readonly app_id?: string;
  readonly workspace_id?: WorkspaceId | null;
}

export function record(
  { audit }: HttpContext,
  request: FastifyRequest,
  { target = null, app_id = "", ...rest }: AuditedAction,
): void {
  audit.record({ ...rest, target, app_id, request_id: request.id });
}
