/**
 * The kinds of faults, as data. Each seed draws some of them, and how often they happen. A kind
 * counts when it really happened, not when it could have.
 */
import type { Random } from "./random.ts";

/**
 * Where a fault happens, and how often at most: a share of the steps, requests, reads or writes, or
 * a number of times per run.
 */
export const FAULTS = {
  // Processes, at any await.
  crash: ["step", 0.03],
  crash_of_all_nodes: ["time", 1],
  crash_noticed_late: ["crash", 0.5],
  pause_seconds: ["step", 0.05],
  pause_beyond_lease: ["step", 0.02],
  pause_up_to_90s: ["step", 0.01],
  clock_ahead_5min: ["node", 0.5],
  clock_behind_5min: ["node", 0.5],
  clock_ahead_day: ["node", 0.4],
  clock_behind_day: ["node", 0.4],
  clock_set_back: ["time", 1],
  // The network to the provider and back.
  dns_failed: ["request", 0.3],
  connect_failed: ["request", 0.3],
  tls_failed: ["request", 0.3],
  request_lost: ["request", 0.2],
  request_reset: ["request", 0.2],
  processed_late: ["request", 0.3],
  response_lost: ["request", 0.2],
  response_reset: ["request", 0.2],
  response_slow: ["request", 0.3],
  response_too_late: ["request", 0.2],
  // The provider.
  server_error_before: ["request", 0.3],
  server_error_after: ["request", 0.2],
  garbage_before: ["request", 0.2],
  garbage_after: ["request", 0.2],
  rate_limited: ["request", 0.2],
  unknown_4xx: ["request", 0.2],
  refresh_token_missing: ["request", 0.5],
  lifetime_missing: ["request", 0.3],
  provider_down: ["time", 2],
  invalid_client: ["time", 1],
  revoked_at_provider: ["time", 0.4],
  // The database.
  database_down: ["time", 3],
  database_down_after_send: ["request", 0.2],
  database_slow: ["time", 2],
  database_full: ["time", 1],
  database_read_only: ["time", 1],
  node_cut_off: ["time", 2],
  commit_unknown_done: ["write", 0.05],
  commit_unknown_undone: ["write", 0.05],
  serialization_retry: ["write", 0.2],
  serialization_given_up: ["write", 0.05],
  failover_lost_commits: ["time", 1],
  database_clock_jumps: ["time", 1],
  // The spill.
  spill_full: ["spill", 0.3],
  spill_slow: ["spill", 0.3],
  spill_mark_lost: ["spill", 0.5],
  // Users and builders.
  consented_again: ["time", 2],
  consent_ends_older_grants: ["consent", 0.8],
  disconnected: ["time", 0.5],
  removed: ["time", 0.3],
  app_deleted: ["time", 0.3],
  config_patched: ["time", 1],
} as const satisfies Record<string, readonly [Place, number]>;

export type FaultName = keyof typeof FAULTS;
type Place = "consent" | "step" | "request" | "write" | "spill" | "crash" | "node" | "time";

export const FAULT_NAMES = Object.keys(FAULTS).filter((name): name is FaultName => Object.hasOwn(FAULTS, name));

/** How often each kind happens in one run. 0 for those that were not drawn. */
export type Profile = Record<FaultName, number>;

function noFaults(): Profile {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every name is there.
  return Object.fromEntries(FAULT_NAMES.map((name) => [name, 0])) as Profile;
}

/** Draws a few kinds, or many: some bugs do not show if everything fails at once. */
export function drawProfile(random: Random): Profile {
  const share = random.pick([0.06, 0.12, 0.25, 0.5]);
  const strength = random.pick([0.2, 0.5, 1]);
  const drawn = FAULT_NAMES.map((name) => [name, random.chance(share) ? FAULTS[name][1] * strength : 0] as const);
  return { ...noFaults(), ...Object.fromEntries(drawn) };
}

export function profileOf(rates: Partial<Record<FaultName, number>>): Profile {
  return { ...noFaults(), ...rates };
}
