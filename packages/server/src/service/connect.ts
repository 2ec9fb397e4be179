/**
 * The connect flow up to the provider: making a flow, showing what will be asked for, minting state and verifier when the
 * initiator presses Connect, and leading on. What comes back is callback.ts.
 *
 * The flow is one stored record. pending -> (POST: started) -> (callback: taken) -> finished. A flow is bound to the person
 * who initiated it and, once started, to one browser by a cookie: whoever opens the link elsewhere links nothing (RFC 9700
 * §4.7; cross-user fixation). Reading a page changes nothing; only POSTs do.
 */
import { createHash } from "node:crypto";
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { asFlowId, newFlowId, randomToken } from "../core/ids.ts";
import { sameScopes, SCOPE_TOKEN, unique } from "../core/scopes.ts";
import { Secret, sha256Hex } from "../core/secret.ts";
import { isJsonObject, type AppId, type ConnectionConfig, type FlowId } from "../core/types.ts";
import type { OAuthClient } from "../oauth/client.ts";
import { throughGateway } from "../oauth/transport.ts";
import type { Catalog } from "../providers/index.ts";
import { takesRedirect, withDefaults, type Provider } from "../providers/provider.ts";
import { checkConfig, type ConfigError } from "../providers/template.ts";
import type { Store } from "../store/store.ts";
import type { AppsTable, FlowRow } from "../store/tables.ts";
import { sealedFromStorage, type SealContext, type Vault } from "../vault/seal.ts";
import { requireProvider } from "./catalog-errors.ts";
import type { OAuthClients } from "./clients.ts";
import { notGranted, parseConfig, parseList } from "./grant.ts";
import type { Urls } from "./urls.ts";

const MAX_SCOPES = 200;

export interface InitiateRequest {
  readonly app_id: AppId;
  readonly integration_type: string;
  /** As declared; none means the catalog's defaults. */
  readonly scopes: readonly string[];
  /** Null: keep what the connection has. */
  readonly config: ConnectionConfig | null;
  readonly initiator: string;
  readonly return_to: string | null;
}

export interface Initiated {
  readonly redirect_url: string | null;
  readonly connection_id: string | null;
  readonly already_authorized: boolean;
}

/** What the confirm page shows. */
export interface FlowView {
  readonly flow: FlowRow;
  readonly app: AppsTable;
  readonly provider: Provider;
  readonly scopes: readonly string[];
  readonly config: ConnectionConfig;
  readonly redirect_uri: string;
}

export type FlowStatus = "PENDING" | "ACTIVE" | "FAILED";

export interface ConnectFlow {
  initiate(request: InitiateRequest): Promise<Initiated>;
  /** A new consent for what is declared, also when the present one is good: the page that errors point to. */
  reconnect(request: Pick<InitiateRequest, "app_id" | "integration_type" | "initiator">): Promise<Initiated>;
  view(id: FlowId, principal: string): Promise<FlowView>;
  /** The initiator pressed Connect. `browser` is the secret of this browser's flow cookie. */
  start(id: FlowId, principal: string, browser: Secret, config: ConnectionConfig): Promise<void>;
  /** Where the go page leads. Only for the browser that started. */
  authorizationUrl(id: FlowId, principal: string, browser: Secret | null): Promise<string>;
  /** `missing_scopes`: asked for, and not granted; empty while there is no connection. */
  status(
    app_id: AppId,
    integration_type: string,
    connection_id: string,
  ): Promise<{ readonly status: FlowStatus; readonly missing_scopes: readonly string[] }>;
  /** The finished flow, for its result page. */
  outcome(id: FlowId, principal: string): Promise<FlowView>;
}

export interface ConnectDeps {
  readonly store: Store;
  readonly vault: Vault;
  readonly catalog: Catalog;
  readonly oauth: OAuthClient;
  readonly clients: OAuthClients;
  readonly urls: Urls;
  /** Origin of a simulator that stands in for every provider, or null. */
  readonly gateway: string | null;
  readonly clock: Clock;
  readonly limits: Limits;
}

/** Declared scopes, or the defaults, and always those without which nothing works. */
export function effectiveScopes(provider: Provider, declared: readonly string[]): readonly string[] {
  return unique([...(declared.length === 0 ? provider.default_scopes : declared), ...provider.required_scopes]);
}

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
  const { store, vault, catalog, oauth, clients, urls, gateway, clock, limits } = deps;

  async function reconnect(
    request: Pick<InitiateRequest, "app_id" | "integration_type" | "initiator">,
  ): Promise<Initiated> {
    const declared = (await store.listConnectors(request.app_id)).find(
      (connector) => connector.integration_type === request.integration_type,
    );
    return initiate(
      { ...request, scopes: declared === undefined ? [] : parseList(declared.scopes), config: null, return_to: null },
      "always",
    );
  }

  async function initiate(request: InitiateRequest, consent: "if_needed" | "always" = "if_needed"): Promise<Initiated> {
    const { app_id, integration_type, initiator, return_to } = request;
    const provider = requireProvider(catalog, integration_type);
    const app = await requireApp(app_id);
    const scopes = checkScopes(request.scopes);
    const current = await store.findConnection(app_id, integration_type);
    const kept = current === null ? {} : inputConfig(provider, parseConfig(current.config));
    const config = { ...kept, ...checkGiven(provider, request.config ?? {}) };
    if (return_to !== null && !isLocalPath(return_to)) throw new ApiError("invalid_return_to");
    if ((await clients.find(app.workspace_id, integration_type)) === null)
      throw new ApiError("oauth_client_missing", { message: missingClient(provider) });

    const wanted = effectiveScopes(provider, scopes);
    const sameConfig = JSON.stringify(sorted(config)) === JSON.stringify(sorted(kept));
    if (
      consent === "if_needed" &&
      current?.status === "active" &&
      sameConfig &&
      sameScopes(wanted, parseList(current.scopes_requested))
    ) {
      return { redirect_url: null, connection_id: current.id, already_authorized: true };
    }
    const creation = await store.createFlow(
      {
        app_id,
        id: newFlowId(),
        integration_type,
        initiator,
        scopes: JSON.stringify(scopes),
        config: JSON.stringify(sorted(config)),
        return_to,
      },
      { ttl_ms: limits.flow_ttl_ms, pending: limits.pending_flows_per_initiator },
    );
    if (creation.kind === "too_many")
      throw new ApiError("too_many_flows", { retry_after_s: Math.ceil(limits.flow_ttl_ms / 1000) });
    return { redirect_url: urls.connect(creation.flow.id), connection_id: creation.flow.id, already_authorized: false };
  }

  async function view(id: FlowId, principal: string): Promise<FlowView> {
    const flow = await store.getFlow(id);
    if (flow === null) throw new ApiError("flow_not_found");
    if (flow.initiator !== principal) throw new ApiError("flow_user_mismatch");
    const provider = requireProvider(catalog, flow.integration_type);
    const app = await requireApp(flow.app_id);
    const client = await clients.find(app.workspace_id, flow.integration_type);
    const redirect_uri = flow.redirect_uri ?? urls.redirect(client?.shared_callback === 1 ? null : provider.vendor);
    const scopes = effectiveScopes(provider, parseList(flow.scopes));
    return { flow, app, provider, scopes, config: withDefaults(provider, parseConfig(flow.config)), redirect_uri };
  }

  async function start(id: FlowId, principal: string, browser: Secret, config: ConnectionConfig): Promise<void> {
    const { flow, app, provider, redirect_uri } = await view(id, principal);
    if (flow.outcome !== null || flow.taken_at !== null) throw new ApiError("state_used");
    if (flow.expires_at <= clock.now()) throw new ApiError("flow_expired");
    requireRedirect(provider, redirect_uri);
    const checked = checkConfig(
      provider,
      withDefaults(provider, { ...parseConfig(flow.config), ...withoutBlanks(config) }),
    );
    if ("errors" in checked) throw configError(checked.errors);
    const client = await clients.find(app.workspace_id, flow.integration_type);
    if (client === null) throw new ApiError("oauth_client_missing", { message: missingClient(provider) });
    const state = randomToken();
    const code_verifier = provider.pkce === "S256" ? randomToken() : null;
    const sealed_request = await vault.seal(requestContext(flow), new Secret(JSON.stringify({ state, code_verifier })));
    const started = await store.startFlow(id, {
      oauth_client_id: client.id,
      redirect_uri,
      vendor: client.shared_callback === 1 ? null : provider.vendor,
      state_hash: sha256Hex(state),
      browser_hash: sha256Hex(browser.expose()),
      sealed_request,
      config: JSON.stringify(sorted(checked.config)),
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
    if (client === null) throw new ApiError("oauth_client_missing", { message: missingClient(provider) });
    const { state, code_verifier } = await openFlowSecrets(vault, flow);
    const url = oauth.authorizationUrl({
      provider,
      config: parseConfig(flow.config),
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
    if (gateway !== null || takesRedirect(provider, redirect_uri)) return;
    const message = `${provider.display_name} redirects to https addresses only, and this server is reached at ${urls.public_url}. Serve it under https and set HOLDFAST_PUBLIC_URL to that address.`;
    throw new ApiError("https_redirect_required", { message });
  }

  async function status(
    app_id: AppId,
    integration_type: string,
    connection_id: string,
  ): ReturnType<ConnectFlow["status"]> {
    requireProvider(catalog, integration_type);
    const flow = await store.getFlow(asFlowId(connection_id));
    const row = await store.findConnection(app_id, integration_type);
    if (flow !== null && flow.app_id === app_id && flow.integration_type === integration_type) {
      const pending = flow.outcome === null && flow.expires_at > clock.now();
      if (flow.outcome !== "connected") return { status: pending ? "PENDING" : "FAILED", missing_scopes: [] };
      return { status: "ACTIVE", missing_scopes: notGranted(row) };
    }
    if (row === null || row.id !== connection_id) {
      const message = "No consent or connection has this connection_id. It may be older than an hour.";
      throw new ApiError("not_found", { message });
    }
    return { status: row.status === "active" ? "ACTIVE" : "FAILED", missing_scopes: notGranted(row) };
  }

  async function requireApp(app_id: AppId): Promise<AppsTable> {
    const app = await store.getApp(app_id);
    if (app === null)
      throw new ApiError("not_found", { message: "There is no such app. holdfast apps list shows all." });
    return app;
  }

  return { initiate: (request) => initiate(request), reconnect, view, start, authorizationUrl, status, outcome: view };
}

function checkScopes(scopes: readonly string[]): readonly string[] {
  const list = unique(scopes);
  const bad = list.filter((scope) => !SCOPE_TOKEN.test(scope));
  if (bad.length > 0 || list.length > MAX_SCOPES) {
    const message =
      list.length > MAX_SCOPES ? `at most ${MAX_SCOPES}` : "visible ASCII characters without quotes, at most 256";
    throw new ApiError("invalid_scope", { errors: [{ name: "scopes", message }] });
  }
  return list;
}

/** Values that were sent must be right; ones that were not are asked for on the confirm page. */
function checkGiven(provider: Provider, given: ConnectionConfig): ConnectionConfig {
  const checked = checkConfig(provider, given);
  const wrong = "config" in checked ? [] : checked.errors.filter((error) => error.kind !== "missing");
  if (wrong.length > 0) throw configError(wrong);
  return given;
}

function configError(errors: readonly ConfigError[]): ApiError {
  const only_missing = errors.every((error) => error.kind === "missing");
  const fields = errors.map(({ name, message }) => ({ name, message }));
  return new ApiError(only_missing ? "missing_connection_config" : "invalid_connection_config", {
    errors: fields,
    message: fields.map((field) => field.message).join(" "),
  });
}

/** The part of a connection's config that was asked for, without what was derived from answers. */
function inputConfig(provider: Provider, config: ConnectionConfig): ConnectionConfig {
  const names = new Set(provider.config_fields.map((field) => field.name));
  return Object.fromEntries(Object.entries(config).filter(([name]) => names.has(name)));
}

/** An empty form field means "not given". */
function withoutBlanks(config: ConnectionConfig): ConnectionConfig {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value.trim() !== ""));
}

function sorted(config: ConnectionConfig): ConnectionConfig {
  return Object.fromEntries(Object.entries(config).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** R11: one leading slash, then nothing that a browser could read as another host. */
function isLocalPath(path: string): boolean {
  return /^\/(?:[A-Za-z0-9_~.-][A-Za-z0-9_~./-]{0,1023})?$/.test(path);
}

function missingClient(provider: Provider): string {
  return `No OAuth client is set for ${provider.display_name}. Register one at ${provider.registration.url}, then: holdfast clients set ${provider.id} --client-id ID --client-secret-stdin.`;
}
