/**
 * Builds the authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3): the URL of the consent page.
 */
import { CodedError } from "../core/errors.ts";
import { formatScopes, unique } from "../core/scopes.ts";
import type { ConnectionConfig } from "../core/types.ts";
import type { AppInstall, Provider } from "../providers/provider.ts";
import { withDefaults } from "../providers/provider.ts";
import { accepts, fillTemplate } from "../providers/template.ts";

export interface AuthorizationRequest {
  readonly provider: Provider;
  readonly config: ConnectionConfig;
  readonly client_id: string;
  readonly redirect_uri: string;
  readonly state: string;
  /** S256 of the verifier. Null if, and only if, the provider has `pkce: "none"`. */
  readonly code_challenge: string | null;
  readonly scopes: readonly string[];
}

/**
 * Returns the authorization URL.
 *
 * @throws CodedError `invalid_connection_config` if the config does not result in a URL of the
 *   provider
 * @throws TypeError if the code challenge does not match the provider's PKCE method: a bug of the
 *   caller
 */
export function authorizationUrl(request: AuthorizationRequest): string {
  const { provider, client_id, redirect_uri, state, code_challenge } = request;
  if ((code_challenge !== null) !== (provider.pkce === "S256")) {
    throw new TypeError(
      `A code challenge is required if, and only if, the provider uses PKCE. pkce is ${provider.pkce}.`,
    );
  }
  const endpoint = fillTemplate(provider, provider.authorization_url, request.config);
  if (endpoint === null) throw new CodedError("invalid_connection_config");
  const url = new URL(endpoint);
  if (provider.flow.kind === "app_install") return installUrl(url, provider.flow, request);
  const parameters = {
    // The provider's own parameters come first, so that they cannot replace a parameter of the
    // protocol.
    ...provider.authorization_params,
    ...configParameters(provider, withDefaults(provider, request.config)),
    ...scopeParameter(provider, request.scopes),
    response_type: "code",
    [provider.client_id_param]: client_id,
    redirect_uri,
    state,
    ...(code_challenge === null ? {} : { code_challenge, code_challenge_method: "S256" }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/**
 * Returns the install URL. The vendor has no state parameter, so the state goes into the query of
 * the return URL.
 */
function installUrl(url: URL, flow: AppInstall, { client_id, redirect_uri, state }: AuthorizationRequest): string {
  const return_url = new URL(redirect_uri);
  return_url.searchParams.set("state", state);
  url.searchParams.set(flow.app_id_param, client_id);
  url.searchParams.set(flow.return_param, return_url.href);
  return url.href;
}

function scopeParameter(provider: Provider, scopes: readonly string[]): Record<string, string> {
  const requested = unique([...scopes, ...provider.required_scopes]);
  if (provider.scope_param === null || requested.length === 0) return {};
  return { [provider.scope_param]: formatScopes(requested, provider.scope_separator) };
}

function configParameters(provider: Provider, config: ConnectionConfig): Record<string, string> {
  return Object.fromEntries(
    provider.config_fields.flatMap((field) => {
      const { name, authorization_param } = field;
      const value = config[name];
      if (authorization_param === undefined || value === undefined) return [];
      if (!accepts(field, value)) throw new CodedError("invalid_connection_config");
      return [[authorization_param, value] as const];
    }),
  );
}
