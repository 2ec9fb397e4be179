/**
 * Every limit of the system, with its unit and its reason. Those of functions are in
 * function-limits.ts. `docs/configuration.md` is generated from both tables: a comment above an
 * entry is the reason shown there.
 *
 * A limit is a whole number, and its name ends with the unit. HOLDFAST_<NAME IN CAPITALS> sets it.
 * The limits of backend functions are in functions/function-limits.ts.
 */
import { FUNCTION_LIMITS } from "./functions/function-limits.ts";
import { USER_LIMITS } from "./user-limits.ts";
import { wrong } from "./settings.ts";

export const LIMITS = {
  /** Longest request body. Six times the largest valid body (200 scopes, 32 config values). */
  body_bytes: 262_144,
  /** Longest request URL. */
  url_bytes: 8_192,
  /** All request headers together. */
  headers_bytes: 16_384,
  /**
   * A client that sends its headers or body slowly holds a socket. Node's own 60 s and 300 s are
   * too generous.
   */
  headers_timeout_ms: 10_000,
  request_timeout_ms: 30_000,
  /** How often malformed requests are logged, with their count. A caller can send many. */
  malformed_log_interval_ms: 60_000,
  /** Open connections to the server. */
  connections: 2_000,
  /**
   * How long a consent can take. Enough to look up a password, too short for a lost link to be
   * useful.
   */
  flow_ttl_ms: 600_000,
  /** Unfinished consents of one initiator. */
  pending_flows_per_initiator: 20,
  /** How long a finished flow is kept, for polling and to distinguish "used" from "unknown". */
  finished_flow_ttl_ms: 3_600_000,
  /** How long a setup link is valid. */
  setup_link_ttl_ms: 3_600_000,
  /** A browser session expires after this long without a request. */
  session_idle_ms: 43_200_000,
  /** A browser session expires this long after its sign-in, used or not. */
  session_absolute_ms: 604_800_000,
  /** Wrong passwords, for one account or from one address, before either has to wait. */
  failed_sign_ins: 5,
  /** The window in which wrong passwords are counted. */
  failed_sign_ins_window_ms: 900_000,
  /** How long an invitation is valid. */
  invitation_ttl_ms: 604_800_000,
  members_per_workspace: 1_000,
  workspaces_per_user: 100,
  /** Two, so that a token can be replaced without downtime. */
  live_service_tokens_per_app: 2,
  live_api_keys_per_workspace: 100,
  /** How long a command line's login can take: time to open a page and compare eight letters. */
  device_code_ttl_ms: 600_000,
  /** How often the command line polls for the approval. */
  device_poll_interval_s: 5,
  /** Pending logins of one address. */
  device_codes_per_address: 5,
  /**
   * Wrong codes before a browser session, an address and all callers together have to wait. With
   * these limits and a hundred pending codes, ten minutes of guessing succeed with a chance of four
   * in a million.
   */
  device_wrong_codes_per_session: 5,
  device_wrong_codes_per_address: 10,
  device_wrong_codes_window_ms: 600_000,
  device_wrong_codes_per_minute: 100,
  /** Lifetime of a command line's access token. A stolen token works no longer than this. */
  cli_access_token_ttl_ms: 3_600_000,
  /** A command line must sign in again after a month without use. */
  cli_session_idle_ms: 2_592_000_000,
  /** A command line must sign in again three months after its login, used or not. */
  cli_session_absolute_ms: 7_776_000_000,
  /**
   * How long a used refresh token is accepted again, because its response was lost or two commands
   * ran at once. The public CLI deletes its login when a refresh fails.
   */
  cli_refresh_grace_ms: 30_000,
  /**
   * Requests per minute of one API key, session or address. The hosted service has the same three
   * limits.
   */
  lists_per_minute: 60,
  status_polls_per_minute: 70,
  disconnects_per_minute: 10,
  /** Other requests per minute of one builder. A push of all services takes two hundred. */
  requests_per_minute: 600,
  /**
   * Device codes, polls and refreshes of one address. It can be a whole office, and each login
   * polls twelve times per minute.
   */
  oauth_requests_per_minute: 240,
  /** Rejected credentials of one address. A valid credential from the same address still works. */
  failed_authentications_per_minute: 60,
  /** Token reads with one service token. 0 means no limit. */
  token_reads_per_minute: 0,
  /**
   * Callers whose requests are counted. Beyond this, the least recently active caller is dropped.
   */
  rate_limit_entries: 100_000,
  /** Time to connect to a provider. */
  provider_connect_timeout_ms: 10_000,
  /** Time from the connection to the headers of a provider's response. */
  provider_headers_timeout_ms: 10_000,
  /** Largest response body that is read from a provider. */
  provider_response_bytes: 262_144,
  /** Longest token that is accepted from a provider. */
  token_bytes: 16_384,
  /**
   * Time for a whole refresh request. Strict providers get more, because giving up on a response
   * that carries a single-use token loses the grant. The lease always outlives the request.
   */
  refresh_deadline_ms: 14_000,
  refresh_lease_ms: 20_000,
  refresh_deadline_strict_ms: 60_000,
  refresh_lease_strict_ms: 90_000,
  /**
   * The holder of an expired lease can be a stopped process that already has the response. If
   * reusing a refresh token revokes the grant, this is how long others wait for it.
   */
  paused_holder_wait_ms: 300_000,
  /** The request must be done this long before its lease expires, to leave time for the commit. */
  refresh_fence_ms: 2_000,
  /** How long a reader waits for a refresh. */
  reader_wait_ms: 15_000,
  /** How long a reader waits for a refresh while the current token still works. */
  reader_soft_wait_ms: 2_000,
  /** Readers that wait for one connection's refresh. */
  waiters_per_connection: 1_000,
  /**
   * Readers of an expired token can trigger an attempt this often, regardless of the background
   * schedule.
   */
  reader_retry_ms: 1_000,
  /** A forced refresh is refused if the token is younger than this. */
  forced_refresh_interval_ms: 60_000,
  /**
   * When to confirm a rejected refresh with one more request, if the provider does not rotate
   * refresh tokens.
   */
  confirm_refusal_after_ms: 60_000,
  /** First wait between failed refreshes. It doubles with each failure. */
  backoff_base_ms: 2_000,
  /** Longest wait between failed refreshes. */
  backoff_cap_ms: 3_600_000,
  /** Longest wait that a provider's Retry-After header can impose. */
  retry_after_cap_ms: 3_600_000,
  /**
   * A connection that fails this long for an unknown reason needs a new consent. Four days span a
   * long weekend.
   */
  give_up_after_ms: 345_600_000,
  /**
   * Refresh requests of one OAuth client to one provider, per second. Renews ten thousand tokens in
   * half an hour.
   */
  provider_requests_per_s: 10,
  /** Largest burst of such requests: the number that becomes due between two sweeps. */
  provider_burst: 30,
  /**
   * Such requests in flight. Fewer than the sweeper's workers, so that a provider that hangs does
   * not block the others.
   */
  provider_concurrency: 8,
  /**
   * Share of the burst and of the requests in flight that background work leaves to readers, in
   * percent.
   */
  provider_reader_percent: 25,
  /**
   * How long a reader of an expired token waits in line. Well below `reader_wait_ms`, to leave time
   * for the response.
   */
  provider_line_ms: 5_000,
  /** Services and OAuth clients whose traffic is remembered. */
  provider_buckets: 1_000,
  /**
   * Window of the circuit breaker: a provider is down if too many requests in it fail or return
   * 5xx.
   */
  breaker_window_ms: 30_000,
  /** Fewest requests that can show an outage. A single failing connection is not an outage. */
  breaker_requests: 20,
  /** Share of failed requests at which a provider counts as down, in percent. */
  breaker_failed_percent: 50,
  /** While a provider is down, one background request per this time probes it. */
  breaker_probe_ms: 10_000,
  /**
   * While a provider is down, one reader's request per this time probes it, so that readers recover
   * first.
   */
  breaker_reader_ms: 1_000,
  /** How often the sweeper looks for tokens to refresh. */
  sweep_interval_ms: 3_000,
  /**
   * How long one node's sweeper reserves the rows it picked: enough for a batch while the provider
   * responds.
   */
  sweep_reserve_ms: 10_000,
  /** Connections that the sweeper picks at once. */
  sweep_batch: 50,
  /** Connections that the sweeper refreshes in parallel. */
  sweep_concurrency: 10,
  /**
   * Batches per sweep. More than one, so that a service at its rate limit does not hold up the
   * others.
   */
  sweep_rounds: 10,
  /** Events that one query reserves in the outbox. */
  outbox_batch: 20,
  /** How often events are sent. */
  webhook_interval_ms: 1_000,
  /** Webhook requests in flight from one node, each for a different connection. */
  webhook_concurrency: 10,
  /**
   * Time for one webhook request. A receiver should store the event, respond, and only then work on
   * it.
   */
  webhook_deadline_ms: 15_000,
  /**
   * If a node dies while sending, others send the event after this. Longer than
   * `webhook_deadline_ms`.
   */
  webhook_lease_ms: 30_000,
  /** First wait between failed webhook requests. It doubles with each failure. */
  webhook_retry_base_ms: 5_000,
  /** Longest wait between failed webhook requests. */
  webhook_retry_cap_ms: 3_600_000,
  /**
   * Events are dropped after this long. A receiver that was down longer has to read the current
   * state anyway.
   */
  webhook_give_up_after_ms: 86_400_000,
  /** Decrypted tokens in memory. */
  token_cache_entries: 10_000,
  /** How long a cached token is served before the database is checked again. */
  token_cache_ttl_ms: 60_000,
  /** Verified credentials in memory. */
  credential_cache_entries: 10_000,
  /**
   * How long cached rows are served while the database is unreachable, in seconds. Also the longest
   * time that a credential revoked on another node still works here. 0 turns this off.
   */
  outage_grace_s: 300,
  /** How long a reader waits for a query before the database counts as unreachable. */
  database_read_wait_ms: 800,
  /**
   * While the database is unreachable, one query per this time probes it. Other reads use the
   * cache.
   */
  database_probe_ms: 1_000,
  /** How soon writes of other processes to the same SQLite file are noticed. */
  data_version_poll_ms: 250,
  /** PostgreSQL connections of one node. More would only queue inside the database. */
  database_connections: 10,
  /**
   * How long a request waits for a PostgreSQL connection before it fails with
   * `database_unavailable`.
   */
  database_connect_timeout_ms: 2_000,
  /**
   * How long a starting node waits for the database. Several nodes can be starting on the same
   * machine.
   */
  database_start_timeout_ms: 15_000,
  /**
   * Longest duration of a statement. Both sides cancel a longer one, because no statement reads
   * more than a few rows.
   */
  database_statement_timeout_ms: 5_000,
  /** How long a node that stops in the middle of a transaction keeps its row locks. */
  database_idle_transaction_ms: 10_000,
  /** Retries of a write that conflicted with another write. */
  database_retries: 3,
  /**
   * Lifetime of caches while notifications from other nodes can be lost. The listener is checked as
   * often.
   */
  cache_ttl_without_listener_ms: 1_000,
  /**
   * After reconnecting, a node ignores liveness for leases taken earlier than this. A database
   * restart drops every node's session at once, and a holder wrongly taken for dead loses a
   * single-use token.
   */
  presence_settle_ms: 10_000,
  /** How often a waiting reader checks whether another node's refresh is done. */
  lease_poll_ms: 200,
  /**
   * How long spilled responses are kept after their commit, to repair a failover that lost
   * commits.
   */
  spill_keep_ms: 600_000,
  /** Size of the spill file. */
  spill_bytes: 8_388_608,
  /** Writes that share one fsync (group commit). */
  group_commit_items: 64,
  /** How long SQLite waits for a lock of another process. */
  busy_timeout_ms: 5_000,
  /** Audit events in memory that are not written yet. */
  audit_buffer_events: 10_000,
  /** How soon a credential's release is in the audit trail. */
  audit_flush_ms: 500,
  /** Events in one page of the audit export. */
  audit_page: 1_000,
  /**
   * Listing an app's connectors checks a connection with its provider if its token was neither
   * issued nor checked for this long.
   */
  verify_after_ms: 3_600_000,
  /** Such checks in parallel. */
  verify_concurrency: 5,
  /** How long a list waits for such checks. The public command line gives up after 10 s. */
  verify_wait_ms: 3_000,
  /** A connection is not checked again earlier than this. */
  verify_rest_ms: 60_000,
  /** Time after SIGTERM for refreshes in flight to finish. */
  shutdown_ms: 60_000,
  ...FUNCTION_LIMITS,
  ...USER_LIMITS,
} as const;

export type Limits = { readonly [Name in keyof typeof LIMITS]: number };

/** Limits that 0 turns off. For every other limit, 0 would stop the server from working. */
const CAN_BE_OFF: ReadonlySet<keyof typeof LIMITS> = new Set(["outage_grace_s", "token_reads_per_minute"]);

/** The limit that each environment variable sets. */
export const LIMIT_VARIABLES: ReadonlyMap<string, string> = new Map(
  Object.keys(LIMITS).map((name) => [`HOLDFAST_${name.toUpperCase()}`, name]),
);

/**
 * Reads the limits from their variables. Unset ones keep their default.
 *
 * @throws CodedError `configuration`
 */
export function parseLimits(environment: Readonly<Record<string, string | undefined>>): Limits {
  const limits: Record<keyof typeof LIMITS, number> = { ...LIMITS };
  for (const [variable, name] of LIMIT_VARIABLES) {
    const text = environment[variable];
    if (text === undefined || text === "" || !isLimit(name)) continue;
    const can_be_off = CAN_BE_OFF.has(name);
    if (!/^(?:0|[1-9]\d{0,11})$/.test(text) || (text === "0" && !can_be_off)) {
      const lowest = can_be_off ? "from 0 (off)" : "above 0";
      throw wrong(`${variable} must be a whole number ${lowest}. Example: ${variable}=${LIMITS[name]}`);
    }
    limits[name] = Number(text);
  }
  checkRefreshTimes(limits);
  return Object.freeze(limits);
}

/**
 * Refuses limits under which no refresh request would be sent, because it could outlast its lease.
 */
function checkRefreshTimes(limits: Limits): void {
  const { refresh_fence_ms: fence_ms } = limits;
  for (const suffix of ["", "_STRICT"] as const) {
    const [lease_ms, deadline_ms] =
      suffix === ""
        ? [limits.refresh_lease_ms, limits.refresh_deadline_ms]
        : [limits.refresh_lease_strict_ms, limits.refresh_deadline_strict_ms];
    if (lease_ms > deadline_ms + fence_ms) continue;
    throw wrong(
      `HOLDFAST_REFRESH_LEASE${suffix}_MS (${lease_ms}) must be longer than HOLDFAST_REFRESH_DEADLINE${suffix}_MS (${deadline_ms}) and HOLDFAST_REFRESH_FENCE_MS (${fence_ms}) together. Example: HOLDFAST_REFRESH_LEASE${suffix}_MS=${2 * (deadline_ms + fence_ms)}`,
    );
  }
}

function isLimit(name: string): name is keyof typeof LIMITS {
  return Object.hasOwn(LIMITS, name);
}
