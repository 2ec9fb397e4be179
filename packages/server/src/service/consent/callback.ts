/**
 * The provider's response to a consent (RFC 6749 §4.1.2), from the callback to a stored connection.
 *
 * The order matters. The shape of the parameters is checked first. Then the state consumes the
 * flow, once, so a check that fails later cannot be repeated. Four values must match before a token
 * is requested: the vendor's own redirect URI (mix-up, RFC 9700 §4.4), the browser that started the
 * flow, the builder who initiated it, and the issuer (RFC 9207 §2.4). consent.ts stores the tokens.
 */
import { CodedError, type ErrorCode } from "../../core/errors.ts";
import { sha256Hex, type Secret } from "../../core/secret.ts";
import type { FlowId } from "../../core/types.ts";
import type { CallbackGrant } from "../../oauth/callback.ts";
import type { Provider } from "../../providers/provider.ts";
import type { FlowRow } from "../../store/tables.ts";
import type { Audit } from "../audit.ts";
import type { OAuthClients } from "../grants/clients.ts";
import { grantOf } from "../grants/grant.ts";
import type { Ground } from "../ground.ts";
import type { Consents } from "./consent.ts";
import { effectiveScopes } from "./declaration.ts";
import { openSecrets, recordOutcome } from "./flow.ts";

const STATE_PATTERN = /^[A-Za-z0-9_-]{43}$/;
/**
 * Decisive in every kind of flow, so a repetition is refused before the flow is known.
 * oauth.readCallback checks the others.
 */
const DECISIVE = ["state", "code", "error", "iss"] as const;

export interface CallbackRequest {
  readonly parameters: URLSearchParams;
  /** The vendor segment of the redirect URI. Null at the shared URI. */
  readonly vendor: string | null;
  readonly browser: Secret | null;
  readonly principal: string | null;
}

interface CallbackDeps extends Pick<Ground, "store" | "vault" | "catalog" | "oauth" | "clock" | "log"> {
  readonly clients: OAuthClients;
  readonly consents: Consents;
  readonly audit: Audit;
}

export interface Callback {
  /**
   * Returns the flow whose result page to show: connected, denied, or waiting for a decision.
   *
   * @throws CodedError when the callback leads to no result page
   */
  handle(request: CallbackRequest): Promise<FlowId>;
}

export function createCallback(deps: CallbackDeps): Callback {
  return { handle: (request) => handle(deps, request) };
}

async function handle(deps: CallbackDeps, request: CallbackRequest): Promise<FlowId> {
  const { store, audit, log } = deps;
  const flow = await consumeFlow(deps, request.parameters);
  try {
    return await complete(deps, request, flow);
  } catch (error) {
    const code: ErrorCode = error instanceof CodedError ? error.code : "internal";
    await store.finishFlow(flow.id, code, null);
    recordOutcome(audit, flow, code);
    const { id: flow_id, app_id, integration_type } = flow;
    log.warn("consent_failed", { flow_id, app_id, integration_type, code });
    throw error;
  }
}

/**
 * Consumes the flow of this state.
 *
 * @throws CodedError `duplicate_parameter`, `state_missing`, `state_unknown`, `state_used`,
 *   `state_expired`
 */
async function consumeFlow({ store, clock }: CallbackDeps, parameters: URLSearchParams): Promise<FlowRow> {
  if (DECISIVE.some((name) => parameters.getAll(name).length > 1)) throw new CodedError("duplicate_parameter");
  const state = parameters.get("state");
  if (state === null || state === "") throw new CodedError("state_missing");
  if (!STATE_PATTERN.test(state)) throw new CodedError("state_unknown");
  const state_hash = sha256Hex(state);
  const taken = await store.consumeFlow(state_hash);
  if (taken !== null) return taken;
  const stored = await store.findFlowByState(state_hash);
  if (stored === null) throw new CodedError("state_unknown");
  const has_expired = stored.taken_at === null && stored.expires_at <= clock.now();
  throw new CodedError(has_expired ? "state_expired" : "state_used");
}

async function complete(deps: CallbackDeps, request: CallbackRequest, flow: FlowRow): Promise<FlowId> {
  const { store, catalog, oauth, audit, log } = deps;
  const { parameters } = request;
  const provider = catalog.require(flow.integration_type);
  if (request.vendor !== flow.vendor) throw new CodedError("flow_context_mismatch");
  if (request.browser === null || sha256Hex(request.browser.expose()) !== flow.browser_hash)
    throw new CodedError("state_session_mismatch");
  if (request.principal !== flow.initiator) throw new CodedError("flow_user_mismatch");
  checkIssuer(provider, parameters.get("iss"));
  const reading = oauth.readCallback(provider, parameters);
  if (reading.kind === "repeated") throw new CodedError("duplicate_parameter");
  if (reading.kind === "invalid") throw new CodedError("callback_invalid");
  if (reading.kind === "denied") {
    await store.finishFlow(flow.id, "consent_denied", null);
    recordOutcome(audit, flow, "consent_denied");
    log.info("consent_denied", { flow_id: flow.id, integration_type: flow.integration_type });
    return flow.id;
  }
  await connect(deps, provider, flow, reading.grant);
  return flow.id;
}

/** Exchanges the code for tokens, reads the account that they belong to, and stores the consent. */
async function connect(
  { vault, oauth, clients, consents, clock, log }: CallbackDeps,
  provider: Provider,
  flow: FlowRow,
  callback: CallbackGrant,
): Promise<void> {
  const { code_verifier } = await openSecrets(vault, flow);
  const client = flow.oauth_client_id === null ? null : await clients.open(flow.oauth_client_id);
  if (client === null || flow.redirect_uri === null) throw new CodedError("oauth_client_missing");
  const { config, redirect_uri } = flow;
  const requested_scopes = effectiveScopes(provider, flow.scopes);
  const exchange = { provider, config, client, redirect_uri, callback, code_verifier, requested_scopes };
  const outcome = await oauth.exchange(exchange);
  if (outcome.kind !== "ok") throw exchangeError(outcome.kind, outcome.error);
  const grant = grantOf(outcome.tokens, clock.now());
  const known = { ...config, ...grant.config };
  const { access_token } = grant;
  const identity = await oauth.identity({
    provider,
    config: known,
    client,
    access_token,
    token: outcome.tokens.extra,
  });
  // The identity can be requested again. New tokens would require the builder.
  if (identity.kind === "failed")
    log.warn("identity_unknown", { flow_id: flow.id, integration_type: flow.integration_type });
  const account = identity.kind === "ok" ? identity.account : { id: null, label: null, email: null };
  const derived = identity.kind === "ok" ? identity.config : {};
  const oauth_client_id = client.id;
  await consents.take(flow, { oauth_client_id, grant, requested_scopes, account, config: { ...known, ...derived } });
}

/**
 * Compares the issuer as a string. A missing issuer fails if the server promises to send it (RFC
 * 9207 §2.4).
 */
function checkIssuer(provider: Provider, iss: string | null): void {
  if (provider.issuer === null) return;
  if (iss === null ? provider.issuer.required : iss !== provider.issuer.value) throw new CodedError("issuer_mismatch");
}

function exchangeError(kind: "retry_later" | "refused" | "misconfigured" | "unknown", reason: string): CodedError {
  if (kind === "misconfigured") return new CodedError("oauth_client_rejected", { reason });
  if (kind === "refused") return new CodedError("code_exchange_failed", { reason });
  return new CodedError("provider_unavailable", {
    reason,
    retry_after_s: 1,
    message: "The provider did not respond properly to the code exchange. Nothing was connected. Start again.",
  });
}
