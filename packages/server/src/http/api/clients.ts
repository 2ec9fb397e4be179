/**
 * OAuth clients: a workspace's, for its administrators; the installation's, for those of its first workspace, who also say
 * which other owners' workspaces may use them. Secrets come in and never go out.
 */
import { asWorkspaceId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import type { WorkspaceId } from "../../core/types.ts";
import type { ClientSummary } from "../../service/grants/clients.ts";
import { redirectUriOf } from "../../service/urls.ts";
import { SHARING_RISK } from "../../service/accounts/workspaces.ts";
import type { HttpServer } from "../fastify.ts";
import { record } from "../audit.ts";
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

/** A client as it is answered: with what to register at the provider. */
type Shown = ClientSummary & { readonly redirect_uri: string };

interface Registration {
  readonly client_id: string;
  readonly client_secret: string;
  readonly shared_callback?: boolean;
}

export function clientRoutes(app: HttpServer, context: HttpContext): void {
  const { authorization, clients, workspaces } = context;

  const show = (client: ClientSummary): Shown => ({ ...client, redirect_uri: redirectUriOf(context, client) });

  async function list(workspace_id: WorkspaceId | null): Promise<Shown[]> {
    return (await clients.list(workspace_id)).map(show);
  }

  async function set(workspace_id: WorkspaceId | null, integration_type: string, body: Registration): Promise<Shown> {
    const { client_id, client_secret, shared_callback = false } = body;
    const secret = new Secret(client_secret);
    return show(
      await clients.set({ workspace_id, integration_type, client_id, client_secret: secret, shared_callback }),
    );
  }

  app.get(INSTALLATION, { schema: { response: { 200: ClientsReply } } }, async (request) => {
    await authorization.installation(await requireBuilder(context, request), "oauth_client.read");
    return { clients: await list(null) };
  });

  app.put(
    `${INSTALLATION}/:integration_type`,
    { schema: { params: ClientParams, body: SetClientBody, response: { 200: ClientReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      await authorization.installation(builder, "oauth_client.manage");
      const { integration_type: target } = request.params;
      const client = await set(null, target, request.body);
      record(context, request, { actor: builder.actor, action: "oauth_client.set", target });
      return client;
    },
  );

  app.delete(
    `${INSTALLATION}/:integration_type`,
    { schema: { params: ClientParams, response: { 200: DoneReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      await authorization.installation(builder, "oauth_client.manage");
      const { integration_type: target } = request.params;
      await clients.remove(target, null);
      record(context, request, { actor: builder.actor, action: "oauth_client.remove", target });
      return DONE;
    },
  );

  app.get(
    `${WORKSPACE}/clients`,
    { schema: { params: WorkspaceParams, response: { 200: WorkspaceClientsReply } } },
    async (request) => {
      const { id } = await requireWorkspaceBuilder(context, request, request.params.workspace, "oauth_client.read");
      return { clients: await list(id), installation_clients: await workspaces.clientSharing(id) };
    },
  );

  app.put(
    `${WORKSPACE}/clients/:integration_type`,
    { schema: { params: WorkspaceServiceParams, body: SetClientBody, response: { 200: ClientReply } } },
    async (request) => {
      const { workspace, integration_type: target } = request.params;
      const { principal, id } = await requireWorkspaceBuilder(context, request, workspace, "oauth_client.manage");
      const client = await set(id, target, request.body);
      record(context, request, { actor: principal.actor, action: "oauth_client.set", target, workspace_id: id });
      return client;
    },
  );

  app.delete(
    `${WORKSPACE}/clients/:integration_type`,
    { schema: { params: WorkspaceServiceParams, response: { 200: DoneReply } } },
    async (request) => {
      const { workspace, integration_type: target } = request.params;
      const { principal, id } = await requireWorkspaceBuilder(context, request, workspace, "oauth_client.manage");
      await clients.remove(target, id);
      record(context, request, { actor: principal.actor, action: "oauth_client.remove", target, workspace_id: id });
      return DONE;
    },
  );

  app.put(
    `${WORKSPACE}/installation-clients`,
    { schema: { params: WorkspaceParams, body: ShareClientsBody, response: { 200: ShareClientsReply } } },
    async (request) => {
      const builder = await requireBuilder(context, request);
      await authorization.installation(builder, "oauth_client.manage");
      const { allowed } = request.body;
      const id = asWorkspaceId(request.params.workspace);
      const installation_clients = await workspaces.shareClients(id, allowed);
      const action = allowed ? "oauth_client.share" : "oauth_client.unshare";
      record(context, request, { actor: builder.actor, action, workspace_id: id });
      return { installation_clients, risk: SHARING_RISK };
    },
  );
}
