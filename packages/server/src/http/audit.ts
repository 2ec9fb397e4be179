/** What a builder did, for the audit trail, in one line of a route. */
import type { FastifyRequest } from "fastify";
import type { WorkspaceId } from "../core/types.ts";
import type { HttpContext } from "./context.ts";

export interface Deed {
  readonly actor: string;
  readonly action: string;
  readonly target?: string | null;
  readonly app_id?: string;
  readonly workspace_id?: WorkspaceId | null;
}

export function record(
  { audit }: HttpContext,
  request: FastifyRequest,
  { target = null, app_id = "", ...deed }: Deed,
): void {
  audit.record({ ...deed, target, app_id, request_id: request.id });
}
