/** Checks each commit: how the row of a connection changed, and why a connection ended. */
import { LIMITS } from "../../src/core/limits.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import { check, countEvents, HELP_MS, isExcused, tokenOf, type ObserverState, type Watched } from "./observer-state.ts";
import type { RefreshToken } from "./provider.ts";

/** Compares all rows with those of the previous commit. */
export function rowsChanged(state: ObserverState): void {
  const rows = rowsById(state);
  for (const [id, seen] of state.watched) {
    const row = rows.get(id) ?? null;
    if (row !== null && seen.row !== null) compare(state, id, seen, seen.row, row);
    if (row !== null) recordStored(state, row);
    else seen.setting = null;
    seen.row = row;
  }
}

/** Resets the records to the rows after a failover. The lost commits never happened. */
export function failedOver(state: ObserverState): void {
  const rows = rowsById(state);
  for (const [id, seen] of state.watched) {
    seen.row = rows.get(id) ?? null;
    seen.setting = null;
    for (const [type, count] of countEvents(state, id)) seen.expected[type] = count;
  }
}

function rowsById({ database }: ObserverState): ReadonlyMap<string, ConnectionRow> {
  return new Map<string, ConnectionRow>(database.connections().map((row) => [row.id, row]));
}

function recordStored(state: ObserverState, row: ConnectionRow): void {
  const token = tokenOf(state, row);
  if (token !== null) token.stored_at ??= state.world.now();
}

function compare(state: ObserverState, id: string, seen: Watched, before: ConnectionRow, after: ConnectionRow): void {
  const is_refreshed = before.rt_fp !== after.rt_fp || before.issued_at !== after.issued_at;
  check(
    state,
    "generation_grows",
    after.generation > before.generation || (after.generation === before.generation && !is_refreshed),
    () => `${id}: ${before.generation} -> ${after.generation}`,
  );
  recordClaim(state, id, before, after);
  // A consent replaces everything, including the settings.
  if (is_refreshed && after.win_attempt === null) seen.setting = null;
  const config = JSON.stringify(after.config);
  if (config !== JSON.stringify(before.config) && config.includes("patch-")) seen.setting = config;
  if (is_refreshed && after.rt_fp !== null) compareTokens(state, id, before, after);
  if (before.status !== after.status) compareStatus(state, id, seen, before, after);
}

function recordClaim(
  { world, cluster, claims }: ObserverState,
  id: string,
  before: ConnectionRow,
  { attempt, lease_owner, lease_until, intent_rt_fp }: ConnectionRow,
): void {
  if (attempt <= before.attempt || lease_owner === null || lease_until === null) return;
  const lease_ends_at = world.now() + lease_until - cluster.now();
  claims.push({ owner: lease_owner, fp: intent_rt_fp ?? "", lease_ends_at });
  world.trace(() => `${lease_owner} claimed attempt ${attempt} of ${id} (${intent_rt_fp})`);
}

function compareTokens(state: ObserverState, id: string, before: ConnectionRow, after: ConnectionRow): void {
  const [old, young] = [tokenOf(state, before), tokenOf(state, after)];
  state.world.trace(() => `stored generation ${after.generation} of ${id}: ${after.rt_fp}, ${after.status}`);
  if (old === null || young === null) return;
  // Of two concurrent consents, the one that commits last wins.
  if (after.win_attempt === null) return;
  const is_newer = young.grant.number >= old.grant.number;
  check(state, "newest_consent_wins", is_newer, () => `${id}: ${old.text} -> ${young.text}`);
}

function compareStatus(
  state: ObserverState,
  id: string,
  seen: Watched,
  before: ConnectionRow,
  after: ConnectionRow,
): void {
  state.world.trace(() => `${id}: ${before.status} -> ${after.status} (${after.reason})`);
  if (after.status === "active") seen.after_end = 0;
  if (after.status === "disconnected") seen.expected["connection.disconnected"] += 1;
  if (before.status === "expired" && after.status === "active" && after.win_attempt !== null)
    seen.expected["connection.recovered"] += 1;
  if (before.status !== "active" || after.status !== "expired") return;
  seen.expected["connection.needs_reconnect"] += 1;
  checkEnd(state, id, before, after);
}

/** Checks that a connection had to end. */
function checkEnd(state: ObserverState, id: string, before: ConnectionRow, after: ConnectionRow): void {
  const { provider, lost_grants } = state;
  const { rotation } = provider;
  const token = tokenOf(state, before);
  if (token === null || token.grant.revoked_by === "user") return;
  const still_works = provider.accepts(token.text);
  check(state, "no_needless_end", !still_works, () => `${id}: ${token.text} still works, ${after.reason}`);
  check(state, "non_rotating_never_lost", rotation !== "none", () => `${id}: ${after.reason}`);
  if (rotation === "none" || isExcused(state)) return;
  const unstored = provider.tokensOf(id).filter((other) => other.grant === token.grant && other.stored_at === null);
  const details = (): string =>
    `${id}: ${after.reason}; not stored: ${unstored.map(({ text, lost }) => `${text} ${lost}`).join(", ")}`;
  // A grant that ended can end a connection a second time, if a response brings it back.
  const is_second = lost_grants.has(token.grant);
  lost_grants.add(token.grant);
  check(state, "strict_lost_only_with_cause", hasCause(state, token, unstored) || is_second, details);
  check(state, "loss_is_named", after.reason === "refresh_outcome_unknown", details);
  if (rotation === "grace") check(state, "grace_lost_only_without_help", is_second || !hadHelp(state, token), details);
}

/** Reports whether a response was lost, or came too late. */
function hasCause({ cluster }: ObserverState, token: RefreshToken, unstored: readonly RefreshToken[]): boolean {
  // A response stored after its lease is too late for a node that took over by then.
  const late = (token.stored_at ?? 0) - token.issued_at > LIMITS.refresh_lease_strict_ms ? [token] : [];
  return [...late, ...unstored].some(
    ({ lost, sent_by, issued_at }) =>
      lost !== null ||
      sent_by?.dead === true ||
      // The process was paused while the database lost its session: to others it was dead.
      (sent_by !== null && cluster.lockLostSince(sent_by.owner, issued_at)),
  );
}

/**
 * Reports whether a healthy node had time for a refresh within the grace period. The reused token
 * can be an ancestor of the stored one, whose response was stored after the grant ended.
 */
function hadHelp({ provider, world, quiet, quiet_since }: ObserverState, token: RefreshToken): boolean {
  const { used_at } = token.grant.reused ?? token;
  if (used_at === null) return true;
  const end = Math.min(world.now(), used_at + provider.grace_ms);
  const times = [...quiet, { from: quiet_since, to: world.now() }];
  return times.some(({ from, to }) => Math.min(to, end) - Math.max(from, used_at) >= HELP_MS);
}
