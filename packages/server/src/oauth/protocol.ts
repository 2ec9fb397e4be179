/**
 * The OAuth protocol with a provider, from the authorization URL to revocation (RFC 6749 §4.1 and
 * §6, RFC 7636, RFC 7009).
 *
 * oauth/ owns the protocol, applied to the catalog's providers. It must not know connections,
 * leases or storage. Provider failures are values, never exceptions, and no request is retried
 * here. The caller checks `state`, `iss` and the browser session before it exchanges a code.
 */
import { genericTokenEndpointRequest, refreshTokenGrantRequest } from "oauth4webapi";
import type { Secret } from "../core/secret.ts";
import type { ConnectionConfig } from "../core/types.ts";
import type { Provider } from "../providers/provider.ts";
import { checkHealth, identify, type AccountQuery, type IdentityQuery, type IdentityResult } from "./account.ts";
import { isSignedInstance, requestInstallToken } from "./app-install.ts";
import { authorizationUrl, type AuthorizationRequest } from "./authorization-url.ts";
import { readCallback, type CallbackGrant, type CallbackReading } from "./callback.ts";
import type { ClientCredentials } from "./client-auth.ts";
import type { OAuthDeps } from "./deps.ts";
import { renew } from "./long-lived.ts";
import type { TokenOutcome } from "./outcome.ts";
import { revoke, type RevokeCall, type RevokeResult } from "./revoke.ts";
import { callTokenEndpoint } from "./token-endpoint.ts";

export interface ExchangeCall {
  readonly provider: Provider;
  readonly config: ConnectionConfig;
  readonly client: ClientCredentials;
  /** Identical to the authorization request's (RFC 6749 §4.1.3). */
  readonly redirect_uri: string;
  /** The grant that `readCallback` returned. */
  readonly callback: CallbackGrant;
  readonly code_verifier: Secret | null;
  readonly requested_scopes: readonly string[];
}

export interface RefreshCall {
  readonly provider: Provider;
  readonly config: ConnectionConfig;
  readonly client: ClientCredentials;
  readonly refresh_token: Secret;
  readonly scopes: readonly string[];
  /** For the whole request. */
  readonly deadline_ms: number;
  /**
   * Called right before the first byte is written. `false` gives up: the outcome is `retry_later`,
   * not sent.
   */
  readonly onSend?: () => boolean;
}

export interface OAuthProtocol {
  /** Returns the provider's https URL. With a gateway, the caller applies `throughGateway`. */
  authorizationUrl(request: AuthorizationRequest): string;
  /** Reads the redirect. The caller must have checked state, browser session, user and issuer. */
  readCallback(provider: Provider, parameters: URLSearchParams): CallbackReading;
  exchange(call: ExchangeCall): Promise<TokenOutcome>;
  refresh(call: RefreshCall): Promise<TokenOutcome>;
  identity(query: IdentityQuery): Promise<IdentityResult>;
  health(query: AccountQuery): Promise<"alive" | "dead" | "unknown">;
  revoke(call: RevokeCall): Promise<RevokeResult>;
}

export function createOAuthProtocol(deps: OAuthDeps): OAuthProtocol {
  return {
    authorizationUrl,
    readCallback,
    exchange: (call) => exchange(deps, call),
    refresh: (call) => refresh(deps, call),
    identity: (query) => identify(deps, query),
    health: (query) => checkHealth(deps, query),
    revoke: (call) => revoke(deps, call),
  };
}

async function exchange(deps: OAuthDeps, exchangeCall: ExchangeCall): Promise<TokenOutcome> {
  const { provider, config, client, redirect_uri, callback, code_verifier, requested_scopes } = exchangeCall;
  const { flow } = provider;
  const base = { provider, config, client, deadline_ms: deps.limits.refresh_deadline_ms };
  if (flow.kind === "app_install" || callback.kind === "app_install") {
    // Send nothing unless the signature proves that the installation belongs to this client.
    const proven =
      flow.kind === "app_install" &&
      callback.kind === "app_install" &&
      isSignedInstance(callback, client, deps.clock.now());
    if (!proven) return { kind: "refused", error: "signed_instance_invalid" };
    const context = { grant: "client_credentials", scopes: [] } as const;
    return withConfig(
      await requestInstallToken(deps, { ...base, context }, flow, callback.instance_id),
      callback.config,
    );
  }
  const parameters = {
    code: callback.code.expose(),
    redirect_uri,
    ...(code_verifier === null ? {} : { code_verifier: code_verifier.expose() }),
  };
  const context = { grant: "authorization_code", scopes: requested_scopes } as const;
  // The generic request, because the library's own for codes checks the callback a second time.
  const outcome = await callTokenEndpoint(deps, { ...base, context }, (server, id, auth, options) =>
    genericTokenEndpointRequest(server, id, auth, "authorization_code", parameters, options),
  );
  if (outcome.kind !== "ok" || flow.long_lived === undefined) return withConfig(outcome, callback.config);
  const { access_token, config: named, extra } = outcome.tokens;
  const renewed = await renew(deps, { ...base, access_token }, flow.long_lived.exchange);
  // Only the first response names the account.
  return renewed.kind === "ok"
    ? withConfig(
        { kind: "ok", tokens: { ...renewed.tokens, extra, scopes: renewed.tokens.scopes ?? outcome.tokens.scopes } },
        { ...callback.config, ...named },
      )
    : renewed;
}

/** Adds the values of the redirect. Those of the token response win. */
function withConfig(outcome: TokenOutcome, config: ConnectionConfig): TokenOutcome {
  if (outcome.kind !== "ok") return outcome;
  return { kind: "ok", tokens: { ...outcome.tokens, config: { ...config, ...outcome.tokens.config } } };
}

function refresh(deps: OAuthDeps, refreshCall: RefreshCall): Promise<TokenOutcome> {
  const { provider, config, client, refresh_token, scopes, deadline_ms, onSend } = refreshCall;
  const { flow } = provider;
  const base = { provider, config, client, deadline_ms, onSend };
  if (flow.kind === "app_install") {
    const context = { grant: "client_credentials", scopes: [] } as const;
    return requestInstallToken(deps, { ...base, context }, flow, refresh_token.expose());
  }
  if (flow.long_lived !== undefined) {
    return renew(deps, { ...base, access_token: refresh_token }, flow.long_lived.renewal);
  }
  const context = { grant: "refresh_token", scopes } as const;
  return callTokenEndpoint(deps, { ...base, context }, (server, id, auth, options) =>
    refreshTokenGrantRequest(server, id, auth, refresh_token.expose(), options),
  );
}
