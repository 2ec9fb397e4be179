/**
 * Connectors: what an app declares, and whether what is connected is that already. A consent that is needed becomes a flow,
 * whose link connect.ts then leads through. PUT replaces the declared scopes, POST initiate adds to them; neither changes
 * what is declared before the new consent is complete, unless it asks for nothing that is not there.
 */
import { isDeepStrictEqual } from "node:util";
import { ApiError } from "../../core/errors.ts";
import { asUserId, newFlowId } from "../../core/ids.ts";
import type { AppId, ConnectionConfig } from "../../core/types.ts";
import type { Provider } from "../../providers/provider.ts";
import type { Store } from "../../store/store.ts";
import type { AppRow, ConnectionRow, OAuthClientRow } from "../../store/tables.ts";
import type { OAuthClients } from "../grants/clients.ts";
import { checkGiven, checkScopes, declareTheSame, inputConfig, sameConfig, withScopes } from "./declaration.ts";
import type { Ground } from "../ground.ts";

export interface InitiateRequest {
  readonly app_id: AppId;
  readonly integration_type: string;
  /** As declared; none means the catalog's defaults. */
  readonly scopes: readonly string[];
  /** Null: keep what the connection has. */
  readonly config: ConnectionConfig | null;
  readonly initiator: string;
  readonly return_to: string | null;
  /** `add`: to what is declared. Unset = `replace`. */
  readonly scope_change?: "replace" | "add";
  /** A new consent in any case, also in place of another builder's connection. */
  readonly force_reconnect?: boolean;
}

export interface Initiated {
  readonly redirect_url: string | null;
  readonly connection_id: string | null;
  readonly already_authorized: boolean;
  /** Another builder's connection is what is asked for; only `force_reconnect` replaces it. */
  readonly error: "different_user" | null;
  readonly error_message: string | null;
  readonly other_user_email: string | null;
}

/** What a service asks for before consent, and what the app's connection has of it. */
export interface SavedConfig {
  readonly provider: Provider;
  readonly config: ConnectionConfig;
}

export interface Connectors {
  initiate(request: InitiateRequest): Promise<Initiated>;
  /** A new consent for what is declared, also when the present one is good: the page that errors point to. */
  reconnect(request: Pick<InitiateRequest, "app_id" | "integration_type" | "initiator">): Promise<Initiated>;
  savedConfig(app_id: AppId, integration_type: string): Promise<SavedConfig>;
}

export interface ConnectorsDeps extends Pick<Ground, "store" | "catalog" | "urls" | "limits"> {
  readonly clients: OAuthClients;
}

const NO_ERROR = { error: null, error_message: null, other_user_email: null } as const;

export function createConnectors(deps: ConnectorsDeps): Connectors {
  const { store, catalog, urls, limits } = deps;

  async function initiate(request: InitiateRequest): Promise<Initiated> {
    const { app_id, integration_type, return_to, force_reconnect = false } = request;
    const provider = catalog.require(integration_type);
    const app = await requireApp(store, app_id);
    await requireAllowed(store, app, provider);
    const sent = checkScopes(request.scopes);
    if (return_to !== null && !isLocalPath(return_to)) throw new ApiError("invalid_return_to");
    const current = await store.findConnection(app_id, integration_type);
    const kept = current === null ? {} : inputConfig(provider, current.config ?? {});
    const config = request.config === null ? kept : checkGiven(provider, request.config);

    const declared = await declaredScopes(app_id, integration_type, current);
    const scopes = request.scope_change === "add" ? withScopes(provider, declared, sent) : sent;
    if (!force_reconnect && current?.status === "active" && declareTheSame(provider, scopes, declared ?? [])) {
      if (current.connected_by !== request.initiator) return differentUser(provider, current);
      if (sameConfig(provider, config, kept)) return alreadyThere(current, scopes, declared ?? []);
    }
    await requireClient(deps, app, provider);
    return newFlow(request, scopes, config);
  }

  /** Written differently, it may still be the same: what was pushed is what the next pull gives. */
  async function alreadyThere(
    { app_id, integration_type, id }: ConnectionRow,
    scopes: readonly string[],
    declared: readonly string[],
  ): Promise<Initiated> {
    if (!isDeepStrictEqual(scopes, declared)) await store.declareConnector(app_id, integration_type, scopes);
    return { redirect_url: null, connection_id: id, already_authorized: true, ...NO_ERROR };
  }

  async function differentUser(provider: Provider, { connected_by }: ConnectionRow): Promise<Initiated> {
    const other_user_email = (await store.getUser(asUserId(connected_by)))?.email ?? null;
    return {
      redirect_url: null,
      connection_id: null,
      already_authorized: false,
      error: "different_user",
      error_message: `${provider.display_name} is connected with these scopes already, by ${other_user_email ?? "another builder"}. To put your own account in its place, ask for it with force_reconnect.`,
      other_user_email,
    };
  }

  async function newFlow(
    { app_id, integration_type, initiator, return_to }: InitiateRequest,
    scopes: readonly string[],
    config: ConnectionConfig,
  ): Promise<Initiated> {
    const creation = await store.createFlow(
      {
        app_id,
        id: newFlowId(),
        integration_type,
        initiator,
        scopes,
        config,
        return_to,
      },
      { ttl_ms: limits.flow_ttl_ms, pending: limits.pending_flows_per_initiator },
    );
    if (creation.kind === "too_many")
      throw new ApiError("too_many_flows", { retry_after_s: Math.ceil(limits.flow_ttl_ms / 1000) });
    const { id } = creation.flow;
    return { redirect_url: urls.connect(id), connection_id: id, already_authorized: false, ...NO_ERROR };
  }

  /** Null: nothing is. */
  async function declaredScopes(
    app_id: AppId,
    integration_type: string,
    current: ConnectionRow | null,
  ): Promise<readonly string[] | null> {
    const declared = (await store.listConnectors(app_id)).find((one) => one.integration_type === integration_type);
    if (declared !== undefined) return declared.scopes;
    return current === null ? null : current.scopes_requested;
  }

  async function reconnect(request: Parameters<Connectors["reconnect"]>[0]): Promise<Initiated> {
    const scopes = (await declaredScopes(request.app_id, request.integration_type, null)) ?? [];
    return initiate({ ...request, scopes, config: null, return_to: null, force_reconnect: true });
  }

  async function savedConfig(app_id: AppId, integration_type: string): Promise<SavedConfig> {
    const provider = catalog.require(integration_type);
    const current = await store.findConnection(app_id, integration_type);
    return { provider, config: current === null ? {} : inputConfig(provider, current.config ?? {}) };
  }

  return { initiate, reconnect, savedConfig };
}

export async function requireApp(store: Store, app_id: AppId): Promise<AppRow> {
  const app = await store.getApp(app_id);
  if (app === null) throw new ApiError("not_found", { message: "There is no such app. holdfast apps list shows all." });
  return app;
}

/** @throws ApiError `connector_blocked` */
export async function requireAllowed(store: Store, { workspace_id }: AppRow, provider: Provider): Promise<void> {
  const switches = await store.getGovernance(workspace_id, provider.id);
  if (switches?.builder_connection_enabled === false)
    throw new ApiError("connector_blocked", { reason: "connector_blocked" });
}

/** The client for a new consent. @throws ApiError `oauth_client_missing` */
export async function requireClient(
  { store, clients }: Pick<ConnectorsDeps, "store" | "clients">,
  { workspace_id }: AppRow,
  provider: Provider,
): Promise<OAuthClientRow> {
  const client = await clients.find(workspace_id, provider.id);
  if (client !== null) return client;
  if ((await store.installationClient(provider.id)) === null) throw missingClient(provider);
  const message = `The OAuth client that is set for ${provider.display_name} belongs to the owners of this installation, and this workspace has others. Set a client of the workspace's own, registered at ${provider.registration.url}; or ask an administrator of the installation to let the workspace use the installation's.`;
  throw new ApiError("oauth_client_missing", { message, reason: "installation_client_not_shared" });
}

export function missingClient(provider: Provider): ApiError {
  return new ApiError("oauth_client_missing", {
    message: `No OAuth client is set for ${provider.display_name}. Register one at ${provider.registration.url}, then: holdfast clients set ${provider.id} --client-id ID --client-secret-stdin.`,
  });
}

/** One leading slash, then nothing that a browser could read as another host. */
function isLocalPath(path: string): boolean {
  return /^\/(?:[A-Za-z0-9_~.-][A-Za-z0-9_~./-]{0,1023})?$/.test(path);
}
