/** Our own management routes: apps, service tokens, OAuth clients. Unknown fields are refused; secrets are shown once. */
import { asWorkspaceId } from "../../core/ids.ts";
import { roleReaches } from "../../core/roles.ts";
import { plus, type WorkspaceId } from "../../core/types.ts";
import type { AppRow } from "../../service/apps/apps.ts";
import { ACTIONS, type BuilderPrincipal } from "../../service/access/authorization.ts";
import type { HttpServer } from "../fastify.ts";
import { record } from "../audit.ts";
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

const BASE = "/api/management";
const DONE = { status: "done" as const };

export function managementRoutes(app: HttpServer, context: HttpContext): void {
  const { apps, authorization, clock } = context;

  app.get(`${BASE}/apps`, { schema: { response: { 200: AppsReply } } }, async (request) => {
    const visible = await authorization.workspaces(await requireBuilder(context, request));
    const lists = await Promise.all(visible.map(({ id }) => apps.list(id)));
    return { apps: lists.flat().map(appReply) };
  });

  app.post(
    `${BASE}/apps`,
    { schema: { body: CreateAppBody, response: { 200: CreatedAppReply } } },
    async (request, reply) => {
      const builder = await requireBuilder(context, request);
      const workspace_id = await workspaceFor(builder, request.body.workspace_id);
      await authorization.require(builder, workspace_id, "app.create");
      const { user_id, actor, scope } = builder;
      const created = await apps.create(request.body.name, { workspace_id, user_id, scope: scope ?? "admin" });
      const { app_id, service_token, api_key } = created;
      record(context, request, { app_id, actor, action: "app.create" });
      void reply.header("cache-control", "no-store");
      return { app_id, service_token: service_token.expose(), api_key: api_key?.expose() ?? null };
    },
  );

  app.patch(
    `${BASE}/apps/:app`,
    { schema: { params: AppParams, body: ChangeAppBody, response: { 200: AppReply } } },
    async (request) => {
      const { functions_enabled } = request.body;
      const action = functions_enabled === undefined ? "app.rename" : "app.functions";
      const { app_id, actor } = await requireAppBuilder(context, request, request.params.app, action);
      const changed = await apps.change(app_id, request.body);
      const target = functions_enabled === undefined ? null : functions_enabled ? "on" : "off";
      record(context, request, { app_id, actor, action, target });
      return appReply(changed);
    },
  );

  app.delete(`${BASE}/apps/:app`, { schema: { params: AppParams, response: { 200: DoneReply } } }, async (request) => {
    const { app_id, app: removed, actor } = await requireAppBuilder(context, request, request.params.app, "app.delete");
    await apps.remove(app_id);
    record(context, request, { app_id, actor, action: "app.delete", workspace_id: removed.workspace_id });
    return DONE;
  });

  app.get(
    `${BASE}/apps/:app/tokens`,
    { schema: { params: AppParams, response: { 200: TokensReply } } },
    async (request) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app, "service_token.read");
      return { tokens: [...(await apps.listTokens(app_id))] };
    },
  );

  app.post(
    `${BASE}/apps/:app/tokens`,
    { schema: { params: AppParams, body: CreateTokenBody, response: { 200: CreatedTokenReply } } },
    async (request, reply) => {
      const { app_id, actor } = await requireAppBuilder(context, request, request.params.app, "service_token.manage");
      const { name, expires_in_s } = request.body;
      const expires_at = expires_in_s === undefined ? null : plus(clock.now(), expires_in_s * 1000);
      const { id, service_token } = await apps.createToken(app_id, name, expires_at);
      record(context, request, { app_id, actor, action: "service_token.create", target: id });
      void reply.header("cache-control", "no-store");
      return { id, service_token: service_token.expose() };
    },
  );

  app.delete(
    `${BASE}/apps/:app/tokens/:token`,
    { schema: { params: TokenParams, response: { 200: DoneReply } } },
    async (request) => {
      const { app: app_param, token: target } = request.params;
      const { app_id, actor } = await requireAppBuilder(context, request, app_param, "service_token.manage");
      await apps.revokeToken(app_id, target);
      record(context, request, { app_id, actor, action: "service_token.revoke", target });
      return DONE;
    },
  );

  clientRoutes(app, context);

  /** The one that is named, the credential's own, or the first where the builder may create apps. */
  async function workspaceFor(builder: BuilderPrincipal, given: string | undefined): Promise<WorkspaceId> {
    if (given !== undefined) return asWorkspaceId(given);
    const all = await authorization.workspaces(builder);
    const first = all.find(({ role }) => roleReaches(role, ACTIONS["app.create"])) ?? all[0];
    return builder.workspace_id ?? first?.id ?? asWorkspaceId("");
  }
}

function appReply({ id, workspace_id, name, functions_enabled, created_at }: AppRow) {
  return { id, workspace_id, name, functions_enabled, created_at };
}
