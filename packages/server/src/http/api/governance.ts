/** The services that a workspace lets its apps use. Unknown fields are refused. */
import type { HttpServer } from "../fastify.ts";
import { requireWorkspaceBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { GovernanceReply, SwitchesBody, SwitchesReply } from "../../wire/connectors.ts";
import { WorkspaceParams, WorkspaceServiceParams } from "../../wire/fields.ts";

const BASE = "/api/workspace/:workspace/connector-governance";

export function governanceRoutes(server: HttpServer, context: HttpContext): void {
  const { governance } = context;

  server.get(BASE, { schema: { params: WorkspaceParams, response: { 200: GovernanceReply } } }, async (request) => {
    const { id } = await requireWorkspaceBuilder(context, request, request.params.workspace, "governance.read");
    return { integrations: [...(await governance.list(id))] };
  });

  server.get(
    `${BASE}/:integration_type`,
    { schema: { params: WorkspaceServiceParams, response: { 200: SwitchesReply } } },
    async (request) => {
      const { id } = await requireWorkspaceBuilder(context, request, request.params.workspace, "governance.read");
      return await governance.get(id, request.params.integration_type);
    },
  );

  server.put(
    `${BASE}/:integration_type`,
    { schema: { params: WorkspaceServiceParams, body: SwitchesBody, response: { 200: SwitchesReply } } },
    async (request) => {
      const { workspace } = request.params;
      const { id, principal } = await requireWorkspaceBuilder(context, request, workspace, "governance.manage");
      const { integration_type } = request.params;
      const switches = await governance.set(id, integration_type, request.body);
      const action = `governance.${switches.builder_connection_enabled ? "allow" : "block"}`;
      const { actor } = principal;
      context.audit.record({ actor, action, target: integration_type, workspace_id: id });
      return switches;
    },
  );
}
