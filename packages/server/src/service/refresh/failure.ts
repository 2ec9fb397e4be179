/**
 * Settles a refresh that brought no tokens: schedules a later attempt, or ends the connection with
 * a reason.
 *
 * A refusal counts only for the latest attempt, and only if the row has not changed since.
 * Otherwise another refresh with the same token committed, and its tokens are valid. The reason
 * depends on the intent. If an earlier request's outcome is unknown, the provider may have carried
 * it out, and now refuses a token that it replaced.
 */
import type { ReasonCode } from "../../core/status.ts";
import type { TokenFailure } from "../../oauth/outcome.ts";
import { rotationClass, type Provider, type RotationClass } from "../../providers/provider.ts";
import { changeStatus } from "../../store/queries/connections.ts";
import type { ConnectionRow, FailClass } from "../../store/tables.ts";
import { emit } from "../events/events.ts";
import { resendWindow_ms } from "./claim.ts";
import { nextAttempt_ms, readerRetry_ms } from "./schedule.ts";
import { failed, rowChanged, type Claimed, type RefreshDeps, type RefreshResult } from "./types.ts";

type FailureDeps = Pick<RefreshDeps, "store" | "clock" | "limits" | "log" | "random" | "cache" | "gate">;

/** Records a response without tokens, or a missing response. */
export async function settleFailure(
  deps: FailureDeps,
  claim: Claimed,
  provider: Provider,
  outcome: TokenFailure,
): Promise<RefreshResult> {
  const { row } = claim;
  const { id: connection_id, integration_type } = row;
  deps.log.warn("refresh_failed", {
    connection_id,
    integration_type,
    outcome: outcome.kind,
    error_name: outcome.error,
  });
  // This request confirms a refusal. Without tokens, the connection stays expired.
  if (row.status === "expired") return await expire(deps, claim, row.reason ?? "revoked", null);
  switch (outcome.kind) {
    case "refused": {
      const reason = row.intent_at === null ? "revoked" : "refresh_outcome_unknown";
      return await expire(
        deps,
        claim,
        reason,
        rotationClass(provider) === "none" ? deps.limits.confirm_refusal_after_ms : null,
      );
    }
    case "misconfigured":
      return await fail(deps, claim, provider, { fail_class: "misconfigured" });
    case "retry_later": {
      const { retry_after_ms } = outcome;
      if (retry_after_ms !== null)
        return await fail(deps, claim, provider, { fail_class: "throttled", retry_after_ms });
      return await fail(deps, claim, provider, { fail_class: outcome.sent ? "not_consumed" : "not_sent" });
    }
    case "unknown":
      return await fail(deps, claim, provider, { fail_class: "unknown" });
  }
}

/** Records that nothing was sent. */
export function settleUnsent(deps: FailureDeps, claim: Claimed, provider: Provider): Promise<RefreshResult> {
  return fail(deps, claim, provider, { fail_class: "not_sent" });
}

async function fail(
  deps: FailureDeps,
  claim: Claimed,
  provider: Provider,
  { fail_class, retry_after_ms = null }: { readonly fail_class: FailClass; readonly retry_after_ms?: number | null },
): Promise<RefreshResult> {
  const { store, clock, limits } = deps;
  const { row, attempt } = claim;
  if (row.failing_since !== null && clock.now() - row.failing_since > limits.give_up_after_ms)
    return await expire(deps, claim, "failing_too_long", null);
  const rotation = rotationClass(provider);
  const { failures } = row;
  const grace_left_ms = row.intent_at === null ? 0 : row.intent_at + (resendWindow_ms(provider) ?? 0) - clock.now();
  const retry_in_ms = nextAttempt_ms(
    { fail_class, rotation, failures, retry_after_ms, grace_left_ms },
    limits,
    deps.random(),
  );
  const after = await store.failRefresh({
    id: row.id,
    attempt,
    fail_class,
    retry_in_ms,
    // This outcome does not settle an earlier request whose outcome is unknown.
    keep_intent: fail_class === "unknown" || row.intent_at !== null,
  });
  if (after === null) return await reread(deps, row);
  rowChanged(deps, after);
  const is_fixed = fail_class === "throttled" || fail_class === "misconfigured";
  return failed(
    fail_class === "misconfigured" ? "oauth_client_rejected" : "provider_unavailable",
    is_fixed ? retry_in_ms : readerRetry_ms(rotation, fail_class, limits),
  );
}

/**
 * Ends the connection. If `confirm_in_ms` is set, one more request checks the refusal after that
 * time.
 */
export async function expire(
  deps: FailureDeps,
  { row, attempt }: Claimed,
  reason: ReasonCode,
  confirm_in_ms: number | null,
): Promise<RefreshResult> {
  const { id, generation, integration_type } = row;
  const after = await deps.store.transaction(async (tx) => {
    const ended = await changeStatus(tx, { id, generation, attempt, status: "expired", reason, confirm_in_ms });
    if (ended !== null && row.status === "active") await emit(tx, "connection.needs_reconnect", ended);
    return ended;
  });
  if (after === null) return await reread(deps, row);
  rowChanged(deps, after);
  deps.log.warn("needs_reconnect", { connection_id: id, integration_type, reason });
  return { kind: "current", row: after };
}

/** Returns the state of a row that another refresh changed, or is changing. */
async function reread({ store, limits }: FailureDeps, seen: ConnectionRow): Promise<RefreshResult> {
  const row = await store.getConnection(seen.id);
  if (row === null) return { kind: "deleted" };
  if (row.generation === seen.generation && row.status === "active" && row.intent_at !== null)
    return failed("refresh_pending", limits.reader_retry_ms);
  return { kind: "current", row };
}

/** Returns the result of an attempt that comes too early. */
export function notYet(
  { clock, limits }: Pick<FailureDeps, "clock" | "limits">,
  row: ConnectionRow,
  rotation: RotationClass,
): RefreshResult {
  if (row.fail_class === "misconfigured") return failed("oauth_client_rejected", limits.backoff_base_ms);
  const scheduled_ms = (row.next_attempt_at ?? clock.now()) - clock.now();
  const allowed_ms = row.fail_class === "throttled" ? scheduled_ms : readerRetry_ms(rotation, row.fail_class, limits);
  return failed("provider_unavailable", Math.min(scheduled_ms, allowed_ms));
}
