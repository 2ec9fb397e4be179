/**
 * The connect flow up to the provider: showing what will be asked for, minting state and verifier when the initiator presses
 * Connect, and leading on. What makes a flow is connectors.ts; what comes back is callback.ts.
 *
 * The flow is one stored record. pending -> (POST: started) -> (callback: taken) -> finished. A flow is bound to the person
 * who initiated it and, once started, to one browser by a cookie: whoever opens the link elsewhere links nothing (RFC 9700
 * §4.7; cross-user fixation). Reading a page changes nothing; only POSTs do.
 */
import { createHash } from "node:crypto";
import { ApiError } from "../../core/errors.ts";
import { asFlowId, randomToken } from "../../core/ids.ts";
import { Secret, sha256Hex } from "../../core/secret.ts";
import { isJsonObject, type AppId, type ConnectionConfig, type FlowId } from "../../core/types.ts";
import { throughGateway } from "../../net/gateway.ts";
import { acceptsRedirect, withDefaults, type Provider } from "../../providers/provider.ts";
import { checkConfig } from "../../providers/template.ts";
import type { AppRow, FlowRow } from "../../store/tables.ts";
import { sealedFromStorage, type SealContext, type Vault } from "../../vault/seal.ts";
import {
  createConnectors,
  missingClient,
  requireAllowed,
  requireApp,
  requireClient,
  type Connectors,
  type ConnectorsDeps,
} from "./declare.ts";
import { configError, effectiveScopes, withoutBlanks } from "./declaration.ts";
import { notGranted } from "../grants/grant.ts";
import type { Ground } from "../ground.ts";

export { effectiveScopes } from "./declaration.ts";

/** What the confirm page shows. */
export interface FlowView {
  readonly flow: FlowRow;
  readonly app: AppRow;
  readonly provider: Provider;
  readonly scopes: readonly string[];
  readonly config: ConnectionConfig;
  readonly redirect_uri: string;
  /** The account that is connected now, which this consent is to replace. */
  readonly connected: { readonly label: string | null } | null;
}

export type FlowStatus = "PENDING" | "ACTIVE" | "FAILED";

export interface ConnectFlow extends Connectors {
  view(id: FlowId, principal: string): Promise<FlowView>;
  /** The initiator pressed Connect. `browser` is the secret of this browser's flow cookie. */
  start(id: FlowId, principal: string, browser: Secret, config: ConnectionConfig): Promise<void>;
  /** Where the go page leads. Only for the browser that started. */
  authorizationUrl(id: FlowId, principal: string, browser: Secret | null): Promise<string>;
  /**
   * `missing_scopes`: asked for, and not granted; empty while there is no connection. What another builder of the app began
   * is PENDING, whatever became of it.
   */
  status(
    app_id: AppId,
    integration_type: string,
    connection_id: string,
    principal: string,
  ): Promise<{ readonly status: FlowStatus; readonly missing_scopes: readonly string[] }>;
  /** The finished flow, for its result page. */
  outcome(id: FlowId, principal: string): Promise<FlowView>;
}

export type ConnectDeps = ConnectorsDeps & Pick<Ground, "vault" | "oauth" | "gateway" | "clock">;

/** What is sealed in a started flow. */
export interface FlowSecrets {
  readonly state: Secret;
  readonly code_verifier: Secret | null;
}

const requestContext = (flow: Pick<FlowRow, "app_id" | "id">): SealContext => ({
  table: "flows",
  column: "request",
  scope: flow.app_id,
  row_id: flow.id,
  generation: 0,
});

export async function openFlowSecrets(vault: Vault, flow: FlowRow): Promise<FlowSecrets> {
  if (flow.sealed_request === null) throw new ApiError("state_unknown");
  const text = await vault.open(requestContext(flow), sealedFromStorage(flow.sealed_request));
  const value: unknown = JSON.parse(text.expose());
  if (!isJsonObject(value) || typeof value["state"] !== "string") throw new ApiError("state_unknown");
  const { code_verifier } = value;
  return {
    state: new Secret(value["state"]),
    code_verifier: typeof code_verifier === "string" ? new Secret(code_verifier) : null,
  };
}

export function createConnectFlow(deps: ConnectDeps): ConnectFlow {
  const { store, vault, catalog, oauth, clients, urls, gateway, clock } = deps;

  async function view(id: FlowId, principal: string): Promise<FlowView> {
    const flow = await store.getFlow(id);
    if (flow === null) throw new ApiError("flow_not_found");
    if (flow.initiator !== principal) throw new ApiError("flow_user_mismatch");
    const provider = catalog.require(flow.integration_type);
    const app = await requireApp(store, flow.app_id);
    const client = await clients.find(app.workspace_id, flow.integration_type);
    const current = await store.findConnection(flow.app_id, flow.integration_type);
    const redirect_uri = flow.redirect_uri ?? urls.redirect(client?.shared_callback === true ? null : provider.vendor);
    const scopes = effectiveScopes(provider, flow.scopes);
    const connected =
      current?.status === "active"
        ? { label: current.account_label ?? current.account_email ?? current.account_id }
        : null;
    const config = withDefaults(provider, flow.config);
    return { flow, app, provider, scopes, config, redirect_uri, connected };
  }

  async function start(id: FlowId, principal: string, browser: Secret, config: ConnectionConfig): Promise<void> {
    const { flow, app, provider, redirect_uri } = await view(id, principal);
    if (flow.outcome !== null || flow.taken_at !== null) throw new ApiError("state_used");
    if (flow.expires_at <= clock.now()) throw new ApiError("flow_expired");
    await requireAllowed(store, app, provider);
    requireRedirect(provider, redirect_uri);
    const checked = checkConfig(provider, withDefaults(provider, { ...flow.config, ...withoutBlanks(config) }));
    if ("errors" in checked) throw configError(checked.errors);
    const client = await requireClient(deps, app, provider);
    const state = randomToken();
    const code_verifier = provider.pkce === "S256" ? randomToken() : null;
    const sealed_request = await vault.seal(requestContext(flow), new Secret(JSON.stringify({ state, code_verifier })));
    const started = await store.startFlow(id, {
      oauth_client_id: client.id,
      redirect_uri,
      vendor: client.shared_callback ? null : provider.vendor,
      state_hash: sha256Hex(state),
      browser_hash: sha256Hex(browser.expose()),
      sealed_request,
      config: checked.config,
    });
    if (!started) throw new ApiError("flow_expired");
  }

  async function authorizationUrl(id: FlowId, principal: string, browser: Secret | null): Promise<string> {
    const { flow, provider, scopes, redirect_uri } = await view(id, principal);
    if (flow.taken_at !== null || flow.outcome !== null) throw new ApiError("state_used");
    if (flow.expires_at <= clock.now()) throw new ApiError("flow_expired");
    if (flow.oauth_client_id === null || flow.sealed_request === null) throw new ApiError("flow_not_found");
    if (browser === null || sha256Hex(browser.expose()) !== flow.browser_hash)
      throw new ApiError("state_session_mismatch");
    const client = await store.getClient(flow.oauth_client_id);
    if (client === null) throw missingClient(provider);
    const { state, code_verifier } = await openFlowSecrets(vault, flow);
    const url = oauth.authorizationUrl({
      provider,
      config: flow.config,
      client_id: client.client_id,
      redirect_uri,
      state: state.expose(),
      code_challenge:
        code_verifier === null ? null : createHash("sha256").update(code_verifier.expose()).digest("base64url"),
      scopes,
    });
    return throughGateway(gateway, url);
  }

  /** Said here, where the public URL can be named; the vendor would only say that the address is wrong. */
  function requireRedirect(provider: Provider, redirect_uri: string): void {
    if (gateway !== null || acceptsRedirect(provider, redirect_uri)) return;
    const message = `${provider.display_name} redirects to https addresses only, and this server is reached at ${urls.public_url}. Serve it under https and set HOLDFAST_PUBLIC_URL to that address.`;
    throw new ApiError("https_redirect_required", { message });
  }

  async function status(
    app_id: AppId,
    integration_type: string,
    connection_id: string,
    principal: string,
  ): ReturnType<ConnectFlow["status"]> {
    catalog.require(integration_type);
    const foreign = { status: "PENDING", missing_scopes: [] } as const;
    const flow = await store.getFlow(asFlowId(connection_id));
    const row = await store.findConnection(app_id, integration_type);
    if (flow !== null && flow.app_id === app_id && flow.integration_type === integration_type) {
      if (flow.initiator !== principal) return foreign;
      const pending = flow.outcome === null && flow.expires_at > clock.now();
      if (flow.outcome !== "connected") return { status: pending ? "PENDING" : "FAILED", missing_scopes: [] };
      return { status: "ACTIVE", missing_scopes: notGranted(row) };
    }
    if (row === null || row.id !== connection_id) {
      const message = "No consent or connection has this connection_id. It may be older than an hour.";
      throw new ApiError("not_found", { message });
    }
    if (row.connected_by !== principal) return foreign;
    return { status: row.status === "active" ? "ACTIVE" : "FAILED", missing_scopes: notGranted(row) };
  }

  return { ...createConnectors(deps), view, start, authorizationUrl, status, outcome: view };
}
