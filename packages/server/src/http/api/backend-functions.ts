/**
 * Deploys functions, for an app's builders: the routes of the public command line, and our own
 * routes for versions. functions.ts handles calls.
 */
import { jsonBodyLimit } from "../../core/functions/function-limits.ts";
import type { HttpServer } from "../fastify.ts";
import { requireAppBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { readAutomations } from "../../wire/automations.ts";
import { AppParams } from "../../wire/fields.ts";
import {
  BackendFunctionsReply,
  DeployBody,
  DeployedReply,
  FunctionParams,
  RollbackBody,
  RolledBackReply,
  SchedulesReply,
  VersionsReply,
} from "../../wire/functions.ts";
import { SuccessReply } from "../../wire/platform.ts";

const BASE = "/api/apps/:app/backend-functions";
const MANAGEMENT = "/api/management/apps/:app/functions/:name";

export function backendFunctionRoutes(server: HttpServer, context: HttpContext): void {
  contractRoutes(server, context);
  versionRoutes(server, context);
}

function contractRoutes(server: HttpServer, context: HttpContext): void {
  const { functions, audit, config } = context;

  server.get(BASE, { schema: { params: AppParams, response: { 200: BackendFunctionsReply } } }, async (request) => {
    const { app_id } = await requireAppBuilder(context, request, request.params.app, "function.read");
    const list = await functions.list(app_id);
    return {
      functions: list.map(({ name, version_id, version, entry, files, automations }) => ({
        name,
        deployment_id: version_id,
        version,
        entry,
        files: [...files],
        automations: [...automations],
      })),
    };
  });

  server.put(
    `${BASE}/:name`,
    {
      schema: { params: FunctionParams, body: DeployBody, response: { 200: DeployedReply } },
      bodyLimit: jsonBodyLimit(config.limits.function_source_bytes, config.limits),
      // Before reading the body, which could fill the memory.
      onRequest: async (request) => {
        await requireAppBuilder(context, request, request.params.app, "function.deploy");
      },
    },
    async (request) => {
      const { app, name } = request.params;
      const { app_id, actor } = await requireAppBuilder(context, request, app, "function.deploy");
      const { entry, files, automations } = request.body;
      const deployment = { entry, files, automations: readAutomations(automations) };
      const { status, number, notes } = await functions.deploy(app_id, name, deployment, actor);
      if (status === "deployed") audit.record({ app_id, actor, action: "function.deploy", target: name });
      return { status, version: number, notes: [...notes] };
    },
  );

  server.delete(
    `${BASE}/:name`,
    { schema: { params: FunctionParams, response: { 200: SuccessReply } } },
    async (request) => {
      const { app, name } = request.params;
      const { app_id, actor } = await requireAppBuilder(context, request, app, "function.deploy");
      await functions.remove(app_id, name);
      audit.record({ app_id, actor, action: "function.delete", target: name });
      return { success: true };
    },
  );
}

function versionRoutes(server: HttpServer, context: HttpContext): void {
  const { functions, audit } = context;

  server.get(
    "/api/management/apps/:app/schedules",
    { schema: { params: AppParams, response: { 200: SchedulesReply } } },
    async (request) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app, "function.read");
      return { schedules: [...(await functions.schedules(app_id))] };
    },
  );

  server.get(
    `${MANAGEMENT}/versions`,
    { schema: { params: FunctionParams, response: { 200: VersionsReply } } },
    async (request) => {
      const { app, name } = request.params;
      const { app_id } = await requireAppBuilder(context, request, app, "function.read");
      return { versions: [...(await functions.versions(app_id, name))] };
    },
  );

  server.post(
    `${MANAGEMENT}/rollback`,
    { schema: { params: FunctionParams, body: RollbackBody, response: { 200: RolledBackReply } } },
    async (request) => {
      const { app, name } = request.params;
      const { app_id, actor } = await requireAppBuilder(context, request, app, "function.deploy");
      const version = await functions.rollback(app_id, name, request.body.to ?? null);
      audit.record({ app_id, actor, action: "function.rollback", target: name });
      return { version };
    },
  );
}
