/**
 * Deploys functions, for an app's builders: the routes of the public command line, and our own
 * routes for versions. functions.ts handles calls.
 */
import { Readable } from "node:stream";
import { jsonBodyLimit } from "../../core/functions/function-limits.ts";
import type { HttpServer } from "../fastify.ts";
import { requireAppBuilder } from "../auth.ts";
import { reserveBody } from "../body-budget.ts";
import type { ByteBudget } from "../byte-budget.ts";
import type { HttpContext } from "../context.ts";
import { readAutomations } from "../../wire/automations.ts";
import { AppParams } from "../../wire/fields.ts";
import {
  type BackendFunction,
  DeployBody,
  DeployedReply,
  FunctionParams,
  RollbackBody,
  RolledBackReply,
  SchedulesReply,
  VersionsReply,
} from "../../wire/functions.ts";
import { SuccessReply } from "../../wire/platform.ts";
import type { ListedFunction } from "../../service/functions/functions.ts";

const BASE = "/api/apps/:app/backend-functions";
const MANAGEMENT = "/api/management/apps/:app/functions/:name";

/** A function in a list is in memory as its stored bytes and as JSON. */
const LIST_COPIES = 2;
/** Characters of a list that are sent at a time. More would wait in memory for a slow client. */
const PIECE_LENGTH = 65_536;

export function backendFunctionRoutes(server: HttpServer, context: HttpContext, budget: ByteBudget): void {
  listRoute(server, context, budget);
  contractRoutes(server, context, budget);
  versionRoutes(server, context);
}

/**
 * Sends one function at a time, because a list can have 50 MiB, and several clients can read
 * slowly.
 */
function listRoute(server: HttpServer, context: HttpContext, budget: ByteBudget): void {
  const { functions, clock, config } = context;
  const { function_source_bytes, function_list_ms } = config.limits;

  server.get(BASE, { schema: { params: AppParams } }, async (request, reply) => {
    const { app_id } = await requireAppBuilder(context, request, request.params.app, "function.read");
    const release = budget.reserve(app_id, LIST_COPIES * function_source_bytes);
    const list = Readable.from(piecesOf(functions.list(app_id)));
    const cancel = clock.after(function_list_ms, () => list.destroy(new Error("The client reads too slowly.")));
    list.once("close", cancel).once("close", release);
    return await reply.type("application/json; charset=utf-8").send(list);
  });
}

async function* piecesOf(functions: AsyncIterable<ListedFunction>): AsyncGenerator<string> {
  let separator = "";
  let head = '{"functions":[';
  for await (const listed of functions) {
    const text = `${head}${separator}${JSON.stringify(onWire(listed))}`;
    head = "";
    separator = ",";
    for (let at = 0; at < text.length; at += PIECE_LENGTH) yield text.slice(at, at + PIECE_LENGTH);
  }
  yield `${head}]}`;
}

const onWire = ({ name, version_id, version, entry, files, automations }: ListedFunction): BackendFunction => ({
  name,
  deployment_id: version_id,
  version,
  entry,
  files: files.map(({ path, content }) => ({ path, content })),
  automations: [...automations],
});

function contractRoutes(server: HttpServer, context: HttpContext, budget: ByteBudget): void {
  const { functions, audit, config } = context;
  const body_limit = jsonBodyLimit(config.limits.function_source_bytes, config.limits);

  server.put(
    `${BASE}/:name`,
    {
      schema: { params: FunctionParams, body: DeployBody, response: { 200: DeployedReply } },
      bodyLimit: body_limit,
      // Before reading the body, which could fill the memory.
      onRequest: async (request, reply) => {
        const { app_id } = await requireAppBuilder(context, request, request.params.app, "function.deploy");
        reserveBody(budget, { app_id, body_limit }, request, reply);
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
