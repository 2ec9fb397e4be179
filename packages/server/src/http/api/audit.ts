/**
 * The audit trail as JSON lines, oldest first, in pages. `X-Next-Cursor` leads to the next page
 * and is absent on the last. Times are ms since the epoch or RFC 3339. `since` is inclusive,
 * `until` is not.
 */
import { CodedError } from "../../core/errors.ts";
import { asAppId, asWorkspaceId } from "../../core/ids.ts";
import { roleReaches } from "../../core/roles.ts";
import { auditLine, type AuditRange } from "../../service/audit.ts";
import { ACTIONS } from "../../service/access/actions.ts";
import type { BuilderPrincipal } from "../../service/access/principals.ts";
import type { HttpServer } from "../fastify.ts";
import { requireBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { instantOf } from "../query.ts";
import { AuditQuery } from "../../wire/management.ts";

export function auditRoutes(server: HttpServer, context: HttpContext): void {
  server.get("/api/management/audit", { schema: { querystring: AuditQuery } }, async (request, reply) => {
    const principal = await requireBuilder(context, request);
    const { app: app_id, workspace, since, until, cursor = null } = request.query;
    const { events, next } = await context.audit.export({
      ...(await rangeOf(context, principal, app_id, workspace)),
      since: instantOf("since", since),
      until: instantOf("until", until),
      cursor,
    });
    if (next !== null) void reply.header("x-next-cursor", next);
    return await reply
      .header("cache-control", "no-store")
      .type("application/x-ndjson; charset=utf-8")
      .send(events.map(auditLine).join(""));
  });
}

/**
 * Returns the scope of the export: one app, one workspace with its apps, or all that this builder
 * is allowed to export.
 */
async function rangeOf(
  { authorization }: HttpContext,
  principal: BuilderPrincipal,
  app_id: string | undefined,
  workspace: string | undefined,
): Promise<Pick<AuditRange, "app_id" | "workspace_ids" | "installation">> {
  if (app_id !== undefined) {
    const { id, workspace_id } = await authorization.app(principal, asAppId(app_id), "audit.export");
    return { app_id: id, workspace_ids: [workspace_id], installation: false };
  }
  if (workspace !== undefined) {
    const workspace_id = asWorkspaceId(workspace);
    await authorization.require(principal, workspace_id, "audit.export");
    return { app_id: null, workspace_ids: [workspace_id], installation: false };
  }
  const memberships = await authorization.workspaces(principal);
  const own = memberships.filter(({ role }) => roleReaches(role, ACTIONS["audit.export"])).map(({ id }) => id);
  if (own.length === 0)
    throw new CodedError("insufficient_role", {
      message: `This needs the ${ACTIONS["audit.export"]} role in a workspace.`,
    });
  return { app_id: null, workspace_ids: own, installation: await canExportInstallation(authorization, principal) };
}

async function canExportInstallation(
  authorization: HttpContext["authorization"],
  principal: BuilderPrincipal,
): Promise<boolean> {
  try {
    await authorization.installation(principal, "audit.export");
    return true;
  } catch (error) {
    if (error instanceof CodedError && error.code === "insufficient_role") return false;
    throw error;
  }
}
