/**
 * The authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3): the address that a person is sent to for consent.
 */
import { ApiError } from "../core/errors.ts";
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
  /** S256 of the verifier; null exactly for providers with `pkce: "none"`. */
  readonly code_challenge: string | null;
  readonly scopes: readonly string[];
}

/**
 * @throws ApiError `invalid_connection_config` when the config gives no URL at the provider
 * @throws TypeError when a provider that takes PKCE is asked without it: a defect of the caller
 */
export function authorizationUrl(request: AuthorizationRequest): string {
  const { provider, client_id, redirect_uri, state, code_challenge } = request;
  if ((code_challenge !== null) !== (provider.pkce === "S256")) {
    throw new TypeError(
      `A code challenge must be given exactly when the provider takes one; pkce is ${provider.pkce}.`,
    );
  }
  const address = fillTemplate(provider, provider.authorization_url, request.config);
  if (address === null) throw new ApiError("invalid_connection_config");
  const url = new URL(address);
  if (provider.flow.kind === "app_install") return installUrl(url, provider.flow, request);
  const parameters = {
    // The provider's own parameters go first, so that none of them can replace one of the protocol's.
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

/** The state has no parameter of its own: it rides in the query of the address to return to. */
function installUrl(url: URL, flow: AppInstall, { client_id, redirect_uri, state }: AuthorizationRequest): string {
  const back = new URL(redirect_uri);
  back.searchParams.set("state", state);
  url.searchParams.set(flow.app_id_param, client_id);
  url.searchParams.set(flow.return_param, back.href);
  return url.href;
}

function scopeParameter(provider: Provider, scopes: readonly string[]): Record<string, string> {
  const asked = unique([...scopes, ...provider.required_scopes]);
  if (provider.scope_param === null || asked.length === 0) return {};
  return { [provider.scope_param]: formatScopes(asked, provider.scope_separator) };
}

function configParameters(provider: Provider, config: ConnectionConfig): Record<string, string> {
  return Object.fromEntries(
    provider.config_fields.flatMap((field) => {
      const { name, authorization_param } = field;
      const value = config[name];
      if (authorization_param === undefined || value === undefined) return [];
      if (!accepts(field, value)) throw new ApiError("invalid_connection_config");
      return [[authorization_param, value] as const];
    }),
  );
}
