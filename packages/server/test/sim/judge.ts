/**
 * The invariants, each under a name, and what has to be remembered to look at them. The judge sees everything: each commit in
 * the instant of it, each request, each answer to a reader, and what the provider really did. The engine sees none of this.
 */
import { LIMITS } from "../../src/core/limits.ts";
import type { ConnectionRow } from "../../src/store/tables.ts";
import type { Cluster } from "./cluster.ts";
import type { SharedDatabase } from "./database.ts";
import type { Request } from "./network.ts";
import type { Grant, ProviderModel, RefreshToken } from "./provider.ts";
import { fingerprintOf } from "./vault.ts";
import type { Life, World } from "./world.ts";

/** What must hold, whatever fails. */
export const INVARIANTS = {
  stored_token_is_valid: "An active connection's stored refresh token is one that the provider takes.",
  no_needless_end: "No connection ends while the provider still takes its refresh token.",
  non_rotating_never_lost: "A refresh token that stays is never lost.",
  grace_lost_only_without_help: "A grace window is never missed when a healthy node had time inside it.",
  strict_lost_only_with_cause: "A single-use token is lost only when its answer reached nobody who lived to store it.",
  loss_is_named: "A lost single-use token ends with the reason refresh_outcome_unknown.",
  generation_grows: "The generation grows with every new token and never falls.",
  lineage_decides: "An answer to the stored refresh token is stored, however late it comes.",
  newest_consent_wins: "Tokens of an older consent never replace those of a newer one.",
  one_request_at_a_time:
    "A refresh token is not sent while an earlier request of a holder that may still have the answer is open.",
  dead_owner_is_waited_for: "A single-use token is not sent again before the lease of a dead holder is over.",
  intent_before_send: "Each request was announced in the database before, by its sender, and once.",
  one_event_per_incident: "Every end and every return of a connection is told exactly once.",
  requests_are_bounded: "Requests to the provider are bounded, and at most one follows a refusal that was stored.",
  own_token_only: "No reader gets another connection's token, or one that the provider ended long ago.",
  valid_token_is_served: "A token that works is served while it can be had.",
  living_grant_is_not_revoked: "Nothing is revoked that a connection still needs.",
  everything_settles: "When faults are over, no intent, no lease and no waiting reader stays behind.",
  settings_survive: "A change of a connection's settings survives a refresh that was under way.",
} as const;

export type InvariantName = keyof typeof INVARIANTS;

interface Claim {
  readonly owner: string;
  readonly fp: string;
  /** True time. */
  readonly lease_ends_at: number;
}

interface Watched {
  row: ConnectionRow | null;
  readonly expected: Record<"connection.needs_reconnect" | "connection.recovered" | "connection.disconnected", number>;
  /** Requests sent although the connection had ended. */
  after_end: number;
  setting: string | null;
}

/** A healthy node needs so long at most: a lease of 20 s, a sweep, and the longest of the first steps after a failure. */
const HELP_MS = 45_000;
/** A token that ends while it is handed over was good enough. */
const LATE_MS = 500;
const HOLDER_WAIT_MS = 300_000;

export interface Judge {
  committed(): void;
  failedOver(): void;
  sending(life: Life, token: string): Request;
  /** A process says that its answer was turned away. */
  superseded(life: Life, connection: string): void;
  /** Something went wrong somewhere: no quiet time. */
  disturbed(): void;
  served(connection: string, token: string, expires_at: number | null): void;
  refusedReader(connection: string, why: string): void;
  revoking(connection: string, refresh_token: string | null): void;
  row(connection: string): ConnectionRow | null;
  lost(): number;
  finish(open_readers: number): void;
}

export interface JudgeOptions {
  readonly world: World;
  readonly provider: ProviderModel;
  readonly database: SharedDatabase;
  readonly cluster: Cluster;
  readonly connections: readonly string[];
}

export function createJudge({ world, provider, database, cluster, connections }: JudgeOptions): Judge {
  const { rotation } = provider;
  const watched = new Map<string, Watched>(
    connections.map((id) => [
      id,
      {
        row: null,
        expected: { "connection.needs_reconnect": 0, "connection.recovered": 0, "connection.disconnected": 0 },
        after_end: 0,
        setting: null,
      },
    ]),
  );
  const claims: Claim[] = [];
  const requests: Request[] = [];
  const lost_grants = new Set<Grant>();
  const quiet: { from: number; to: number }[] = [];
  let quiet_since = 0;

  const check = (name: InvariantName, holds: boolean, detail: () => string): void => world.check(name, holds, detail);
  const tokenOf = (row: ConnectionRow): RefreshToken | null => provider.token((row.rt_fp ?? "").slice("fp.".length));
  /** What the database took back nobody can be held to, nor to a lease that its clock ended early. */
  const forgiven = (): boolean => cluster.failed_over_at > 0 || cluster.jumped_ahead;

  function committed(): void {
    const rows = new Map<string, ConnectionRow>(database.connections().map((row) => [row.id, row]));
    for (const [id, seen] of watched) {
      const row = rows.get(id) ?? null;
      if (row !== null && seen.row !== null) moved(id, seen, seen.row, row);
      if (row !== null) noteStored(row);
      else seen.setting = null;
      seen.row = row;
    }
  }

  function noteStored(row: ConnectionRow): void {
    const token = tokenOf(row);
    if (token !== null) token.stored_at ??= world.now();
  }

  function moved(id: string, seen: Watched, before: ConnectionRow, after: ConnectionRow): void {
    const renewed = before.rt_fp !== after.rt_fp || before.issued_at !== after.issued_at;
    check(
      "generation_grows",
      after.generation > before.generation || (after.generation === before.generation && !renewed),
      () => `${id}: ${before.generation} -> ${after.generation}`,
    );
    if (after.attempt > before.attempt && after.lease_owner !== null && after.lease_until !== null) {
      const lease_ends_at = world.now() + after.lease_until - cluster.now();
      claims.push({ owner: after.lease_owner, fp: after.intent_rt_fp ?? "", lease_ends_at });
      world.note(() => `${after.lease_owner} claimed attempt ${after.attempt} of ${id} (${after.intent_rt_fp})`);
    }
    // A consent decides everything anew, settings too.
    if (renewed && after.win_attempt === null) seen.setting = null;
    const config = JSON.stringify(after.config);
    if (config !== JSON.stringify(before.config) && config.includes("patch-")) seen.setting = config;
    if (renewed && after.rt_fp !== null) renewedRow(id, before, after);
    if (before.status !== after.status) statusMoved(id, seen, before, after);
  }

  function renewedRow(id: string, before: ConnectionRow, after: ConnectionRow): void {
    const [old, young] = [tokenOf(before), tokenOf(after)];
    world.note(() => `stored generation ${after.generation} of ${id}: ${after.rt_fp}, ${after.status}`);
    if (old === null || young === null) return;
    // Of two people who consent at once, the one who is heard last wins.
    if (after.win_attempt === null) return;
    check("newest_consent_wins", young.grant.number >= old.grant.number, () => `${id}: ${old.text} -> ${young.text}`);
  }

  function statusMoved(id: string, seen: Watched, before: ConnectionRow, after: ConnectionRow): void {
    world.note(() => `${id}: ${before.status} -> ${after.status} (${after.reason})`);
    if (after.status === "active") seen.after_end = 0;
    if (after.status === "disconnected") seen.expected["connection.disconnected"] += 1;
    if (before.status === "expired" && after.status === "active" && after.win_attempt !== null)
      seen.expected["connection.recovered"] += 1;
    if (before.status !== "active" || after.status !== "expired") return;
    seen.expected["connection.needs_reconnect"] += 1;
    ended(id, before, after);
  }

  /** A connection ended. Whose fault was it? */
  function ended(id: string, before: ConnectionRow, after: ConnectionRow): void {
    const token = tokenOf(before);
    if (token === null || token.grant.revoked_by === "person") return;
    check("no_needless_end", !provider.accepts(token.text), () => `${id}: ${token.text} still works, ${after.reason}`);
    check("non_rotating_never_lost", rotation !== "none", () => `${id}: ${after.reason}`);
    if (rotation === "none" || forgiven()) return;
    const unstored = provider.tokensOf(id).filter((other) => other.grant === token.grant && other.stored_at === null);
    // An answer that was stored after the end of its lease came too late for those who took over by then.
    const late = (token.stored_at ?? 0) - token.issued_at > LIMITS.refresh_lease_strict_ms ? [token] : [];
    const has_cause = [...late, ...unstored].some(
      ({ lost, asked_by, issued_at }) =>
        lost !== null ||
        asked_by?.dead === true ||
        // It stood still while the database lost its session: to the others it was dead.
        (asked_by !== null && cluster.lockLostSince(asked_by.owner, issued_at)),
    );
    const cause = (): string =>
      `${id}: ${after.reason}; not stored: ${unstored.map(({ text, lost }) => `${text} ${lost}`).join(", ")}`;
    // What ended the grant ends a connection that comes back to it once more.
    const is_second = lost_grants.has(token.grant);
    lost_grants.add(token.grant);
    check("strict_lost_only_with_cause", has_cause || is_second, cause);
    check("loss_is_named", after.reason === "refresh_outcome_unknown", cause);
    if (rotation === "grace") check("grace_lost_only_without_help", is_second || !hadHelp(token), cause);
  }

  function hadHelp({ used_at }: RefreshToken): boolean {
    if (used_at === null) return true;
    const end = Math.min(world.now(), used_at + provider.grace_ms);
    const times = [...quiet, { from: quiet_since, to: world.now() }];
    return times.some(({ from, to }) => Math.min(to, end) - Math.max(from, used_at) >= HELP_MS);
  }

  function sending(life: Life, token: string): Request {
    const connection = provider.token(token)?.grant.connection ?? "";
    const number = requests.length + 1;
    const index = claims.findIndex(({ owner, fp }) => owner === life.owner && fp === fingerprintOf(token));
    check("intent_before_send", index !== -1, () => `${life.owner} sent ${token}`);
    const claim = claims.splice(Math.max(0, index), index === -1 ? 0 : 1)[0];
    for (const other of requests) if (other.token === token && other.outcome === null) alone(life, other);
    const seen = watched.get(connection);
    if (seen?.row?.status === "expired") {
      seen.after_end += 1;
      check("requests_are_bounded", seen.after_end <= (rotation === "none" ? 1 : 0), () => `${connection} has ended`);
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
    check("requests_are_bounded", requests.length <= 20 + world.now() / 1_000, () => `${requests.length} requests`);
    world.note(() => `${life.owner} sends request ${number}: ${token}`);
    return request;
  }

  /** `other` is an earlier request of the same token whose sender was told nothing yet. */
  function alone(life: Life, other: Request): void {
    if (forgiven()) return;
    const now = world.now();
    const who = (): string => `${life.owner} while request ${other.number} of ${other.life.owner} is open`;
    if (other.life.dead || cluster.lockLostSince(other.life.owner, other.sent_at)) {
      check("dead_owner_is_waited_for", rotation !== "strict" || now >= other.lease_ends_at, who);
      return;
    }
    const until = other.lease_ends_at + (rotation === "strict" ? HOLDER_WAIT_MS : 0);
    check("one_request_at_a_time", now >= until, who);
  }

  function superseded(life: Life, connection: string): void {
    const answered = requests.findLast((request) => request.life === life && request.connection === connection);
    const row = watched.get(connection)?.row ?? null;
    if (answered?.outcome !== "ok" || row === null || rotation === "none") return;
    const turned_away = row.status === "active" && row.rt_fp === fingerprintOf(answered.token);
    const is_used = provider.token(answered.token)?.used_at !== null;
    check("lineage_decides", !(turned_away && is_used), () => `${connection}: the answer to ${answered.token}`);
  }

  function disturbed(): void {
    const now = world.now();
    if (now - quiet_since >= HELP_MS) quiet.push({ from: quiet_since, to: now });
    quiet_since = now;
  }

  function finish(open_readers: number): void {
    check("everything_settles", open_readers === 0, () => `${open_readers} readers got no answer`);
    const events = database.events();
    for (const [id, { row, expected, setting }] of watched) {
      for (const [type, count] of Object.entries(expected)) {
        const told = events.filter((event) => event.connection_id === id && event.payload.includes(`"${type}"`)).length;
        check("one_event_per_incident", told === count, () => `${id}: ${told} of ${count} ${type}`);
      }
      if (row === null) continue;
      check(
        "everything_settles",
        row.intent_at === null && row.lease_owner === null,
        () =>
          `${id}: ${row.status}, intent of ${row.lease_owner ?? "nobody"}, ${row.fail_class}, failures ${row.failures}`,
      );
      const token = tokenOf(row);
      if (row.status === "active" && token?.grant.revoked_by !== "person" && !forgiven())
        check("stored_token_is_valid", token !== null && provider.accepts(token.text), () => `${id}: ${row.rt_fp}`);
      if (setting !== null)
        check("settings_survive", JSON.stringify(row.config) === setting, () => `${id}: ${JSON.stringify(row.config)}`);
    }
  }

  /** After a fail-over: what was taken back never happened. */
  function failedOver(): void {
    const rows = new Map<string, ConnectionRow>(database.connections().map((row) => [row.id, row]));
    const events = database.events();
    for (const [id, seen] of watched) {
      seen.row = rows.get(id) ?? null;
      seen.setting = null;
      const types = ["connection.needs_reconnect", "connection.recovered", "connection.disconnected"] as const;
      for (const type of types)
        seen.expected[type] = events.filter(
          (event) => event.connection_id === id && event.payload.includes(`"${type}"`),
        ).length;
    }
  }

  return {
    committed,
    failedOver,
    sending,
    superseded,
    disturbed,
    served(connection, text, expires_at) {
      const access = provider.access(text);
      const dead_for = access === null ? 0 : world.now() - access.expires_at;
      check(
        "own_token_only",
        access !== null &&
          access.connection === connection &&
          (dead_for <= cluster.jumped_ms + LATE_MS || expires_at === null),
        () => `${connection} got ${text}, dead for ${dead_for} ms`,
      );
    },
    refusedReader: (connection, why) => check("valid_token_is_served", false, () => `${connection}: ${why}`),
    revoking(connection, refresh_token) {
      const row = watched.get(connection)?.row ?? null;
      const [stored, late] = [
        row === null ? null : tokenOf(row),
        refresh_token === null ? null : provider.token(refresh_token),
      ];
      const lives = row?.status === "active" && stored !== null && stored.grant === late?.grant;
      check("living_grant_is_not_revoked", !lives, () => `${connection}: ${refresh_token}`);
    },
    row: (connection) => watched.get(connection)?.row ?? null,
    lost: () => [...watched.values()].filter(({ row }) => row?.status === "expired").length,
    finish,
  };
}
