/**
 * Declares a connector: the scopes and settings that an app requests of a service. Reports whether
 * its connection already covers them, or creates a flow for the consent. PUT replaces the declared
 * scopes, POST initiate adds to them. Neither changes the stored declaration before the new consent
 * is complete, unless it requests nothing new.
 */
import { isDeepStrictEqual } from "node:util";
import { CodedError } from "../../core/errors.ts";
import { asUserId, newFlowId } from "../../core/ids.ts";
import { isLocalPath } from "../../core/local-path.ts";
import type { AppId, ConnectionConfig } from "../../core/types.ts";
import type { Provider } from "../../providers/provider.ts";
import type { Store } from "../../store/store.ts";
import type { AppRow, ConnectionRow } from "../../store/tables.ts";
import { existingApp } from "../access/authorization.ts";
import type { OAuthClients } from "../grants/clients.ts";
import type { Ground } from "../ground.ts";
import { checkGiven, checkScopes, declareTheSame, inputConfig, sameConfig, withScopes } from "./declaration.ts";

export interface InitiateRequest {
  readonly app_id: AppId;
  readonly integration_type: string;
  /** As declared. Empty means the catalog's defaults. */
  readonly scopes: readonly string[];
  /** Null keeps the connection's values. */
  readonly config: ConnectionConfig | null;
  readonly initiator: string;
  readonly return_to: string | null;
  /** `add` adds to the declared scopes. Default: `replace`. */
  readonly scope_change?: "replace" | "add";
  /** Always starts a new consent, even in place of another builder's connection. */
  readonly force_reconnect?: boolean;
}

export type ReconnectRequest = Pick<InitiateRequest, "app_id" | "integration_type" | "initiator">;

export interface Initiated {
  readonly redirect_url: string | null;
  readonly connection_id: string | null;
  readonly already_authorized: boolean;
  /** Another builder's connection covers the request. Only `force_reconnect` replaces it. */
  readonly error: "different_user" | null;
  readonly error_message: string | null;
  readonly other_user_email: string | null;
}

/** A service's settings, and the values that the app's connection has. */
export interface SavedConfig {
  readonly provider: Provider;
  readonly config: ConnectionConfig;
}

export interface DeclareDeps extends Pick<Ground, "store" | "catalog" | "urls" | "limits"> {
  readonly clients: OAuthClients;
}

const NO_ERROR = { error: null, error_message: null, other_user_email: null } as const;

/**
 * Returns the connection when it covers the request, otherwise a link to a new consent.
 *
 * @throws CodedError `unknown_service`, `not_found`, `connector_blocked`, `invalid_scope`,
 *   `invalid_return_to`, `invalid_connection_config`, `oauth_client_missing`, `too_many_flows`
 */
export async function initiate(deps: DeclareDeps, request: InitiateRequest): Promise<Initiated> {
  const { store, catalog } = deps;
  const { app_id, integration_type, return_to, force_reconnect = false } = request;
  const provider = catalog.require(integration_type);
  const app = await existingApp(store, app_id);
  await requireAllowed(store, app, provider);
  const sent = checkScopes(request.scopes);
  if (return_to !== null && !isLocalPath(return_to)) throw new CodedError("invalid_return_to");
  const current = await store.findConnection(app_id, integration_type);
  const kept = current === null ? {} : inputConfig(provider, current.config ?? {});
  const config = request.config === null ? kept : checkGiven(provider, request.config);

  const declared = await declaredScopes(store, app_id, integration_type, current);
  const scopes = request.scope_change === "add" ? withScopes(provider, declared, sent) : sent;
  if (!force_reconnect && current?.status === "active" && declareTheSame(provider, scopes, declared ?? [])) {
    if (current.connected_by !== request.initiator) return await differentUser(store, provider, current);
    if (sameConfig(provider, config, kept)) return await alreadyConnected(store, current, scopes, declared ?? []);
  }
  if ((await deps.clients.find(app.workspace_id, provider.id)) === null) await refuseWithoutClient(deps, provider);
  return await createFlow(deps, request, scopes, config);
}

/**
 * Stores the declaration as written when it differs only in form, so that a pull returns what was
 * pushed.
 */
async function alreadyConnected(
  store: Store,
  { app_id, integration_type, id }: ConnectionRow,
  scopes: readonly string[],
  declared: readonly string[],
): Promise<Initiated> {
  if (!isDeepStrictEqual(scopes, declared)) await store.declareConnector(app_id, integration_type, scopes);
  return { redirect_url: null, connection_id: id, already_authorized: true, ...NO_ERROR };
}

async function differentUser(
  store: Store,
  provider: Provider,
  { connected_by }: Pick<ConnectionRow, "connected_by">,
): Promise<Initiated> {
  const other_user_email = (await store.getUser(asUserId(connected_by)))?.email ?? null;
  return {
    redirect_url: null,
    connection_id: null,
    already_authorized: false,
    error: "different_user",
    error_message: `${provider.display_name} is already connected with these scopes by ${other_user_email ?? "another builder"}. To replace that account with yours, set force_reconnect.`,
    other_user_email,
  };
}

async function createFlow(
  { store, urls, limits }: DeclareDeps,
  { app_id, integration_type, initiator, return_to }: InitiateRequest,
  scopes: readonly string[],
  config: ConnectionConfig,
): Promise<Initiated> {
  const creation = await store.createFlow(
    { app_id, id: newFlowId(), integration_type, initiator, scopes, config, return_to },
    { ttl_ms: limits.flow_ttl_ms, pending: limits.pending_flows_per_initiator },
  );
  if (creation.kind === "too_many")
    throw new CodedError("too_many_flows", { retry_after_s: Math.ceil(limits.flow_ttl_ms / 1000) });
  const { id } = creation.flow;
  return { redirect_url: urls.connect(id), connection_id: id, already_authorized: false, ...NO_ERROR };
}

/** Returns the declared scopes, else those of the connection, else null. */
async function declaredScopes(
  store: Store,
  app_id: AppId,
  integration_type: string,
  current: ConnectionRow | null,
): Promise<readonly string[] | null> {
  const declared = (await store.listConnectors(app_id)).find((one) => one.integration_type === integration_type);
  if (declared !== undefined) return declared.scopes;
  return current === null ? null : current.scopes_requested;
}

export async function reconnect(deps: DeclareDeps, request: ReconnectRequest): Promise<Initiated> {
  const declared = await declaredScopes(deps.store, request.app_id, request.integration_type, null);
  return await initiate(deps, {
    ...request,
    scopes: declared ?? [],
    config: null,
    return_to: null,
    force_reconnect: true,
  });
}

export async function savedConfig(
  { store, catalog }: DeclareDeps,
  app_id: AppId,
  integration_type: string,
): Promise<SavedConfig> {
  const provider = catalog.require(integration_type);
  const current = await store.findConnection(app_id, integration_type);
  return { provider, config: current === null ? {} : inputConfig(provider, current.config ?? {}) };
}

/** Requires that the workspace allows the service. @throws CodedError `connector_blocked` */
export async function requireAllowed(store: Store, { workspace_id }: AppRow, provider: Provider): Promise<void> {
  const switches = await store.getGovernance(workspace_id, provider.id);
  if (switches?.builder_connection_enabled === false)
    throw new CodedError("connector_blocked", { reason: "connector_blocked" });
}

/**
 * Refuses a consent for which the workspace has no OAuth client.
 *
 * @throws CodedError `oauth_client_missing`
 */
export async function refuseWithoutClient({ store }: Pick<Ground, "store">, provider: Provider): Promise<never> {
  if ((await store.installationClient(provider.id)) === null) throw missingClient(provider);
  throw new CodedError("oauth_client_missing", {
    message: `The OAuth client for ${provider.display_name} belongs to the owners of this installation, and this workspace has other owners. Set a client of the workspace's own, registered at ${provider.registration.url}. Or ask an admin of the installation to share its clients with the workspace.`,
    reason: "installation_client_not_shared",
  });
}

export function missingClient(provider: Provider): CodedError {
  return new CodedError("oauth_client_missing", {
    message: `No OAuth client is set for ${provider.display_name}. Register one at ${provider.registration.url}, then run: holdfast clients set ${provider.id} --client-id ID --client-secret-stdin.`,
  });
}
