/**
 * The provider's answer to a consent (RFC 6749 §4.1.2), from the redirect to a stored connection.
 *
 * The order matters. Parameters are checked for shape, then the flow is taken, once, by its state; every check after that
 * burns the flow when it fails, and no token request is made before all of them hold: the vendor's own redirect address
 * (mix-up, RFC 9700 §4.4), the browser that started, the person who started, the issuer (RFC 9207 §2.4).
 * What becomes of the tokens is consent.ts.
 */
import { ApiError, type ErrorCode } from "../../core/errors.ts";
import { type Secret, sha256Hex } from "../../core/secret.ts";
import type { FlowId } from "../../core/types.ts";
import type { CallbackGrant } from "../../oauth/callback.ts";
import type { Provider } from "../../providers/provider.ts";
import type { FlowRow } from "../../store/tables.ts";
import type { Audit } from "../audit.ts";
import type { OAuthClients } from "../grants/clients.ts";
import { effectiveScopes, openFlowSecrets } from "./connect.ts";
import type { Consents } from "./consent.ts";
import { grantOf } from "../grants/grant.ts";
import type { Ground } from "../ground.ts";

const STATE_PATTERN = /^[A-Za-z0-9_-]{43}$/;
/** Decide in every kind of flow, so that they are checked before the flow is known. The others: oauth.readCallback. */
const DECIDING = ["state", "code", "error", "iss"] as const;

export interface CallbackRequest {
  readonly parameters: URLSearchParams;
  /** The vendor segment of the redirect address; null at the shared one. */
  readonly vendor: string | null;
  readonly browser: Secret | null;
  readonly principal: string | null;
}

export interface CallbackDeps extends Pick<Ground, "store" | "vault" | "catalog" | "oauth" | "clock" | "log"> {
  readonly clients: OAuthClients;
  readonly consents: Consents;
  readonly audit: Audit;
}

export interface Callback {
  /** The flow that ended, well or denied, or that waits for a decision: its result page tells. Throws ApiError when nothing may be shown as a result. */
  handle(request: CallbackRequest): Promise<FlowId>;
}

export function createCallback(deps: CallbackDeps): Callback {
  const { store, vault, catalog, oauth, clients, consents, audit, clock, log } = deps;

  async function handle(request: CallbackRequest): Promise<FlowId> {
    const { parameters } = request;
    const repeated = DECIDING.find((name) => parameters.getAll(name).length > 1);
    if (repeated !== undefined) throw new ApiError("duplicate_parameter");
    const state = parameters.get("state");
    if (state === null || state === "") throw new ApiError("state_missing");
    const state_hash = sha256Hex(state);
    // Read first: taking the flow erases the verifier.
    const before = STATE_PATTERN.test(state) ? await store.findFlowByState(state_hash) : null;
    if (before === null) throw new ApiError("state_unknown");
    const flow = await store.takeFlow(state_hash);
    if (flow === null)
      throw new ApiError(before.taken_at === null && before.expires_at <= clock.now() ? "state_expired" : "state_used");
    try {
      return await judge(request, flow, before);
    } catch (error) {
      const code: ErrorCode = error instanceof ApiError ? error.code : "internal";
      await store.finishFlow(flow.id, code, null);
      note(flow, code);
      log.warn("consent_failed", {
        flow_id: flow.id,
        app_id: flow.app_id,
        integration_type: flow.integration_type,
        code,
      });
      throw error;
    }
  }

  async function judge(request: CallbackRequest, flow: FlowRow, before: FlowRow): Promise<FlowId> {
    const { parameters } = request;
    const provider = catalog.require(flow.integration_type);
    if (request.vendor !== flow.vendor) throw new ApiError("flow_context_mismatch");
    if (request.browser === null || sha256Hex(request.browser.expose()) !== flow.browser_hash)
      throw new ApiError("state_session_mismatch");
    if (request.principal !== flow.initiator) throw new ApiError("flow_user_mismatch");
    checkIssuer(provider, parameters.get("iss"));
    const reading = oauth.readCallback(provider, parameters);
    if (reading.kind === "repeated") throw new ApiError("duplicate_parameter");
    if (reading.kind === "invalid") throw new ApiError("callback_invalid");
    if (reading.kind === "denied") {
      await store.finishFlow(flow.id, "consent_denied", null);
      note(flow, "consent_denied");
      log.info("consent_denied", { flow_id: flow.id, integration_type: flow.integration_type });
      return flow.id;
    }
    await connect(provider, flow, before, reading.grant);
    return flow.id;
  }

  async function connect(provider: Provider, flow: FlowRow, before: FlowRow, callback: CallbackGrant): Promise<void> {
    const { code_verifier } = await openFlowSecrets(vault, before);
    const client = flow.oauth_client_id === null ? null : await clients.open(flow.oauth_client_id);
    if (client === null || flow.redirect_uri === null) throw new ApiError("oauth_client_missing");
    const { config } = flow;
    const requested_scopes = effectiveScopes(provider, flow.scopes);
    const outcome = await oauth.exchange({
      provider,
      config,
      client,
      redirect_uri: flow.redirect_uri,
      callback,
      code_verifier,
      requested_scopes,
    });
    if (outcome.kind !== "ok") throw exchangeError(outcome.kind, outcome.error);
    const grant = grantOf(outcome.tokens, clock.now());
    const identified = { ...config, ...grant.config };
    const identity = await oauth.identity({
      provider,
      config: identified,
      client,
      access_token: grant.access_token,
      token: outcome.tokens.extra,
    });
    // Who it is can be asked again; the tokens cannot be issued again without a person.
    if (identity.kind === "failed")
      log.warn("identity_unknown", { flow_id: flow.id, integration_type: flow.integration_type });
    const account = identity.kind === "ok" ? identity.account : { id: null, label: null, email: null };
    const derived = identity.kind === "ok" ? identity.config : {};
    await consents.take(flow, {
      oauth_client_id: client.id,
      grant,
      requested_scopes,
      account,
      config: { ...identified, ...derived },
    });
  }

  function note(flow: FlowRow, outcome: string): void {
    audit.record({
      app_id: flow.app_id,
      actor: `user:${flow.initiator}`,
      action: `consent.${outcome}`,
      target: flow.integration_type,
      request_id: null,
    });
  }

  return { handle };
}

/** RFC 9207 §2.4: simple string comparison; absence counts where the server says that it always sends it. */
function checkIssuer(provider: Provider, iss: string | null): void {
  if (provider.issuer === null) return;
  if (iss === null ? provider.issuer.required : iss !== provider.issuer.value) throw new ApiError("issuer_mismatch");
}

function exchangeError(kind: "retry_later" | "refused" | "misconfigured" | "unknown", reason: string): ApiError {
  if (kind === "misconfigured") return new ApiError("oauth_client_rejected", { reason });
  if (kind === "refused") return new ApiError("code_exchange_failed", { reason });
  return new ApiError("provider_unavailable", {
    reason,
    retry_after_s: 1,
    message:
      "The provider did not answer properly when the code was exchanged for tokens. Nothing was connected. Start again.",
  });
}
