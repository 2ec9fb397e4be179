/** Sends a refresh token, under a lease. The only module that does. */
import { CodedError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { ConnectionConfig } from "../../core/types.ts";
import { rotationClass, type Provider } from "../../providers/provider.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { sealedFromStorage } from "../../vault/seal.ts";
import { INSTALLATION, type OpenClient } from "../grants/clients.ts";
import { grantOf, sealContext } from "../grants/grant.ts";
import { leaseFor_ms } from "./claim.ts";
import { keep, type CommitDeps } from "./commit.ts";
import { expire, settleFailure, settleUnsent } from "./failure.ts";
import type { Permit } from "./throttle.ts";
import type { Claimed, RefreshResult } from "./types.ts";

/** Sends the refresh request and settles its outcome. The lease counts from `claimed_ms`. */
export async function send(
  deps: CommitDeps,
  claim: Claimed,
  provider: Provider,
  claimed_ms: number,
  permit: Permit,
): Promise<RefreshResult> {
  const { oauth, clock, limits } = deps;
  const { row } = claim;
  const rotation = rotationClass(provider);
  if (row.sealed_refresh === null) return { kind: "current", row };
  const opened = await openForSending(deps, row, row.sealed_refresh).catch(async (error: unknown) => {
    await settleUnsent(deps, claim, provider);
    throw error;
  });
  if (opened === null) return await expire(deps, claim, "client_changed", null);
  const { client, refresh_token, config } = opened;
  const deadline_ms = rotation === "strict" ? limits.refresh_deadline_strict_ms : limits.refresh_deadline_ms;
  // A process that was paused after the claim must not send: another one can have the lease by now.
  const fence_ms = leaseFor_ms(limits, rotation) - deadline_ms - limits.refresh_fence_ms;
  // The token's lifetime begins after this. Counted from a late read of the response, the token
  // would seem younger than it is.
  const requested_at = clock.now();
  const outcome = await oauth.refresh({
    provider,
    config,
    client,
    refresh_token,
    scopes: row.scopes_requested,
    deadline_ms,
    onSend: () => clock.monotonic_ms() - claimed_ms <= fence_ms,
  });
  permit.ended(outcome);
  if (outcome.kind !== "ok") return await settleFailure(deps, claim, provider, outcome);
  return await keep(deps, claim, provider, {
    ...grantOf(outcome.tokens, requested_at),
    refresh_token: outcome.tokens.refresh_token ?? refresh_token,
  });
}

/**
 * Opens the secrets of the request, and prepares the keys that seal its response. Once the token is
 * sent, sealing the response must not fail. Returns null if the OAuth client was removed.
 */
async function openForSending(
  { clients, vault }: CommitDeps,
  row: ConnectionRow,
  sealed_refresh: Uint8Array,
): Promise<{ client: OpenClient; refresh_token: Secret; config: ConnectionConfig } | null> {
  // Without its config the request could go to another address.
  if (row.config === null) throw new CodedError("credential_unreadable", { reason: "credential_unreadable" });
  const client = await clients.open(row.oauth_client_id);
  if (client === null) return null;
  await vault.prepare(row.app_id);
  await vault.prepare(INSTALLATION);
  const refresh_token = await vault.open(sealContext(row, "refresh"), sealedFromStorage(sealed_refresh));
  return { client, refresh_token, config: row.config };
}
