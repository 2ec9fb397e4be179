/** Connectors of an app, for its builder: what there is, what is connected, connect, disconnect, remove. */
import type { App } from "../app.ts";
import { requireAppBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import {
  AppParams,
  AvailableReply,
  DisconnectedReply,
  InitiateBody,
  InitiateReply,
  ListReply,
  RemovedReply,
  ServiceParams,
  StatusQuery,
  StatusReply,
} from "../schemas.ts";

const BASE = "/api/apps/:app/external-auth";

export function connectorRoutes(app: App, context: HttpContext): void {
  const { connect, connections, catalog, audit } = context;

  app.get(
    `${BASE}/available-integrations`,
    { schema: { params: AppParams, response: { 200: AvailableReply } } },
    async (request) => {
      await requireAppBuilder(context, request, request.params.app);
      return {
        integrations: catalog.all().map((provider) => ({
          integration_type: provider.id,
          display_name: provider.display_name,
          description: provider.description,
          connection_config_fields: provider.config_fields.map(
            ({ name, display_name, description, placeholder, required, pattern, validation_error }) => ({
              name,
              display_name,
              description,
              placeholder,
              required,
              validation_pattern: pattern,
              validation_error,
            }),
          ),
        })),
      };
    },
  );

  app.get(`${BASE}/list`, { schema: { params: AppParams, response: { 200: ListReply } } }, async (request) => {
    const { app_id } = await requireAppBuilder(context, request, request.params.app);
    const list = await connections.list(app_id);
    return {
      integrations: list.map(({ integration_type, status, scopes, missing_scopes, reason, account }) => ({
        integration_type,
        status,
        scopes: [...scopes],
        missing_scopes: [...missing_scopes],
        reason,
        account_label: account.label,
        ...(account.email === null ? {} : { user_email: account.email }),
      })),
    };
  });

  app.put(
    `${BASE}/integrations/:integration_type`,
    { schema: { params: ServiceParams, body: InitiateBody, response: { 200: InitiateReply } } },
    async (request) => {
      const { app: app_param, integration_type } = request.params;
      const builder = await requireAppBuilder(context, request, app_param);
      const { scopes = [], connection_config, return_to } = request.body;
      const initiated = await connect.initiate({
        app_id: builder.app_id,
        integration_type,
        scopes,
        config: connection_config ?? null,
        initiator: builder.name,
        return_to: return_to ?? null,
      });
      audit.record({
        app_id: builder.app_id,
        actor: builder.actor,
        action: "connector.initiate",
        target: integration_type,
        request_id: request.id,
      });
      return { ...initiated, error: null, error_message: null, other_user_email: null };
    },
  );

  app.get(
    `${BASE}/status`,
    { schema: { params: AppParams, querystring: StatusQuery, response: { 200: StatusReply } } },
    async (request) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app);
      const { integration_type, connection_id } = request.query;
      const { status, missing_scopes } = await connect.status(app_id, integration_type, connection_id);
      return { status, missing_scopes: [...missing_scopes] };
    },
  );

  app.delete(
    `${BASE}/integrations/:integration_type`,
    { schema: { params: ServiceParams, response: { 200: DisconnectedReply } } },
    async (request) => {
      const { app: app_param, integration_type } = request.params;
      const builder = await requireAppBuilder(context, request, app_param);
      await connections.disconnect(builder.app_id, integration_type);
      audit.record({
        app_id: builder.app_id,
        actor: builder.actor,
        action: "connector.disconnect",
        target: integration_type,
        request_id: request.id,
      });
      return { status: "disconnected" as const, integration_type };
    },
  );

  app.delete(
    `${BASE}/integrations/:integration_type/remove`,
    { schema: { params: ServiceParams, response: { 200: RemovedReply } } },
    async (request) => {
      const { app: app_param, integration_type } = request.params;
      const builder = await requireAppBuilder(context, request, app_param);
      await connections.remove(builder.app_id, integration_type);
      audit.record({
        app_id: builder.app_id,
        actor: builder.actor,
        action: "connector.remove",
        target: integration_type,
        request_id: request.id,
      });
      return { status: "removed" as const, integration_type };
    },
  );
}
