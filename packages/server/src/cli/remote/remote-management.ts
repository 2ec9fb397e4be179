/** Apps, service tokens, OAuth clients and app users on a server, over the management routes. */
import { Secret } from "../../core/secret.ts";
import { WORKSPACES } from "./commands.ts";
import type {
  CreatedApp,
  CreatedToken,
  ListedClient,
  ListedIssuer,
  ManagementApi,
  NewClient,
  NewIssuer,
  UserPage,
} from "./management-api.ts";
import type { Remote } from "./remote.ts";

const BASE = "/api/management";
const APPS = `${BASE}/apps`;

export function remoteManagement(remote: Remote): ManagementApi {
  return {
    createApp: (name) => createApp(remote, name),
    listApps: async () => (await remote.call({ method: "GET", path: APPS }, "apps")).apps,
    removeApp: (app) => remote.send({ method: "DELETE", path: pathOf(APPS, app) }),
    createToken: (app, name, expires_in_s) => createToken(remote, app, name, expires_in_s),
    listTokens: async (app) => (await remote.call({ method: "GET", path: tokensOf(app) }, "tokens")).tokens,
    revokeToken: (app, id) => remote.send({ method: "DELETE", path: pathOf(tokensOf(app), id) }),
    setClient: (workspace, client) => setClient(remote, workspace, client),
    listClients: async (workspace) =>
      (await remote.call({ method: "GET", path: clientsOf(workspace) }, "clients")).clients,
    removeClient: (workspace, integration_type) =>
      remote.send({ method: "DELETE", path: pathOf(clientsOf(workspace), integration_type) }),
    shareClients: (workspace, allowed) => shareClients(remote, workspace, allowed),
    putIssuer: (app, issuer) => putIssuer(remote, app, issuer),
    listIssuers: async (app) => (await remote.call({ method: "GET", path: issuersOf(app) }, "issuers")).issuers,
    removeIssuer: (app, id) => remote.send({ method: "DELETE", path: pathOf(issuersOf(app), id) }),
    listUsers: (app, cursor) => listUsers(remote, app, cursor),
    setUserRole: (app, id, role) =>
      remote.call({ method: "PATCH", path: pathOf(usersOf(app), id), json: { role } }, "user"),
  };
}

const pathOf = (base: string, id: string): string => `${base}/${encodeURIComponent(id)}`;
const tokensOf = (app: string): string => `${pathOf(APPS, app)}/tokens`;
const issuersOf = (app: string): string => `${pathOf(APPS, app)}/issuers`;
const usersOf = (app: string): string => `${pathOf(APPS, app)}/users`;
const clientsOf = (workspace: string | null): string =>
  `${workspace === null ? BASE : pathOf(WORKSPACES, workspace)}/clients`;

async function createApp(remote: Remote, name: string): Promise<CreatedApp> {
  const { app_id, service_token, api_key } = await remote.call(
    { method: "POST", path: APPS, json: { name } },
    "created_app",
  );
  return { app_id, service_token: new Secret(service_token), api_key: api_key === null ? null : new Secret(api_key) };
}

async function createToken(
  remote: Remote,
  app: string,
  name: string,
  expires_in_s: number | null,
): Promise<CreatedToken> {
  const json = { name, ...(expires_in_s === null ? {} : { expires_in_s }) };
  const { id, service_token } = await remote.call({ method: "POST", path: tokensOf(app), json }, "created_token");
  return { id, service_token: new Secret(service_token) };
}

function setClient(
  remote: Remote,
  workspace: string | null,
  { integration_type, client_secret, ...rest }: NewClient,
): Promise<ListedClient> {
  const json = { ...rest, client_secret: client_secret.expose() };
  return remote.call({ method: "PUT", path: pathOf(clientsOf(workspace), integration_type), json }, "client");
}

async function shareClients(remote: Remote, workspace: string, allowed: boolean): Promise<string> {
  const path = `${pathOf(WORKSPACES, workspace)}/installation-clients`;
  return (await remote.call({ method: "PUT", path, json: { allowed } }, "sharing")).risk;
}

function putIssuer(
  remote: Remote,
  app: string,
  { url, secret, skip_check, ...rest }: NewIssuer,
): Promise<ListedIssuer> {
  const json = {
    ...rest,
    ...(url === null ? {} : { url }),
    ...(secret === null ? {} : { secret: secret.expose() }),
    // A server of an older version does not know the field, and tries nothing.
    ...(skip_check ? { skip_check } : {}),
  };
  return remote.call({ method: "POST", path: issuersOf(app), json }, "issuer");
}

function listUsers(remote: Remote, app: string, cursor: string | null): Promise<UserPage> {
  const query = cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`;
  return remote.call({ method: "GET", path: `${usersOf(app)}${query}` }, "users");
}
