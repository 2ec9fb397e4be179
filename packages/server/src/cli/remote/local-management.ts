/**
 * Apps, service tokens, OAuth clients and app users on the server's machine, over an installation
 * that the command has opened. Checks no role: a process that can open the installation already has
 * the database and the keys.
 */
import { asAppId, asWorkspaceId } from "../../core/ids.ts";
import type { AppRole } from "../../core/roles.ts";
import { plus, type WorkspaceId } from "../../core/types.ts";
import type { Installation } from "../../installation.ts";
import { redirectUriOf } from "../../service/urls.ts";
import { record } from "./local.ts";
import type {
  CreatedApp,
  CreatedToken,
  ListedApp,
  ListedClient,
  ListedIssuer,
  ListedToken,
  ListedUser,
  ManagementApi,
  NewClient,
  NewIssuer,
} from "./management-api.ts";

type Services = Pick<
  Installation,
  "apps" | "appUsers" | "audit" | "catalog" | "clients" | "clock" | "urls" | "workspaces"
>;

export function localManagement(services: Services): ManagementApi {
  return {
    createApp: (name) => createApp(services, name),
    listApps: () => listApps(services),
    removeApp: (app) => removeApp(services, app),
    createToken: (app, name, expires_in_s) => createToken(services, app, name, expires_in_s),
    listTokens: (app) => listTokens(services, app),
    revokeToken: (app, id) => revokeToken(services, app, id),
    setClient: (workspace, client) => setClient(services, workspace, client),
    listClients: (workspace) => listClients(services, workspace),
    removeClient: (workspace, integration_type) => removeClient(services, workspace, integration_type),
    shareClients: (workspace, allowed) => shareClients(services, workspace, allowed),
    putIssuer: (app, issuer) => putIssuer(services, app, issuer),
    listIssuers: (app) => services.appUsers.issuers.list(asAppId(app)),
    removeIssuer: (app, id) => removeIssuer(services, app, id),
    listUsers: (app, cursor) => services.appUsers.list(asAppId(app), cursor),
    setUserRole: (app, id, role) => setUserRole(services, app, id, role),
  };
}

async function createApp(services: Services, name: string): Promise<CreatedApp> {
  const created = await services.apps.create(name);
  await record(services, { app_id: created.app_id, action: "app.create" });
  return created;
}

async function listApps({ apps }: Services): Promise<readonly ListedApp[]> {
  return (await apps.list()).map(({ id, name, created_at }) => ({ id, name, created_at }));
}

async function removeApp(services: Services, app: string): Promise<void> {
  const { id: app_id, workspace_id } = await services.apps.get(asAppId(app));
  await services.apps.remove(app_id);
  await record(services, { app_id, workspace_id, action: "app.delete" });
}

async function createToken(
  services: Services,
  app: string,
  name: string,
  expires_in_s: number | null,
): Promise<CreatedToken> {
  const app_id = asAppId(app);
  const expires_at = expires_in_s === null ? null : plus(services.clock.now(), expires_in_s * 1000);
  const created = await services.apps.createToken(app_id, name, expires_at);
  await record(services, { app_id, action: "service_token.create", target: created.id });
  return created;
}

function listTokens({ apps }: Services, app: string): Promise<readonly ListedToken[]> {
  return apps.listTokens(asAppId(app));
}

async function revokeToken(services: Services, app: string, id: string): Promise<void> {
  const app_id = asAppId(app);
  await services.apps.revokeToken(app_id, id);
  await record(services, { app_id, action: "service_token.revoke", target: id });
}

async function setClient(services: Services, workspace: string | null, client: NewClient): Promise<ListedClient> {
  const workspace_id = await ownerOf(services, workspace);
  const set = await services.clients.set({ ...client, workspace_id });
  await record(services, { action: "oauth_client.set", target: set.integration_type, workspace_id });
  return { ...set, redirect_uri: redirectUriOf(services, set) };
}

async function listClients(services: Services, workspace: string | null): Promise<readonly ListedClient[]> {
  const list = await services.clients.list(await ownerOf(services, workspace));
  return list.map((client) => ({ ...client, redirect_uri: redirectUriOf(services, client) }));
}

async function removeClient(services: Services, workspace: string | null, integration_type: string): Promise<void> {
  const workspace_id = await ownerOf(services, workspace);
  await services.clients.remove(integration_type, workspace_id);
  await record(services, { action: "oauth_client.remove", target: integration_type, workspace_id });
}

async function shareClients(services: Services, workspace: string, allowed: boolean): Promise<string> {
  // This module loads the store, which `--help` must not load.
  const { SHARING_RISK } = await import("../../service/accounts/workspaces.ts");
  const workspace_id = asWorkspaceId(workspace);
  await services.workspaces.shareClients(workspace_id, allowed);
  await record(services, { action: allowed ? "oauth_client.share" : "oauth_client.unshare", workspace_id });
  return SHARING_RISK;
}

async function putIssuer(services: Services, app: string, { skip_check, ...issuer }: NewIssuer): Promise<ListedIssuer> {
  const app_id = asAppId(app);
  const stored = await services.appUsers.issuers.put(app_id, issuer, { skip_check });
  await record(services, { app_id, action: "app_issuer.add", target: stored.id });
  return stored;
}

async function removeIssuer(services: Services, app: string, id: string): Promise<void> {
  const app_id = asAppId(app);
  await services.appUsers.issuers.remove(app_id, id);
  await record(services, { app_id, action: "app_issuer.remove", target: id });
}

async function setUserRole(services: Services, app: string, id: string, role: AppRole): Promise<ListedUser> {
  const app_id = asAppId(app);
  const changed = await services.appUsers.setRole(app_id, id, role);
  await record(services, { app_id, action: "app_user.role", target: `${id}:${role}` });
  return changed;
}

/**
 * Returns the id of an existing workspace: a mistyped one would look like a workspace without
 * clients.
 */
async function ownerOf({ workspaces }: Services, workspace: string | null): Promise<WorkspaceId | null> {
  return workspace === null ? null : (await workspaces.get(asWorkspaceId(workspace))).id;
}
