/** Our own management routes: apps, service tokens, OAuth clients. Unknown fields are refused; secrets are shown once. */
import { Secret } from "../../core/secret.ts";
import { plus } from "../../core/types.ts";
import type { App } from "../app.ts";
import { requireAppBuilder, requireBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import {
  AppParams,
  AppsReply,
  ClientParams,
  ClientReply,
  ClientsReply,
  CreateAppBody,
  CreatedAppReply,
  CreatedTokenReply,
  CreateTokenBody,
  DoneReply,
  SetClientBody,
  TokenParams,
  TokensReply,
} from "../schemas.ts";

const BASE = "/api/management";
const DONE = { status: "done" as const };

export function managementRoutes(app: App, context: HttpContext): void {
  const { apps, clients, audit, clock } = context;

  app.get(`${BASE}/apps`, { schema: { response: { 200: AppsReply } } }, async (request) => {
    await requireBuilder(context, request);
    return { apps: (await apps.list()).map(({ id, name, created_at }) => ({ id, name, created_at })) };
  });

  app.post(
    `${BASE}/apps`,
    { schema: { body: CreateAppBody, response: { 200: CreatedAppReply } } },
    async (request, reply) => {
      const builder = await requireBuilder(context, request);
      const { app_id, service_token, api_key } = await apps.create(request.body.name);
      audit.record({ app_id, actor: builder.actor, action: "app.create", target: null, request_id: request.id });
      void reply.header("cache-control", "no-store");
      return { app_id, service_token: service_token.expose(), api_key: api_key.expose() };
    },
  );

  app.delete(`${BASE}/apps/:app`, { schema: { params: AppParams, response: { 200: DoneReply } } }, async (request) => {
    const builder = await requireAppBuilder(context, request, request.params.app);
    await apps.remove(builder.app_id);
    audit.record({
      app_id: builder.app_id,
      actor: builder.actor,
      action: "app.delete",
      target: null,
      request_id: request.id,
    });
    return DONE;
  });

  app.get(
    `${BASE}/apps/:app/tokens`,
    { schema: { params: AppParams, response: { 200: TokensReply } } },
    async (request) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app);
      return { tokens: [...(await apps.listTokens(app_id))] };
    },
  );

  app.post(
    `${BASE}/apps/:app/tokens`,
    { schema: { params: AppParams, body: CreateTokenBody, response: { 200: CreatedTokenReply } } },
    async (request, reply) => {
      const builder = await requireAppBuilder(context, request, request.params.app);
      const { name, expires_in_s } = request.body;
      const expires_at = expires_in_s === undefined ? null : plus(clock.now(), expires_in_s * 1000);
      const { id, service_token } = await apps.createToken(builder.app_id, name, expires_at);
      audit.record({
        app_id: builder.app_id,
        actor: builder.actor,
        action: "service_token.create",
        target: id,
        request_id: request.id,
      });
      void reply.header("cache-control", "no-store");
      return { id, service_token: service_token.expose() };
    },
  );

  app.delete(
    `${BASE}/apps/:app/tokens/:token`,
    { schema: { params: TokenParams, response: { 200: DoneReply } } },
    async (request) => {
      const builder = await requireAppBuilder(context, request, request.params.app);
      await apps.revokeToken(builder.app_id, request.params.token);
      audit.record({
        app_id: builder.app_id,
        actor: builder.actor,
        action: "service_token.revoke",
        target: request.params.token,
        request_id: request.id,
      });
      return DONE;
    },
  );

  app.get(`${BASE}/clients`, { schema: { response: { 200: ClientsReply } } }, async (request) => {
    await requireBuilder(context, request);
    return { clients: [...(await clients.list())] };
  });

  app.put(
    `${BASE}/clients/:integration_type`,
    { schema: { params: ClientParams, body: SetClientBody, response: { 200: ClientReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      const { integration_type } = request.params;
      const { client_id, client_secret, shared_callback = false } = request.body;
      const client = await clients.set({
        integration_type,
        client_id,
        client_secret: new Secret(client_secret),
        shared_callback,
      });
      audit.record({
        app_id: "",
        actor: builder.actor,
        action: "oauth_client.set",
        target: integration_type,
        request_id: request.id,
      });
      return client;
    },
  );

  app.delete(
    `${BASE}/clients/:integration_type`,
    { schema: { params: ClientParams, response: { 200: DoneReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      await clients.remove(request.params.integration_type);
      audit.record({
        app_id: "",
        actor: builder.actor,
        action: "oauth_client.remove",
        target: request.params.integration_type,
        request_id: request.id,
      });
      return DONE;
    },
  );
}
