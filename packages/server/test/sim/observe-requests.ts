/** Checks each request to the provider, and each response that was not stored. */
import type { Request } from "./network.ts";
import { check, isExcused, type ObserverState } from "./observer-state.ts";
import { fingerprintOf } from "./vault.ts";
import type { Life } from "./world.ts";

const HOLDER_WAIT_MS = 300_000;

export function sending(state: ObserverState, life: Life, token: string): Request {
  const { world, provider, claims, requests, watched } = state;
  const connection = provider.token(token)?.grant.connection ?? "";
  const number = requests.length + 1;
  const index = claims.findIndex(({ owner, fp }) => owner === life.owner && fp === fingerprintOf(token));
  check(state, "intent_before_send", index !== -1, () => `${life.owner} sent ${token}`);
  const claim = claims.splice(Math.max(0, index), index === -1 ? 0 : 1)[0];
  for (const other of requests)
    if (other.token === token && other.outcome === null) checkConcurrent(state, life, other);
  const seen = watched.get(connection);
  if (seen?.row?.status === "expired") {
    seen.after_end += 1;
    const allowed = provider.rotation === "none" ? 1 : 0;
    check(state, "requests_are_bounded", seen.after_end <= allowed, () => `${connection} has ended`);
  }
  const request: Request = {
    number,
    life,
    token,
    connection,
    sent_at: world.now(),
    lease_ends_at: claim?.lease_ends_at ?? world.now(),
    processed: false,
    lost: false,
    outcome: null,
  };
  requests.push(request);
  const { length } = requests;
  check(state, "requests_are_bounded", length <= 20 + world.now() / 1_000, () => `${length} requests`);
  world.trace(() => `${life.owner} sends request ${number}: ${token}`);
  return request;
}

/** `other` is an earlier request of the same token, whose sender has no outcome yet. */
function checkConcurrent(state: ObserverState, life: Life, other: Request): void {
  if (isExcused(state)) return;
  const { world, cluster, provider } = state;
  const is_strict = provider.rotation === "strict";
  const now = world.now();
  const details = (): string => `${life.owner} while request ${other.number} of ${other.life.owner} is open`;
  if (other.life.dead || cluster.lockLostSince(other.life.owner, other.sent_at)) {
    check(state, "dead_owner_is_waited_for", !is_strict || now >= other.lease_ends_at, details);
    return;
  }
  const until = other.lease_ends_at + (is_strict ? HOLDER_WAIT_MS : 0);
  check(state, "one_request_at_a_time", now >= until, details);
}

export function superseded(state: ObserverState, life: Life, connection: string): void {
  const { provider, requests, watched } = state;
  const request = requests.findLast((one) => one.life === life && one.connection === connection);
  const row = watched.get(connection)?.row ?? null;
  if (request?.outcome !== "ok" || row === null || provider.rotation === "none") return;
  const was_current = row.status === "active" && row.rt_fp === fingerprintOf(request.token);
  const is_used = provider.token(request.token)?.used_at !== null;
  check(state, "lineage_decides", !(was_current && is_used), () => `${connection}: the response to ${request.token}`);
}
