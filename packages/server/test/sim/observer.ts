/**
 * Checks the invariants. The observer sees everything: each commit at its instant, each request,
 * each reply to a reader, and the true state of the provider. The engine sees none of this.
 */
import type { ConnectionRow } from "../../src/store/tables.ts";
import type { Request } from "./network.ts";
import { failedOver, rowsChanged } from "./observe-commits.ts";
import { sending, superseded } from "./observe-requests.ts";
import {
  check,
  countEvents,
  HELP_MS,
  isExcused,
  tokenOf,
  type ObserverOptions,
  type ObserverState,
  type Watched,
} from "./observer-state.ts";
import type { Life } from "./world.ts";

export interface Observer {
  /** A transaction committed. */
  committed(): void;
  /** The database lost its last commits. */
  failedOver(): void;
  /** A process is about to send a request. Returns its record. */
  sending(life: Life, token: string): Request;
  /** A process logged that its response was superseded. */
  superseded(life: Life, connection: string): void;
  /** A fault happened anywhere: the quiet time ends. */
  disturbed(): void;
  /** A reader got a token. */
  served(connection: string, token: string, expires_at: number | null): void;
  /** A process revokes the tokens of a late response. */
  revoking(connection: string, refresh_token: string | null): void;
  row(connection: string): ConnectionRow | null;
  /** Returns the number of connections that have expired. */
  lost(): number;
  /** Checks the invariants of the end of a run. */
  finish(open_readers: number): void;
}

/** A token that expires during the reply was still good. */
const LATE_MS = 500;

export function createObserver(options: ObserverOptions): Observer {
  const state: ObserverState = {
    ...options,
    watched: new Map(options.connections.map((id) => [id, unwatched()])),
    claims: [],
    requests: [],
    lost_grants: new Set(),
    quiet: [],
    quiet_since: 0,
  };
  return {
    committed: () => rowsChanged(state),
    failedOver: () => failedOver(state),
    sending: (life, token) => sending(state, life, token),
    superseded: (life, connection) => superseded(state, life, connection),
    disturbed: () => disturbed(state),
    served: (connection, token, expires_at) => served(state, connection, token, expires_at),
    revoking: (connection, refresh_token) => revoking(state, connection, refresh_token),
    row: (connection) => state.watched.get(connection)?.row ?? null,
    lost: () => [...state.watched.values()].filter(({ row }) => row?.status === "expired").length,
    finish: (open_readers) => finish(state, open_readers),
  };
}

const unwatched = (): Watched => ({
  row: null,
  expected: { "connection.needs_reconnect": 0, "connection.recovered": 0, "connection.disconnected": 0 },
  after_end: 0,
  setting: null,
});

function disturbed(state: ObserverState): void {
  const now = state.world.now();
  if (now - state.quiet_since >= HELP_MS) state.quiet.push({ from: state.quiet_since, to: now });
  state.quiet_since = now;
}

function served(state: ObserverState, connection: string, text: string, expires_at: number | null): void {
  const access = state.provider.access(text);
  const dead_for = access === null ? 0 : state.world.now() - access.expires_at;
  check(
    state,
    "own_token_only",
    access !== null &&
      access.connection === connection &&
      (dead_for <= state.cluster.jumped_ms + LATE_MS || expires_at === null),
    () => `${connection} got ${text}, dead for ${dead_for} ms`,
  );
}

function revoking(state: ObserverState, connection: string, refresh_token: string | null): void {
  const row = state.watched.get(connection)?.row ?? null;
  const stored = row === null ? null : tokenOf(state, row);
  const late = refresh_token === null ? null : state.provider.token(refresh_token);
  const is_needed = row?.status === "active" && stored !== null && stored.grant === late?.grant;
  check(state, "living_grant_is_not_revoked", !is_needed, () => `${connection}: ${refresh_token}`);
}

function finish(state: ObserverState, open_readers: number): void {
  check(state, "everything_settles", open_readers === 0, () => `${open_readers} readers got no reply`);
  for (const [id, { row, expected, setting }] of state.watched) {
    for (const [type, count] of countEvents(state, id)) {
      const wanted = expected[type];
      check(state, "one_event_per_incident", count === wanted, () => `${id}: ${count} of ${wanted} ${type}`);
    }
    if (row !== null) finishRow(state, id, row, setting);
  }
}

function finishRow(state: ObserverState, id: string, row: ConnectionRow, setting: string | null): void {
  const { status, intent_at, lease_owner, earlier_owner, fail_class, failures } = row;
  const is_settled = (intent_at ?? lease_owner ?? earlier_owner) === null;
  const leftover = (): string =>
    `${id}: ${status}, intent of ${lease_owner ?? "no owner"}, ${fail_class}, failures ${failures}`;
  check(state, "everything_settles", is_settled, leftover);
  const token = tokenOf(state, row);
  if (status === "active" && token?.grant.revoked_by !== "user" && !isExcused(state)) {
    const is_accepted = token !== null && state.provider.accepts(token.text);
    check(state, "stored_token_is_valid", is_accepted, () => `${id}: ${row.rt_fp}`);
  }
  const config = JSON.stringify(row.config);
  if (setting !== null) check(state, "settings_survive", config === setting, () => `${id}: ${config}`);
}
