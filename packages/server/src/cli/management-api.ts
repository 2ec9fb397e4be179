/**
 * What commands do with apps, service tokens and OAuth clients, wherever the server is: the management routes over HTTP, or
 * the data of this machine. The local half asks nobody's role: whoever runs it holds the database and the keys.
 */
import { asAppId } from "../core/ids.ts";
import { Secret } from "../core/secret.ts";
import { plus } from "../core/types.ts";
import { withInstallation, type LocalFlags } from "./local.ts";
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
  readonly api_key: Secret;
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
  readonly integration_type: string;
  readonly client_id: string;
  readonly shared_callback: boolean;
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
  /** `redirect_uri`: what to register at the provider; null when the server does not say. */
  setClient(client: NewClient): Promise<ListedClient & { readonly redirect_uri: string | null }>;
  listClients(): Promise<readonly ListedClient[]>;
  removeClient(integration_type: string): Promise<void>;
}

export function managementOf(flags: TargetFlags): ManagementApi {
  const target = resolveTarget(flags);
  return target.kind === "local" ? localManagement(target.flags) : remoteManagement(target.remote);
}

const BASE = "/api/management";

function remoteManagement(remote: Remote): ManagementApi {
  const apps = `${BASE}/apps`;
  const tokensOf = (app: string): string => `${apps}/${encodeURIComponent(app)}/tokens`;
  const clientOf = (integration_type: string): string => `${BASE}/clients/${encodeURIComponent(integration_type)}`;
  return {
    createApp: (name) =>
      remote.call({ method: "POST", path: apps, json: { name } }, (fields) => ({
        app_id: fields.text("app_id"),
        service_token: new Secret(fields.text("service_token")),
        api_key: new Secret(fields.text("api_key")),
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
    setClient: ({ integration_type, client_secret, ...rest }) => {
      const json = { ...rest, client_secret: client_secret.expose() };
      return remote.call({ method: "PUT", path: clientOf(integration_type), json }, (fields) => ({
        ...readClient(fields),
        redirect_uri: fields.textOrNull("redirect_uri"),
      }));
    },
    listClients: () =>
      remote.call({ method: "GET", path: `${BASE}/clients` }, (fields) => fields.list("clients", readClient)),
    removeClient: (integration_type) => remote.send({ method: "DELETE", path: clientOf(integration_type) }),
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
    integration_type: one.text("integration_type"),
    client_id: one.text("client_id"),
    shared_callback: one.flag("shared_callback"),
    created_at: one.count("created_at"),
    updated_at: one.count("updated_at"),
  };
}

function localManagement(flags: LocalFlags): ManagementApi {
  return {
    createApp: (name) => withInstallation(flags, ({ apps }) => apps.create(name)),
    listApps: () =>
      withInstallation(flags, async ({ apps }) =>
        (await apps.list()).map(({ id, name, created_at }) => ({ id, name, created_at })),
      ),
    removeApp: (app) => withInstallation(flags, ({ apps }) => apps.remove(asAppId(app))),
    createToken: (app, name, expires_in_s) =>
      withInstallation(flags, ({ apps, clock }) =>
        apps.createToken(asAppId(app), name, expires_in_s === null ? null : plus(clock.now(), expires_in_s * 1000)),
      ),
    listTokens: (app) => withInstallation(flags, ({ apps }) => apps.listTokens(asAppId(app))),
    revokeToken: (app, id) => withInstallation(flags, ({ apps }) => apps.revokeToken(asAppId(app), id)),
    setClient: (client) =>
      withInstallation(flags, async ({ clients, catalog, urls }) => {
        const set = await clients.set(client);
        const vendor = set.shared_callback ? null : (catalog.get(client.integration_type)?.vendor ?? null);
        return { ...set, redirect_uri: urls.redirect(vendor) };
      }),
    listClients: () => withInstallation(flags, ({ clients }) => clients.list()),
    removeClient: (integration_type) => withInstallation(flags, ({ clients }) => clients.remove(integration_type)),
  };
}
