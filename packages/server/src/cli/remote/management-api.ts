/**
 * What commands do with apps, service tokens and OAuth clients, wherever the server is: the management routes over HTTP, or
 * the data of this machine. The local half asks nobody's role: whoever runs it holds the database and the keys.
 */
import { asAppId, asWorkspaceId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import { plus, type WorkspaceId } from "../../core/types.ts";
import type { Installation } from "../../installation.ts";
import { redirectUriOf } from "../../service/urls.ts";
import { record, withInstallation, type LocalFlags } from "./local.ts";
import { WORKSPACES } from "./commands.ts";
import type { Remote } from "./remote.ts";
import type { Fields } from "./reply.ts";
import { resolveTarget, type TargetFlags } from "./target.ts";

export interface ListedApp {
  readonly id: string;
  readonly name: string;
  readonly created_at: number;
}

export interface MadeApp {
  readonly app_id: string;
  readonly service_token: Secret;
  /** Null: the workspace has as many as it may have. */
  readonly api_key: Secret | null;
}

export interface ListedToken {
  readonly id: string;
  readonly name: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
  readonly last_used_at: number | null;
}

export interface ListedClient {
  readonly id: string;
  /** Null: the installation's. */
  readonly workspace_id: string | null;
  readonly integration_type: string;
  readonly client_id: string;
  readonly shared_callback: boolean;
  /** What to register at the provider; null when the server does not say. */
  readonly redirect_uri: string | null;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface NewClient {
  readonly integration_type: string;
  readonly client_id: string;
  readonly client_secret: Secret;
  readonly shared_callback: boolean;
}

export interface ManagementApi {
  createApp(name: string): Promise<MadeApp>;
  listApps(): Promise<readonly ListedApp[]>;
  removeApp(app: string): Promise<void>;
  /** `expires_in_s`: null for a life without end. */
  createToken(
    app: string,
    name: string,
    expires_in_s: number | null,
  ): Promise<{ readonly id: string; readonly service_token: Secret }>;
  listTokens(app: string): Promise<readonly ListedToken[]>;
  revokeToken(app: string, id: string): Promise<void>;
  /** OAuth clients: of a workspace, or (null) of the installation. */
  setClient(workspace: string | null, client: NewClient): Promise<ListedClient>;
  listClients(workspace: string | null): Promise<readonly ListedClient[]>;
  removeClient(workspace: string | null, integration_type: string): Promise<void>;
  /** Whether the installation's serve a workspace of other owners. The answer: what whoever allows it takes on. */
  shareClients(workspace: string, allowed: boolean): Promise<string>;
}

export function managementOf(flags: TargetFlags): ManagementApi {
  const target = resolveTarget(flags);
  return target.kind === "local" ? localManagement(target.flags) : remoteManagement(target.remote);
}

const BASE = "/api/management";

function remoteManagement(remote: Remote): ManagementApi {
  const apps = `${BASE}/apps`;
  const tokensOf = (app: string): string => `${apps}/${encodeURIComponent(app)}/tokens`;
  const workspaceOf = (workspace: string): string => `${WORKSPACES}/${encodeURIComponent(workspace)}`;
  const clientsOf = (workspace: string | null): string =>
    `${workspace === null ? BASE : workspaceOf(workspace)}/clients`;
  const clientOf = (workspace: string | null, integration_type: string): string =>
    `${clientsOf(workspace)}/${encodeURIComponent(integration_type)}`;
  return {
    createApp: (name) =>
      remote.call({ method: "POST", path: apps, json: { name } }, (fields) => ({
        app_id: fields.text("app_id"),
        service_token: new Secret(fields.text("service_token")),
        api_key: secretOrNull(fields.textOrNull("api_key")),
      })),
    listApps: () =>
      remote.call({ method: "GET", path: apps }, (fields) =>
        fields.list("apps", (one) => ({
          id: one.text("id"),
          name: one.text("name"),
          created_at: one.count("created_at"),
        })),
      ),
    removeApp: (app) => remote.send({ method: "DELETE", path: `${apps}/${encodeURIComponent(app)}` }),
    createToken: (app, name, expires_in_s) => {
      const json = { name, ...(expires_in_s === null ? {} : { expires_in_s }) };
      return remote.call({ method: "POST", path: tokensOf(app), json }, (fields) => ({
        id: fields.text("id"),
        service_token: new Secret(fields.text("service_token")),
      }));
    },
    listTokens: (app) =>
      remote.call({ method: "GET", path: tokensOf(app) }, (fields) => fields.list("tokens", readToken)),
    revokeToken: (app, id) => remote.send({ method: "DELETE", path: `${tokensOf(app)}/${encodeURIComponent(id)}` }),
    setClient: (workspace, { integration_type, client_secret, ...rest }) => {
      const json = { ...rest, client_secret: client_secret.expose() };
      return remote.call({ method: "PUT", path: clientOf(workspace, integration_type), json }, readClient);
    },
    listClients: (workspace) =>
      remote.call({ method: "GET", path: clientsOf(workspace) }, (fields) => fields.list("clients", readClient)),
    removeClient: (workspace, integration_type) =>
      remote.send({ method: "DELETE", path: clientOf(workspace, integration_type) }),
    shareClients: (workspace, allowed) => {
      const path = `${workspaceOf(workspace)}/installation-clients`;
      return remote.call({ method: "PUT", path, json: { allowed } }, (fields) => fields.text("risk"));
    },
  };
}

function readToken(one: Fields): ListedToken {
  return {
    id: one.text("id"),
    name: one.text("name"),
    created_at: one.count("created_at"),
    expires_at: one.countOrNull("expires_at"),
    revoked_at: one.countOrNull("revoked_at"),
    last_used_at: one.countOrNull("last_used_at"),
  };
}

function readClient(one: Fields): ListedClient {
  return {
    id: one.text("id"),
    workspace_id: one.textOrNull("workspace_id"),
    integration_type: one.text("integration_type"),
    client_id: one.text("client_id"),
    shared_callback: one.flag("shared_callback"),
    redirect_uri: one.textOrNull("redirect_uri"),
    created_at: one.count("created_at"),
    updated_at: one.count("updated_at"),
  };
}

/** Of a workspace that there is: a mistyped one would look like one without clients. */
async function scopeOf({ workspaces }: Installation, workspace: string | null): Promise<WorkspaceId | null> {
  return workspace === null ? null : (await workspaces.get(asWorkspaceId(workspace))).id;
}

function localManagement(flags: LocalFlags): ManagementApi {
  return {
    createApp: (name) =>
      withInstallation(flags, async (installation) => {
        const created = await installation.apps.create(name);
        record(installation, { app_id: created.app_id, action: "app.create" });
        return created;
      }),
    listApps: () =>
      withInstallation(flags, async ({ apps }) =>
        (await apps.list()).map(({ id, name, created_at }) => ({ id, name, created_at })),
      ),
    removeApp: (app) =>
      withInstallation(flags, async (installation) => {
        const { id: app_id, workspace_id } = await installation.apps.get(asAppId(app));
        await installation.apps.remove(app_id);
        record(installation, { app_id, workspace_id, action: "app.delete" });
      }),
    createToken: (app, name, expires_in_s) =>
      withInstallation(flags, async (installation) => {
        const app_id = asAppId(app);
        const expires_at = expires_in_s === null ? null : plus(installation.clock.now(), expires_in_s * 1000);
        const created = await installation.apps.createToken(app_id, name, expires_at);
        record(installation, { app_id, action: "service_token.create", target: created.id });
        return created;
      }),
    listTokens: (app) => withInstallation(flags, ({ apps }) => apps.listTokens(asAppId(app))),
    revokeToken: (app, id) =>
      withInstallation(flags, async (installation) => {
        const app_id = asAppId(app);
        await installation.apps.revokeToken(app_id, id);
        record(installation, { app_id, action: "service_token.revoke", target: id });
      }),
    setClient: (workspace, client) =>
      withInstallation(flags, async (installation) => {
        const workspace_id = await scopeOf(installation, workspace);
        const set = await installation.clients.set({ ...client, workspace_id });
        record(installation, { action: "oauth_client.set", target: set.integration_type, workspace_id });
        return { ...set, redirect_uri: redirectUriOf(installation, set) };
      }),
    listClients: (workspace) =>
      withInstallation(flags, async (installation) => {
        const list = await installation.clients.list(await scopeOf(installation, workspace));
        return list.map((client) => ({ ...client, redirect_uri: redirectUriOf(installation, client) }));
      }),
    removeClient: (workspace, integration_type) =>
      withInstallation(flags, async (installation) => {
        const workspace_id = await scopeOf(installation, workspace);
        await installation.clients.remove(integration_type, workspace_id);
        record(installation, { action: "oauth_client.remove", target: integration_type, workspace_id });
      }),
    shareClients: (workspace, allowed) =>
      withInstallation(flags, async (installation) => {
        // With the store behind it: nothing that a command should load to print its help.
        const { SHARING_RISK } = await import("../../service/accounts/workspaces.ts");
        const workspace_id = asWorkspaceId(workspace);
        await installation.workspaces.shareClients(workspace_id, allowed);
        record(installation, { action: allowed ? "oauth_client.share" : "oauth_client.unshare", workspace_id });
        return SHARING_RISK;
      }),
  };
}

const secretOrNull = (text: string | null): Secret | null => (text === null ? null : new Secret(text));
