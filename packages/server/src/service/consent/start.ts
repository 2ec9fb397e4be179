/**
 * The steps before the provider. They return the data of the confirm page, start the flow when the
 * builder presses Connect, and return the authorization URL for the go page. Reading changes
 * nothing.
 */
import { createHash } from "node:crypto";
import { CodedError } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { Secret, sha256Hex } from "../../core/secret.ts";
import type { ConnectionConfig } from "../../core/types.ts";
import { throughGateway } from "../../net/gateway.ts";
import { acceptsRedirect, withDefaults, type Provider } from "../../providers/provider.ts";
import { checkConfig } from "../../providers/template.ts";
import type { AppRow, FlowRow, OAuthClientRow } from "../../store/tables.ts";
import type { OAuthClients } from "../grants/clients.ts";
import type { Ground } from "../ground.ts";
import { missingClient, refuseWithoutClient, requireAllowed } from "./declare.ts";
import { configError, effectiveScopes, withoutBlanks } from "./declaration.ts";
import { openSecrets, requireOpen, sealSecrets } from "./flow.ts";

/** The data of the confirm page. */
export interface ConfirmView {
  readonly provider: Provider;
  readonly scopes: readonly string[];
  readonly config: ConnectionConfig;
  readonly redirect_uri: string;
  /** The account connected now, which this consent replaces. */
  readonly connected: { readonly label: string | null } | null;
}

export interface StartDeps extends Pick<
  Ground,
  "store" | "vault" | "catalog" | "oauth" | "urls" | "gateway" | "clock"
> {
  readonly clients: OAuthClients;
}

export async function viewConfirm(deps: StartDeps, flow: FlowRow, app: AppRow): Promise<ConfirmView> {
  const { store, catalog, clients } = deps;
  const provider = catalog.require(flow.integration_type);
  const client = flow.redirect_uri === null ? await clients.find(app.workspace_id, provider.id) : null;
  const current = await store.findConnection(flow.app_id, flow.integration_type);
  const label = current === null ? null : (current.account_label ?? current.account_email ?? current.account_id);
  return {
    provider,
    scopes: effectiveScopes(provider, flow.scopes),
    config: withDefaults(provider, flow.config),
    redirect_uri: flow.redirect_uri ?? redirectUri(deps, provider, client),
    connected: current?.status === "active" ? { label } : null,
  };
}

/**
 * Starts a flow: creates state and code verifier (RFC 7636) and binds the flow to one browser.
 *
 * @param browser the secret of this browser's flow cookie
 * @throws CodedError `state_used`, `flow_expired`, `connector_blocked`, `oauth_client_missing`,
 *   `https_redirect_required`, `missing_connection_config`, `invalid_connection_config`
 */
export async function start(
  deps: StartDeps,
  flow: FlowRow,
  app: AppRow,
  browser: Secret,
  config: ConnectionConfig,
): Promise<void> {
  const { store, vault, catalog } = deps;
  const provider = catalog.require(flow.integration_type);
  requireOpen(deps, flow);
  await requireAllowed(store, app, provider);
  const found = await deps.clients.find(app.workspace_id, provider.id);
  const redirect_uri = flow.redirect_uri ?? redirectUri(deps, provider, found);
  requireRedirect(deps, provider, redirect_uri);
  const checked = checkConfig(provider, withDefaults(provider, { ...flow.config, ...withoutBlanks(config) }));
  if ("errors" in checked) throw configError(checked.errors);
  const client = found ?? (await refuseWithoutClient(deps, provider));
  const state = new Secret(randomToken());
  const code_verifier = provider.pkce === "S256" ? new Secret(randomToken()) : null;
  const started = await store.startFlow(flow.id, {
    oauth_client_id: client.id,
    redirect_uri,
    vendor: client.shared_callback ? null : provider.vendor,
    state_hash: sha256Hex(state.expose()),
    browser_hash: sha256Hex(browser.expose()),
    sealed_request: await sealSecrets(vault, flow, { state, code_verifier }),
    config: checked.config,
  });
  if (!started) throw new CodedError("flow_expired");
}

/**
 * Returns the provider's authorization URL of a started flow, for the browser that started it.
 *
 * @throws CodedError `state_used`, `flow_expired`, `flow_not_found`, `state_session_mismatch`
 */
export async function authorizationUrl(deps: StartDeps, flow: FlowRow, browser: Secret | null): Promise<string> {
  const { store, vault, catalog, oauth, gateway } = deps;
  const provider = catalog.require(flow.integration_type);
  requireOpen(deps, flow);
  const { oauth_client_id, redirect_uri } = flow;
  if (oauth_client_id === null || redirect_uri === null || flow.sealed_request === null)
    throw new CodedError("flow_not_found");
  if (browser === null || sha256Hex(browser.expose()) !== flow.browser_hash)
    throw new CodedError("state_session_mismatch");
  const client = await store.getClient(oauth_client_id);
  if (client === null) throw missingClient(provider);
  const { state, code_verifier } = await openSecrets(vault, flow);
  const url = oauth.authorizationUrl({
    provider,
    config: flow.config,
    client_id: client.client_id,
    redirect_uri,
    state: state.expose(),
    code_challenge: code_verifier === null ? null : codeChallenge(code_verifier),
    scopes: effectiveScopes(provider, flow.scopes),
  });
  return throughGateway(gateway, url);
}

/** Returns the S256 code challenge (RFC 7636 §4.2). */
function codeChallenge(code_verifier: Secret): string {
  return createHash("sha256").update(code_verifier.expose()).digest("base64url");
}

function redirectUri({ urls }: StartDeps, provider: Provider, client: OAuthClientRow | null): string {
  return urls.redirect(client?.shared_callback === true ? null : provider.vendor);
}

/**
 * Refuses here, where the message can name the public URL. The vendor would only report a wrong
 * redirect URI.
 */
function requireRedirect({ gateway, urls }: StartDeps, provider: Provider, redirect_uri: string): void {
  if (gateway !== null || acceptsRedirect(provider, redirect_uri)) return;
  throw new CodedError("https_redirect_required", {
    message: `${provider.display_name} redirects only to https URLs, and this server's URL is ${urls.public_url}. Serve it over https and set HOLDFAST_PUBLIC_URL to that URL.`,
  });
}
