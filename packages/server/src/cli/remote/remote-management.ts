/** Apps, service tokens and OAuth clients on a server, over the management routes. */
import { Secret } from "../../core/secret.ts";
import { WORKSPACES } from "./commands.ts";
import type { ListedClient, ListedToken, ManagementApi } from "./management-api.ts";
import type { Remote } from "./remote.ts";
import type { Fields } from "./reply.ts";

const BASE = "/api/management";

export function remoteManagement(remote: Remote): ManagementApi {
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

const secretOrNull = (text: string | null): Secret | null => (text === null ? null : new Secret(text));
