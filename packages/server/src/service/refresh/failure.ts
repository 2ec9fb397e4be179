/**
 * What follows from a refresh that brought no tokens: a later attempt, or an end with its reason.
 *
 * A refusal counts only of the latest attempt, and only if the row did not move since: otherwise another holder of the same
 * refresh token was faster, and its tokens are good. Whether an earlier request's outcome is unknown decides the reason: the
 * provider may have carried it out and be refusing a token that it replaced.
 */
import type { ReasonCode } from "../../core/status.ts";
import type { ConnectionId } from "../../core/types.ts";
import type { TokenFailure } from "../../oauth/outcome.ts";
import type { RotationClass } from "../../providers/provider.ts";
import { changeStatus } from "../../store/queries/connections.ts";
import type { ConnectionRow, FailClass } from "../../store/tables.ts";
import { nextAttempt_ms, readerRetry_ms } from "./schedule.ts";
import { emit } from "../events/events.ts";
import { failed, rowChanged, type Claimed, type RefreshDeps, type RefreshResult } from "./types.ts";

export interface Failures {
  /** The provider answered without tokens, or not at all. */
  settle(claim: Claimed, rotation: RotationClass, outcome: TokenFailure): Promise<RefreshResult>;
  /** Nothing was sent. */
  unsent(claim: Claimed, rotation: RotationClass): Promise<RefreshResult>;
  expire(claim: Claimed, reason: ReasonCode, confirm_in_ms: number | null): Promise<RefreshResult>;
  /** It is not time for another attempt. */
  notYet(row: ConnectionRow, rotation: RotationClass): RefreshResult;
}

export function createFailures({ store, clock, limits, log, owner, random, cache, gate }: RefreshDeps): Failures {
  async function settle(claim: Claimed, rotation: RotationClass, outcome: TokenFailure): Promise<RefreshResult> {
    const { row } = claim;
    const { id: connection_id, integration_type } = row;
    log.warn("refresh_failed", { connection_id, integration_type, outcome: outcome.kind, error_name: outcome.error });
    // The one confirming request after a refusal: whatever it brings, short of tokens, ends the matter.
    if (row.status === "expired") return expire(claim, row.reason ?? "revoked", null);
    switch (outcome.kind) {
      case "refused": {
        const reason = row.intent_at === null ? "revoked" : "refresh_outcome_unknown";
        return expire(claim, reason, rotation === "none" ? limits.confirm_refusal_after_ms : null);
      }
      case "misconfigured":
        return fail(claim, rotation, "misconfigured", null);
      case "retry_later":
        if (outcome.retry_after_ms !== null) return fail(claim, rotation, "throttled", outcome.retry_after_ms);
        return fail(claim, rotation, outcome.sent ? "not_consumed" : "not_sent", null);
      case "unknown":
        return fail(claim, rotation, "unknown", null);
    }
  }

  async function fail(
    claim: Claimed,
    rotation: RotationClass,
    fail_class: FailClass,
    retry_after_ms: number | null,
  ): Promise<RefreshResult> {
    const { row, attempt } = claim;
    if (row.failing_since !== null && clock.now() - row.failing_since > limits.give_up_after_ms)
      return expire(claim, "failing_too_long", null);
    const retry_in_ms = nextAttempt_ms(
      { fail_class, rotation, failures: row.failures, retry_after_ms },
      limits,
      random(),
    );
    const after = await store.failRefresh({
      id: row.id,
      attempt,
      fail_class,
      retry_in_ms,
      // An earlier request whose outcome is unknown stays unknown, whatever happened to this one.
      keep_intent: fail_class === "unknown" || row.intent_at !== null,
      earlier: row.intent_at !== null && row.lease_owner !== owner ? row : null,
    });
    if (after === null) return reread(row);
    rowChanged({ cache, gate }, after);
    const is_set = fail_class === "throttled" || fail_class === "misconfigured";
    return failed(
      fail_class === "misconfigured" ? "oauth_client_rejected" : "provider_unavailable",
      is_set ? retry_in_ms : readerRetry_ms(rotation, fail_class, limits),
    );
  }

  const expire: Failures["expire"] = async ({ row, attempt }, reason, confirm_in_ms) => {
    const { id, generation, integration_type } = row;
    const after = await store.transaction(async (tx) => {
      const ended = await changeStatus(tx, { id, generation, attempt, status: "expired", reason, confirm_in_ms });
      if (ended !== null && row.status === "active") await emit(tx, "connection.needs_reconnect", ended);
      return ended;
    });
    if (after === null) return reread(row);
    rowChanged({ cache, gate }, after);
    log.warn("needs_reconnect", { connection_id: id, integration_type, reason });
    return { kind: "current", row: after };
  };

  /** Somebody else was faster, or is still at it. */
  async function reread(seen: { readonly id: ConnectionId; readonly generation: number }): Promise<RefreshResult> {
    const row = await store.getConnection(seen.id);
    if (row === null) return { kind: "gone" };
    if (row.generation === seen.generation && row.status === "active" && row.intent_at !== null)
      return failed("refresh_pending", limits.reader_retry_ms);
    return { kind: "current", row };
  }

  function notYet(row: ConnectionRow, rotation: RotationClass): RefreshResult {
    if (row.fail_class === "misconfigured") return failed("oauth_client_rejected", limits.backoff_base_ms);
    const scheduled_ms = (row.next_attempt_at ?? clock.now()) - clock.now();
    const allowed_ms = row.fail_class === "throttled" ? scheduled_ms : readerRetry_ms(rotation, row.fail_class, limits);
    return failed("provider_unavailable", Math.min(scheduled_ms, allowed_ms));
  }

  return { settle, unsent: (claim, rotation) => fail(claim, rotation, "not_sent", null), expire, notYet };
}
