/**
 * OAuth clients. A workspace's admins manage its clients. The admins of the first workspace manage
 * the installation's, and decide which workspaces of other owners can use them. Requests contain
 * secrets, replies never do.
 */
import { asWorkspaceId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import type { WorkspaceId } from "../../core/types.ts";
import type { ClientSummary } from "../../service/grants/clients.ts";
import { redirectUriOf } from "../../service/urls.ts";
import { SHARING_RISK } from "../../service/accounts/workspaces.ts";
import type { HttpServer } from "../fastify.ts";
import { requireBuilder, requireWorkspaceBuilder } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { WorkspaceParams, WorkspaceServiceParams } from "../../wire/fields.ts";
import {
  ClientParams,
  ClientReply,
  ClientsReply,
  DoneReply,
  SetClientBody,
  ShareClientsBody,
  ShareClientsReply,
  WorkspaceClientsReply,
} from "../../wire/management.ts";

const INSTALLATION = "/api/management/clients";
const WORKSPACE = "/api/management/workspaces/:workspace";
const DONE = { status: "done" as const };

/** A client with the redirect URI to register at the provider. */
type ClientWithUri = ClientSummary & { readonly redirect_uri: string };

interface Registration {
  readonly client_id: string;
  readonly client_secret: string;
  readonly shared_callback?: boolean;
}

export function clientRoutes(server: HttpServer, context: HttpContext): void {
  installationRoutes(server, context);
  workspaceRoutes(server, context);
  sharingRoute(server, context);
}

function withUri(context: HttpContext, client: ClientSummary): ClientWithUri {
  return { ...client, redirect_uri: redirectUriOf(context, client) };
}

async function list(context: HttpContext, workspace_id: WorkspaceId | null): Promise<ClientWithUri[]> {
  return (await context.clients.list(workspace_id)).map((client) => withUri(context, client));
}

async function set(
  context: HttpContext,
  workspace_id: WorkspaceId | null,
  integration_type: string,
  { client_id, client_secret, shared_callback = false }: Registration,
): Promise<ClientWithUri> {
  const secret = new Secret(client_secret);
  const registered = { workspace_id, integration_type, client_id, client_secret: secret, shared_callback };
  return withUri(context, await context.clients.set(registered));
}

function installationRoutes(server: HttpServer, context: HttpContext): void {
  const { authorization, clients } = context;

  server.get(INSTALLATION, { schema: { response: { 200: ClientsReply } } }, async (request) => {
    await authorization.installation(await requireBuilder(context, request), "oauth_client.read");
    return { clients: await list(context, null) };
  });

  server.put(
    `${INSTALLATION}/:integration_type`,
    { schema: { params: ClientParams, body: SetClientBody, response: { 200: ClientReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      await authorization.installation(builder, "oauth_client.manage");
      const { integration_type: target } = request.params;
      const client = await set(context, null, target, request.body);
      context.audit.record({ actor: builder.actor, action: "oauth_client.set", target });
      return client;
    },
  );

  server.delete(
    `${INSTALLATION}/:integration_type`,
    { schema: { params: ClientParams, response: { 200: DoneReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      await authorization.installation(builder, "oauth_client.manage");
      const { integration_type: target } = request.params;
      await clients.remove(target, null);
      context.audit.record({ actor: builder.actor, action: "oauth_client.remove", target });
      return DONE;
    },
  );
}

function workspaceRoutes(server: HttpServer, context: HttpContext): void {
  const { clients, workspaces } = context;

  server.get(
    `${WORKSPACE}/clients`,
    { schema: { params: WorkspaceParams, response: { 200: WorkspaceClientsReply } } },
    async (request) => {
      const { id } = await requireWorkspaceBuilder(context, request, request.params.workspace, "oauth_client.read");
      return { clients: await list(context, id), installation_clients: await workspaces.clientSharing(id) };
    },
  );

  server.put(
    `${WORKSPACE}/clients/:integration_type`,
    { schema: { params: WorkspaceServiceParams, body: SetClientBody, response: { 200: ClientReply } } },
    async (request) => {
      const { workspace, integration_type: target } = request.params;
      const { principal, id } = await requireWorkspaceBuilder(context, request, workspace, "oauth_client.manage");
      const client = await set(context, id, target, request.body);
      context.audit.record({ actor: principal.actor, action: "oauth_client.set", target, workspace_id: id });
      return client;
    },
  );

  server.delete(
    `${WORKSPACE}/clients/:integration_type`,
    { schema: { params: WorkspaceServiceParams, response: { 200: DoneReply } } },
    async (request) => {
      const { workspace, integration_type: target } = request.params;
      const { principal, id } = await requireWorkspaceBuilder(context, request, workspace, "oauth_client.manage");
      await clients.remove(target, id);
      context.audit.record({ actor: principal.actor, action: "oauth_client.remove", target, workspace_id: id });
      return DONE;
    },
  );
}

function sharingRoute(server: HttpServer, context: HttpContext): void {
  const { authorization, workspaces } = context;

  server.put(
    `${WORKSPACE}/installation-clients`,
    { schema: { params: WorkspaceParams, body: ShareClientsBody, response: { 200: ShareClientsReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      await authorization.installation(builder, "oauth_client.manage");
      const { allowed } = request.body;
      const id = asWorkspaceId(request.params.workspace);
      const installation_clients = await workspaces.shareClients(id, allowed);
      const action = allowed ? "oauth_client.share" : "oauth_client.unshare";
      context.audit.record({ actor: builder.actor, action, workspace_id: id });
      return { installation_clients, risk: SHARING_RISK };
    },
  );
}
