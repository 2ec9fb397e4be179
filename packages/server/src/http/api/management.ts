/**
 * Our own management routes: apps and service tokens. Unknown fields are refused. A reply shows a
 * secret once.
 */
import { plus } from "../../core/types.ts";
import type { AppRow } from "../../service/apps/apps.ts";
import type { HttpServer } from "../fastify.ts";
import { requireAppBuilder, requireBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { AppParams } from "../../wire/fields.ts";
import {
  AppReply,
  AppsReply,
  ChangeAppBody,
  CreateAppBody,
  CreateTokenBody,
  CreatedAppReply,
  CreatedTokenReply,
  DoneReply,
  TokenParams,
  TokensReply,
} from "../../wire/management.ts";
import { clientRoutes } from "./clients.ts";
import { appsOf, workspaceForApps } from "./visible-apps.ts";

const BASE = "/api/management";
const DONE = { status: "done" as const };

export function managementRoutes(server: HttpServer, context: HttpContext): void {
  appListRoutes(server, context);
  appRoutes(server, context);
  tokenRoutes(server, context);
  clientRoutes(server, context);
}

function appListRoutes(server: HttpServer, context: HttpContext): void {
  const { apps, authorization } = context;

  server.get(`${BASE}/apps`, { schema: { response: { 200: AppsReply } } }, async (request) => {
    const visible = await appsOf(context, await requireBuilder(context, request));
    return { apps: visible.map(appReply) };
  });

  server.post(
    `${BASE}/apps`,
    { schema: { body: CreateAppBody, response: { 200: CreatedAppReply } } },
    async (request, reply) => {
      const builder = await requireBuilder(context, request);
      const workspace_id = await workspaceForApps(context, builder, request.body.workspace_id);
      await authorization.require(builder, workspace_id, "app.create");
      const { user_id, actor, scope } = builder;
      const created = await apps.create(request.body.name, { workspace_id, user_id, scope: scope ?? "admin" });
      const { app_id, service_token, api_key } = created;
      context.audit.record({ app_id, actor, action: "app.create" });
      void reply.header("cache-control", "no-store");
      return { app_id, service_token: service_token.expose(), api_key: api_key?.expose() ?? null };
    },
  );
}

function appRoutes(server: HttpServer, context: HttpContext): void {
  const { apps } = context;

  server.patch(
    `${BASE}/apps/:app`,
    { schema: { params: AppParams, body: ChangeAppBody, response: { 200: AppReply } } },
    async (request) => {
      const { functions_enabled } = request.body;
      const action = functions_enabled === undefined ? "app.rename" : "app.functions";
      const { app_id, actor } = await requireAppBuilder(context, request, request.params.app, action);
      const changed = await apps.change(app_id, request.body);
      const target = functions_enabled === undefined ? null : functions_enabled ? "on" : "off";
      context.audit.record({ app_id, actor, action, target });
      return appReply(changed);
    },
  );

  server.delete(
    `${BASE}/apps/:app`,
    { schema: { params: AppParams, response: { 200: DoneReply } } },
    async (request) => {
      const {
        app_id,
        app: removed,
        actor,
      } = await requireAppBuilder(context, request, request.params.app, "app.delete");
      await apps.remove(app_id);
      context.audit.record({ app_id, actor, action: "app.delete", workspace_id: removed.workspace_id });
      return DONE;
    },
  );
}

function tokenRoutes(server: HttpServer, context: HttpContext): void {
  const { apps, clock } = context;

  server.get(
    `${BASE}/apps/:app/tokens`,
    { schema: { params: AppParams, response: { 200: TokensReply } } },
    async (request) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app, "service_token.read");
      return { tokens: [...(await apps.listTokens(app_id))] };
    },
  );

  server.post(
    `${BASE}/apps/:app/tokens`,
    { schema: { params: AppParams, body: CreateTokenBody, response: { 200: CreatedTokenReply } } },
    async (request, reply) => {
      const { app_id, actor } = await requireAppBuilder(context, request, request.params.app, "service_token.manage");
      const { name, expires_in_s } = request.body;
      const expires_at = expires_in_s === undefined ? null : plus(clock.now(), expires_in_s * 1000);
      const { id, service_token } = await apps.createToken(app_id, name, expires_at);
      context.audit.record({ app_id, actor, action: "service_token.create", target: id });
      void reply.header("cache-control", "no-store");
      return { id, service_token: service_token.expose() };
    },
  );

  server.delete(
    `${BASE}/apps/:app/tokens/:token`,
    { schema: { params: TokenParams, response: { 200: DoneReply } } },
    async (request) => {
      const { app: app_param, token: target } = request.params;
      const { app_id, actor } = await requireAppBuilder(context, request, app_param, "service_token.manage");
      await apps.revokeToken(app_id, target);
      context.audit.record({ app_id, actor, action: "service_token.revoke", target });
      return DONE;
    },
  );
}

function appReply({ id, workspace_id, name, functions_enabled, created_at }: AppRow) {
  return { id, workspace_id, name, functions_enabled, created_at };
}
