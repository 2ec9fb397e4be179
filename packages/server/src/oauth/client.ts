/**
 * The OAuth client: everything that is asked of a provider, from consent to revocation.
 *
 * Knows the protocol and the catalog; knows nothing of connections, leases or storage. What a provider does comes back as
 * a value, never as an exception, and no request is repeated here. Checks of `state`, `iss` and the browser session are
 * over by the time a code gets here. RFC 6749 §4.1 and §6, RFC 7636, RFC 7009.
 */
import { genericTokenEndpointRequest, refreshTokenGrantRequest } from "oauth4webapi";
import type { Secret } from "../core/secret.ts";
import type { ConnectionConfig, JsonObject } from "../core/types.ts";
import type { Provider } from "../providers/provider.ts";
import { checkHealth, identify, type AccountQuery, type IdentityResult } from "./account.ts";
import { authorizationUrl, type AuthorizationRequest } from "./authorization-url.ts";
import type { ClientCredentials } from "./client-auth.ts";
import type { OAuthDeps } from "./deps.ts";
import type { TokenOutcome } from "./outcome.ts";
import { revoke, type RevokeCall, type RevokeResult } from "./revoke.ts";
import { callTokenEndpoint } from "./token-endpoint.ts";

export interface ExchangeCall {
  readonly provider: Provider;
  readonly config: ConnectionConfig;
  readonly client: ClientCredentials;
  /** The one of the authorization request, letter by letter (RFC 6749 §4.1.3). */
  readonly redirect_uri: string;
  readonly code: Secret;
  readonly code_verifier: Secret | null;
  readonly requested_scopes: readonly string[];
}

export interface RefreshCall {
  readonly provider: Provider;
  readonly config: ConnectionConfig;
  readonly client: ClientCredentials;
  readonly refresh_token: Secret;
  readonly scopes: readonly string[];
  /** How long the whole exchange may take. */
  readonly deadline_ms: number;
  /** Called right before the first byte is written; `false` gives up, and the outcome is `retry_later`, not sent. */
  readonly onSend?: () => boolean;
}

export interface OAuthClient {
  /** Always the provider's https address. With a gateway the caller leads the browser through `throughGateway`. */
  authorizationUrl(request: AuthorizationRequest): string;
  exchange(call: ExchangeCall): Promise<TokenOutcome>;
  refresh(call: RefreshCall): Promise<TokenOutcome>;
  identity(query: AccountQuery & { readonly token: JsonObject }): Promise<IdentityResult>;
  health(query: AccountQuery): Promise<"alive" | "dead" | "unknown">;
  revoke(call: RevokeCall): Promise<RevokeResult>;
}

export function createOAuthClient(deps: OAuthDeps): OAuthClient {
  return {
    authorizationUrl,

    exchange: ({ provider, config, client, redirect_uri, code, code_verifier, requested_scopes }) => {
      const parameters = {
        code: code.expose(),
        redirect_uri,
        ...(code_verifier === null ? {} : { code_verifier: code_verifier.expose() }),
      };
      const context = { grant: "authorization_code", scopes: requested_scopes } as const;
      const call = { provider, config, client, context, deadline_ms: deps.limits.refresh_deadline_ms };
      // The generic request, since the library's own for codes wants to check the callback again.
      return callTokenEndpoint(deps, call, (server, id, auth, options) =>
        genericTokenEndpointRequest(server, id, auth, "authorization_code", parameters, options),
      );
    },

    refresh: ({ provider, config, client, refresh_token, scopes, deadline_ms, onSend }) => {
      const context = { grant: "refresh_token", scopes } as const;
      const call = { provider, config, client, context, deadline_ms, onSend };
      return callTokenEndpoint(deps, call, (server, id, auth, options) =>
        refreshTokenGrantRequest(server, id, auth, refresh_token.expose(), options),
      );
    },

    identity: (query) => identify(deps, query),
    health: (query) => checkHealth(deps, query),
    revoke: (call) => revoke(deps, call),
  };
}
