/**
 * A consent in progress: one stored record, the flow. It goes from pending to started (the builder
 * pressed Connect) to consumed (the provider called back) to finished. Each step happens once.
 *
 * A flow is bound to the builder who initiated it and, once started, to one browser by a cookie.
 * Opening its link in another browser connects nothing (RFC 9700 §4.7, cross-user fixation).
 *
 * Owns the checks and secrets of a flow that every step uses. Knows no HTTP and sends nothing.
 */
import { CodedError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { isJsonObject, type FlowId } from "../../core/types.ts";
import type { FlowRow } from "../../store/tables.ts";
import { sealedFromStorage, type SealContext, type Vault } from "../../vault/seal.ts";
import type { Audit } from "../audit.ts";
import type { Ground } from "../ground.ts";

/** The secrets of a started flow, sealed in its row. */
export interface FlowSecrets {
  readonly state: Secret;
  readonly code_verifier: Secret | null;
}

/**
 * Returns a flow of this builder.
 *
 * @throws CodedError `flow_not_found`, `flow_user_mismatch`
 */
export async function ownFlow({ store }: Pick<Ground, "store">, id: FlowId, principal: string): Promise<FlowRow> {
  const flow = await store.getFlow(id);
  if (flow === null) throw new CodedError("flow_not_found");
  if (flow.initiator !== principal) throw new CodedError("flow_user_mismatch");
  return flow;
}

/**
 * Requires a flow that was neither consumed nor finished, and has not expired.
 *
 * @throws CodedError `state_used`, `flow_expired`
 */
export function requireOpen({ clock }: Pick<Ground, "clock">, flow: FlowRow): void {
  if (flow.outcome !== null || flow.taken_at !== null) throw new CodedError("state_used");
  if (flow.expires_at <= clock.now()) throw new CodedError("flow_expired");
}

const secretsContext = (flow: Pick<FlowRow, "app_id" | "id">): SealContext => ({
  table: "flows",
  column: "request",
  scope: flow.app_id,
  row_id: flow.id,
  generation: 0,
});

export function sealSecrets(
  vault: Vault,
  flow: FlowRow,
  { state, code_verifier }: FlowSecrets,
): ReturnType<Vault["seal"]> {
  const text = JSON.stringify({ state: state.expose(), code_verifier: code_verifier?.expose() ?? null });
  return vault.seal(secretsContext(flow), new Secret(text));
}

/**
 * Opens the secrets of a started flow.
 *
 * @throws CodedError `state_unknown` if the flow was not started, or ended
 */
export async function openSecrets(vault: Vault, flow: FlowRow): Promise<FlowSecrets> {
  if (flow.sealed_request === null) throw new CodedError("state_unknown");
  const text = await vault.open(secretsContext(flow), sealedFromStorage(flow.sealed_request));
  const value: unknown = JSON.parse(text.expose());
  if (!isJsonObject(value) || typeof value["state"] !== "string") throw new CodedError("state_unknown");
  const { code_verifier } = value;
  return {
    state: new Secret(value["state"]),
    code_verifier: typeof code_verifier === "string" ? new Secret(code_verifier) : null,
  };
}

/** Records the outcome of a consent in the audit trail. */
export function recordOutcome(audit: Audit, flow: FlowRow, outcome: string): void {
  audit.record({
    app_id: flow.app_id,
    actor: `user:${flow.initiator}`,
    action: `consent.${outcome}`,
    target: flow.integration_type,
  });
}
