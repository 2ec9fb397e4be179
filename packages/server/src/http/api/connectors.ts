/** Connectors of an app, for its builders: list, connect, disconnect, remove. */
import type { Provider } from "../../providers/provider.ts";
import type { Catalog } from "../../providers/index.ts";
import type { Initiated } from "../../service/consent/declare.ts";
import type { HttpServer } from "../fastify.ts";
import { requireUser, requireAppBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import {
  AddScopesBody,
  AvailableReply,
  ConnectionConfigReply,
  DisconnectedReply,
  GovernanceReply,
  InitiateBody,
  InitiateReply,
  ListReply,
  RemovedReply,
  StatusQuery,
  StatusReply,
} from "../../wire/connectors.ts";
import { AppParams, ServiceParams } from "../../wire/fields.ts";

const BASE = "/api/apps/:app/external-auth";

export function connectorRoutes(server: HttpServer, context: HttpContext): void {
  catalogRoutes(server, context);
  listRoutes(server, context);
  consentRoutes(server, context);
  endRoutes(server, context);
}

function catalogRoutes(server: HttpServer, context: HttpContext): void {
  const { catalog, connect, governance } = context;

  // Public: the documentation has the same list.
  server.get("/api/external-auth/available-integrations", { schema: { response: { 200: AvailableReply } } }, () =>
    available(catalog),
  );

  server.get(
    `${BASE}/available-integrations`,
    { schema: { params: AppParams, response: { 200: AvailableReply } } },
    async (request) => {
      await requireAppBuilder(context, request, request.params.app, "connector.read");
      return available(catalog);
    },
  );

  server.get(
    `${BASE}/connection-config/:integration_type`,
    { schema: { params: ServiceParams, response: { 200: ConnectionConfigReply } } },
    async (request) => {
      const { app: app_param, integration_type } = request.params;
      const { app_id } = await requireAppBuilder(context, request, app_param, "connector.read");
      const { provider, config } = await connect.savedConfig(app_id, integration_type);
      return {
        integration_type,
        connection_config_fields: configFields(provider),
        connection_config: { ...config },
      };
    },
  );

  server.get(
    `${BASE}/connector-governance`,
    { schema: { params: AppParams, response: { 200: GovernanceReply } } },
    async (request) => {
      const { app_id } = await requireAppBuilder(context, request, request.params.app, "governance.read");
      return { integrations: [...(await governance.listOfApp(app_id))] };
    },
  );
}

function listRoutes(server: HttpServer, context: HttpContext): void {
  const { connect, connections } = context;

  server.get(`${BASE}/list`, { schema: { params: AppParams, response: { 200: ListReply } } }, async (request) => {
    const { app_id } = await requireAppBuilder(context, request, request.params.app, "connector.read");
    await connections.verify(app_id);
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

  server.get(
    `${BASE}/status`,
    { schema: { params: AppParams, querystring: StatusQuery, response: { 200: StatusReply } } },
    async (request) => {
      const { app_id, user_id } = await requireAppBuilder(context, request, request.params.app, "connector.read");
      const { integration_type, connection_id } = request.query;
      const query = { app_id, integration_type, connection_id, principal: user_id ?? "" };
      const { status, missing_scopes } = await connect.status(query);
      return { status, missing_scopes: [...missing_scopes] };
    },
  );
}

function consentRoutes(server: HttpServer, context: HttpContext): void {
  const { connect } = context;

  server.put(
    `${BASE}/integrations/:integration_type`,
    { schema: { params: ServiceParams, body: InitiateBody, response: { 200: InitiateReply } } },
    async (request): Promise<Initiated> => {
      const { app: app_param, integration_type } = request.params;
      const builder = await requireAppBuilder(context, request, app_param, "connector.connect");
      const { app_id, actor } = builder;
      const { scopes = [], connection_config: config = null, return_to = null } = request.body;
      const initiator = requireUser(builder);
      const initiated = await connect.initiate({ app_id, integration_type, scopes, config, initiator, return_to });
      context.audit.record({ app_id, actor, action: "connector.initiate", target: integration_type });
      return initiated;
    },
  );

  server.post(
    `${BASE}/initiate`,
    { schema: { params: AppParams, body: AddScopesBody, response: { 200: InitiateReply } } },
    async (request): Promise<Initiated> => {
      const builder = await requireAppBuilder(context, request, request.params.app, "connector.connect");
      const { app_id, actor } = builder;
      const { integration_type, scopes, force_reconnect, connection_config, return_to } = request.body;
      const initiated = await connect.initiate({
        app_id,
        integration_type,
        scopes: scopes ?? [],
        config: connection_config ?? null,
        initiator: requireUser(builder),
        return_to: return_to ?? null,
        scope_change: "add",
        force_reconnect: force_reconnect ?? false,
      });
      context.audit.record({ app_id, actor, action: "connector.initiate", target: integration_type });
      return initiated;
    },
  );
}

function endRoutes(server: HttpServer, context: HttpContext): void {
  const { connections } = context;

  server.delete(
    `${BASE}/integrations/:integration_type`,
    { schema: { params: ServiceParams, response: { 200: DisconnectedReply } } },
    async (request) => {
      const { app: app_param, integration_type } = request.params;
      const { app_id, actor } = await requireAppBuilder(context, request, app_param, "connector.disconnect");
      await connections.disconnect(app_id, integration_type);
      context.audit.record({ app_id, actor, action: "connector.disconnect", target: integration_type });
      return { status: "disconnected" as const, integration_type };
    },
  );

  server.delete(
    `${BASE}/integrations/:integration_type/remove`,
    { schema: { params: ServiceParams, response: { 200: RemovedReply } } },
    async (request) => {
      const { app: app_param, integration_type } = request.params;
      const { app_id, actor } = await requireAppBuilder(context, request, app_param, "connector.disconnect");
      await connections.remove(app_id, integration_type);
      context.audit.record({ app_id, actor, action: "connector.remove", target: integration_type });
      return { status: "removed" as const, integration_type };
    },
  );
}

function available(catalog: Catalog) {
  return {
    integrations: catalog.all().map((provider) => ({
      integration_type: provider.id,
      display_name: provider.display_name,
      description: provider.description,
      connection_config_fields: configFields(provider),
    })),
  };
}

function configFields({ config_fields }: Provider) {
  return config_fields.map(({ name, display_name, description, placeholder, required, pattern, validation_error }) => ({
    name,
    display_name,
    description,
    placeholder,
    required,
    validation_pattern: pattern,
    validation_error,
  }));
}
