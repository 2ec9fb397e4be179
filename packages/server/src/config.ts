/**
 * Configuration: flags and HOLDFAST_* variables become one frozen Config. The only file that reads the environment, and
 * the place where every limit of the system stands with its unit and reason. An unknown HOLDFAST_* variable is an
 * error, because a misspelt security setting must not be ignored in silence.
 */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import type { EventType } from "./core/events.ts";
import type { Plan } from "./core/roles.ts";
import { Secret } from "./core/secret.ts";
import {
  parseAuditRelease,
  parseDatabaseUrl,
  parseEvents,
  parseGateway,
  parseLogLevel,
  parsePlan,
  parsePort,
  parseProxies,
  parsePublicUrl,
  parseWebhook,
  wrong,
  type LogLevel,
  type WebhookTarget,
} from "./core/settings.ts";

export type { LogLevel, WebhookTarget } from "./core/settings.ts";

/** Each limit: default, and why. Settable as HOLDFAST_<NAME IN CAPITALS>. */
export const LIMITS = {
  /** Longest request body. Six times the largest legal one (200 scopes, 32 config values). */
  body_bytes: 262_144,
  url_bytes: 8_192,
  headers_bytes: 16_384,
  /** A client that drips its headers or body holds a socket, nothing else; Node's own 60/300 s is too generous. */
  headers_timeout_ms: 10_000,
  request_timeout_ms: 30_000,
  connections: 2_000,
  /** A consent: long enough to look up a password, short enough that a lost link is worthless. */
  flow_ttl_ms: 600_000,
  pending_flows_per_initiator: 20,
  /** How long a finished flow is kept, for polling and for telling "used" from "unknown". */
  finished_flow_ttl_ms: 3_600_000,
  setup_link_ttl_ms: 3_600_000,
  session_idle_ms: 43_200_000,
  session_absolute_ms: 604_800_000,
  /** Wrong passwords for one account, or from one address, before either has to wait. */
  failed_sign_ins: 5,
  failed_sign_ins_window_ms: 900_000,
  invitation_ttl_ms: 604_800_000,
  members_per_workspace: 1_000,
  workspaces_per_user: 100,
  live_service_tokens_per_app: 2,
  live_api_keys_per_workspace: 100,
  /** A login from a command line: time to open a page and compare eight letters. */
  device_code_ttl_ms: 600_000,
  /** How often the command line asks whether it was let in. */
  device_poll_interval_s: 5,
  /** Logins that wait at once, of one address. */
  device_codes_per_address: 5,
  /** Wrong codes before a browser session, an address and everybody has to wait. In the ten minutes of a code, all guessers
   *  together then have a chance of four in a million at a hundred codes. */
  device_wrong_codes_per_session: 5,
  device_wrong_codes_per_address: 10,
  device_wrong_codes_window_ms: 600_000,
  device_wrong_codes_per_minute: 100,
  /** A command line's access token: what a stolen one is good for at most. */
  cli_access_token_ttl_ms: 3_600_000,
  /** A command line that nobody used for a month, or that was let in three months ago, has to ask again. */
  cli_session_idle_ms: 2_592_000_000,
  cli_session_absolute_ms: 7_776_000_000,
  /** So long a refresh token may be shown again: the answer got lost, or two commands run at once. The public CLI deletes
   *  its login when a refresh fails. */
  cli_refresh_grace_ms: 30_000,
  /** Requests in a minute, of one API key, session or address. The hosted service allows as many of these three. */
  lists_per_minute: 60,
  status_polls_per_minute: 70,
  disconnects_per_minute: 10,
  /** Of everything else that people and their programs do. A push of all services is two hundred. */
  requests_per_minute: 600,
  /** Device codes, polls and refreshes of one address, which may be a whole office: twelve polls a minute each. */
  oauth_requests_per_minute: 240,
  /** Refused credentials of one address. Whoever sends a good one is not stopped by them. */
  failed_authentications_per_minute: 60,
  /** Reads with one service token. 0: as many as it likes. */
  token_reads_per_minute: 0,
  /** Callers whose requests are counted; the least recent one is forgotten. */
  rate_limit_entries: 100_000,
  /** Provider HTTP: connect, headers, and the whole answer of a token endpoint. */
  provider_connect_timeout_ms: 10_000,
  provider_headers_timeout_ms: 10_000,
  provider_response_bytes: 262_144,
  token_bytes: 16_384,
  /** Refresh requests, by rotation class. Giving up on an answer that carries a single-use token loses the grant, so
   *  strict providers are waited for longer; the lease always outlives the request. */
  refresh_deadline_ms: 14_000,
  refresh_lease_ms: 20_000,
  refresh_deadline_strict_ms: 60_000,
  refresh_lease_strict_ms: 90_000,
  /** A holder whose lease ran out may only be stopped, with the answer in hand: where nobody else may ask, it is waited for. */
  paused_holder_wait_ms: 300_000,
  /** Left of the lease when the request must be over: time to commit. */
  refresh_fence_ms: 2_000,
  /** How long a reader waits for a refresh. */
  reader_wait_ms: 15_000,
  /** How long a reader waits when the token it could have still works. */
  reader_soft_wait_ms: 2_000,
  waiters_per_connection: 1_000,
  /** A reader of an expired token may trigger an attempt once a second, whatever the background schedule. */
  reader_retry_ms: 1_000,
  /** A forced refresh of a token younger than this is refused. */
  forced_refresh_interval_ms: 60_000,
  /** The one confirming request after a refusal, for providers that do not rotate. */
  confirm_refusal_after_ms: 60_000,
  backoff_base_ms: 2_000,
  backoff_cap_ms: 3_600_000,
  retry_after_cap_ms: 3_600_000,
  /** Failing this long without an answer that says why: a person has to look. Four days, as a long weekend. */
  give_up_after_ms: 345_600_000,
  /** Refresh requests of one OAuth client at one provider, per second. Renews ten thousand tokens in half an hour. */
  provider_requests_per_s: 10,
  /** And at once: what comes together between two sweeps. */
  provider_burst: 30,
  /** And in flight. Fewer than the sweeper has workers, or a provider that hangs would hold up all others. */
  provider_concurrency: 8,
  /** Of burst and requests in flight, in percent: what background work leaves to readers. */
  provider_reader_percent: 25,
  /** How long a reader of an expired token waits for its turn; well below `reader_wait_ms`, to have time for the answer. */
  provider_line_ms: 5_000,
  /** Services and OAuth clients whose traffic is remembered. */
  provider_buckets: 1_000,
  /** A provider counts as down when of so many requests within the window so many percent got no answer or a 5xx. */
  breaker_window_ms: 30_000,
  /** Fewer say nothing: one connection that always fails is no outage. */
  breaker_requests: 20,
  breaker_failed_percent: 50,
  /** While it is down: one background request in this time, to notice its return. */
  breaker_probe_ms: 10_000,
  /** While it is down: one reader's request in this time, so that its return is noticed at once where it matters. */
  breaker_reader_ms: 1_000,
  sweep_interval_ms: 3_000,
  /** What one node's sweeper took up the others leave alone for so long: a batch's time with a provider that answers. */
  sweep_reserve_ms: 10_000,
  sweep_batch: 50,
  sweep_concurrency: 10,
  /** Batches in one sweep: the further ones are for services that stand behind one with more to do than it may send. */
  sweep_rounds: 10,
  outbox_batch: 20,
  /** How soon an event is sent after it happened. */
  webhook_interval_ms: 1_000,
  /** In flight to the receiver, of one node, each of another connection. */
  webhook_concurrency: 10,
  /** A receiver should keep the event and answer; work belongs behind the answer. */
  webhook_deadline_ms: 15_000,
  /** A node that dies while it sends leaves the event to the others after this; longer than `webhook_deadline_ms`. */
  webhook_lease_ms: 30_000,
  webhook_retry_base_ms: 5_000,
  webhook_retry_cap_ms: 3_600_000,
  /** A receiver that is down for longer reads the state of its connections anew anyway. */
  webhook_give_up_after_ms: 86_400_000,
  /** Cached decrypted tokens: count, and how long one may serve without a look at the database. */
  token_cache_entries: 10_000,
  token_cache_ttl_ms: 60_000,
  credential_cache_entries: 10_000,
  /** While the database cannot be reached: how long what was read from it last serves on. The longest time that somebody
   *  who was shut out elsewhere may go on here. */
  outage_grace_s: 300,
  /** How long a reader waits for a look at the database before that counts as an outage. */
  database_read_wait_ms: 800,
  /** In an outage the database is asked so often, and everybody else is answered without it. */
  database_probe_ms: 1_000,
  /** Writes of other processes on the same SQLite file are seen within this. */
  data_version_poll_ms: 250,
  /** PostgreSQL. Connections of one node: more would only queue inside the database. */
  database_connections: 10,
  /** How long a request waits for a connection before it is told that the database cannot be reached. */
  database_connect_timeout_ms: 2_000,
  /** How long a start tries to reach a database that does not answer: other nodes may start on the same machine just now. */
  database_start_timeout_ms: 15_000,
  /** A statement that takes longer is given up, by both sides; nothing here reads more than some rows. */
  database_statement_timeout_ms: 5_000,
  /** A stopped node in the middle of a transaction holds its row locks no longer than this. */
  database_idle_transaction_ms: 10_000,
  /** A write that lost against another one of the same rows is run again at most so often. */
  database_retries: 3,
  /** Caches live this long while notifications from the other nodes may be lost; the listener is checked as often. */
  cache_ttl_without_listener_ms: 1_000,
  /**
   * A node that got its session back judges nobody dead who took a lease before so long after it. What ended its session, a
   * restart of the database say, ended theirs, too, and a holder that is taken for dead loses a single-use token.
   */
  presence_settle_ms: 10_000,
  /** How often a reader looks whether the other node's refresh is done. */
  lease_poll_ms: 200,
  /** Spilled answers kept for repair after their commit. */
  spill_keep_ms: 600_000,
  spill_bytes: 8_388_608,
  /** Group commit: how many writes share one fsync. */
  group_commit_items: 64,
  busy_timeout_ms: 5_000,
  audit_buffer_events: 10_000,
  /** Releases of credentials are in the audit trail within this. */
  audit_flush_ms: 500,
  /** Events in one answer of the audit export. */
  audit_page: 1_000,
  function_timeout_ms: 30_000,
  function_start_timeout_ms: 10_000,
  /** A function process without work ends after this. */
  function_idle_ms: 60_000,
  function_processes: 20,
  function_heap_mb: 128,
  function_body_bytes: 6_291_456,
  function_source_bytes: 10_485_760,
  /** What a function token outlives its invocation's time-out by: clock differences, a last call back. */
  function_token_grace_ms: 60_000,
  /** A connection of which nothing was heard for so long is asked about at the provider when its app's connectors are listed. */
  verify_after_ms: 3_600_000,
  verify_concurrency: 5,
  /** So long a list waits for that; the public command line gives up after 10 s. */
  verify_wait_ms: 3_000,
  /** What could not be found out is not asked again before this. */
  verify_rest_ms: 60_000,
  /** After SIGTERM: time for refreshes in flight to finish. */
  shutdown_ms: 60_000,
} as const;

/** Limits whose 0 switches off what they limit. Of the others a 0 would bring everything to a stop. */
const SWITCHES: ReadonlySet<keyof typeof LIMITS> = new Set(["outage_grace_s", "token_reads_per_minute"]);

export type Limits = { readonly [Name in keyof typeof LIMITS]: number };

export interface Config {
  readonly data_dir: string;
  /** `postgres://…` of the database that several nodes share; null: SQLite in `data_dir`. */
  readonly database_url: Secret | null;
  readonly host: string;
  readonly port: number;
  /** Origin under which browsers and providers reach this server: decides redirect URIs and cookies. No path. */
  readonly public_url: string;
  /** `http://127.0.0.1:PORT` of a simulator, or null. Every provider request goes there. */
  readonly provider_gateway: string | null;
  readonly functions_dir: string | null;
  /** Services that the operator defines, one JSON file each. */
  readonly providers_dir: string | null;
  /** The master key itself (base64, 32 bytes), when it does not come from `<data_dir>/master.key`. */
  readonly master_key: Secret | null;
  readonly log_level: LogLevel;
  /** Where events are sent. Null: to the log only. */
  readonly webhook: WebhookTarget | null;
  /** The events to send; empty without a webhook. Others than `connection.refreshed` are written down all the same. */
  readonly events_wanted: ReadonlySet<EventType>;
  /** Addresses and networks whose X-Forwarded-For is believed. */
  readonly trusted_proxies: readonly string[];
  /** Whether a release of a credential is on record before it is answered, or within `audit_flush_ms`. */
  readonly audit_release: "batched" | "before";
  /** Of new workspaces. */
  readonly default_plan: Plan;
  readonly limits: Limits;
}

/** Flags of a command line, already split; an unset one is undefined. */
export interface Flags {
  readonly dataDir?: string | undefined;
  readonly databaseUrl?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly publicUrl?: string | undefined;
  readonly functions?: string | undefined;
  readonly providers?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly providerGateway?: string | undefined;
}

type Environment = Record<string, string | undefined>;

const SETTINGS = new Set([
  "HOLDFAST_DATA_DIR",
  "HOLDFAST_DATABASE_URL",
  "HOLDFAST_HOST",
  "HOLDFAST_PORT",
  "HOLDFAST_PUBLIC_URL",
  "HOLDFAST_PROVIDER_GATEWAY",
  "HOLDFAST_FUNCTIONS",
  "HOLDFAST_PROVIDERS",
  "HOLDFAST_MASTER_KEY",
  "HOLDFAST_LOG_LEVEL",
  "HOLDFAST_WEBHOOK_URL",
  "HOLDFAST_WEBHOOK_SECRET",
  "HOLDFAST_WEBHOOK_EVENTS",
  "HOLDFAST_TRUSTED_PROXIES",
  "HOLDFAST_AUDIT_RELEASE",
  "HOLDFAST_DEFAULT_PLAN",
  "HOLDFAST_SERVER_URL",
  "HOLDFAST_API_KEY",
  "HOLDFAST_APP_ID",
]);
const SECRET_SETTINGS = [
  "HOLDFAST_MASTER_KEY",
  "HOLDFAST_DATABASE_URL",
  "HOLDFAST_WEBHOOK_URL",
  "HOLDFAST_WEBHOOK_SECRET",
  "HOLDFAST_API_KEY",
];
const LIMIT_VARIABLES = new Map(Object.keys(LIMITS).map((name) => [`HOLDFAST_${name.toUpperCase()}`, name]));

/** What a command reads that may talk to a server elsewhere. */
export interface ClientSettings {
  readonly server_url: string | null;
  readonly api_key: Secret | null;
  readonly app_id: string | null;
  /** Where this person's logins are kept (XDG Base Directory: `$XDG_CONFIG_HOME`, else `~/.config`). */
  readonly config_dir: string;
  /** A variable names data on this machine. */
  readonly names_data: boolean;
}

/**
 * Read before `loadConfig`, which takes the key out of the environment.
 *
 * @throws ApiError `configuration` as `loadConfig` does.
 */
export function loadClientSettings(environment: Environment = process.env): ClientSettings {
  refuseUnknown(environment);
  refuseUnsafeRuntime(environment);
  const setting = (name: string): string | null => environment[name]?.trim() || null;
  const api_key = setting("HOLDFAST_API_KEY");
  // A relative path is no valid value, says the specification: it would scatter logins over directories.
  const xdg = environment["XDG_CONFIG_HOME"] ?? "";
  return {
    server_url: setting("HOLDFAST_SERVER_URL"),
    api_key: api_key === null ? null : new Secret(api_key),
    app_id: setting("HOLDFAST_APP_ID"),
    config_dir: join(isAbsolute(xdg) ? xdg : join(environment["HOME"] ?? homedir(), ".config"), "holdfast"),
    names_data: setting("HOLDFAST_DATA_DIR") !== null || setting("HOLDFAST_DATABASE_URL") !== null,
  };
}

function refuseUnknown(environment: Environment): void {
  for (const name of Object.keys(environment)) {
    if (!name.startsWith("HOLDFAST_") || SETTINGS.has(name) || LIMIT_VARIABLES.has(name)) continue;
    throw wrong(`${name} is not a setting of Holdfast. Check its spelling, or unset it.`);
  }
}

/**
 * @throws ApiError `configuration` (exit 78) naming the variable and an example.
 */
export function loadConfig(flags: Flags, environment: Environment = process.env): Config {
  refuseUnknown(environment);
  refuseUnsafeRuntime(environment);
  const setting = (flag: string | undefined, name: string): string | undefined =>
    flag ?? (environment[name] === "" ? undefined : environment[name]);

  const host = setting(flags.host, "HOLDFAST_HOST") ?? "localhost";
  const port = parsePort(setting(flags.port, "HOLDFAST_PORT"));
  const gateway = setting(flags.providerGateway, "HOLDFAST_PROVIDER_GATEWAY");
  const functions = setting(flags.functions, "HOLDFAST_FUNCTIONS");
  const providers = setting(flags.providers, "HOLDFAST_PROVIDERS");
  const master_key = environment["HOLDFAST_MASTER_KEY"];
  const database_url = parseDatabaseUrl(flags.databaseUrl, environment["HOLDFAST_DATABASE_URL"]);
  const webhook = parseWebhook(environment["HOLDFAST_WEBHOOK_URL"], environment["HOLDFAST_WEBHOOK_SECRET"]);
  const events_wanted = parseEvents(environment["HOLDFAST_WEBHOOK_EVENTS"], webhook);
  // Children (functions) and crash reports must not find them.
  for (const name of SECRET_SETTINGS) delete environment[name];
  // The account library reads these by itself, and would send telemetry when one of them says so.
  for (const name of Object.keys(environment)) if (name.startsWith("BETTER_AUTH_")) delete environment[name];
  if (database_url !== null && (master_key === undefined || master_key === "")) {
    throw wrong(
      "With a PostgreSQL database, HOLDFAST_MASTER_KEY is required, and must be the same on every node. Make one once with: openssl rand -base64 32",
    );
  }
  return Object.freeze({
    data_dir: resolve(setting(flags.dataDir, "HOLDFAST_DATA_DIR") ?? ".holdfast"),
    database_url,
    host,
    port,
    public_url: parsePublicUrl(setting(flags.publicUrl, "HOLDFAST_PUBLIC_URL") ?? `http://localhost:${port}`),
    provider_gateway: gateway === undefined ? null : parseGateway(gateway),
    functions_dir: functions === undefined ? null : resolve(functions),
    providers_dir: providers === undefined ? null : resolve(providers),
    master_key: master_key === undefined || master_key === "" ? null : new Secret(master_key),
    log_level: parseLogLevel(setting(flags.logLevel, "HOLDFAST_LOG_LEVEL") ?? "info"),
    webhook,
    events_wanted,
    trusted_proxies: parseProxies(environment["HOLDFAST_TRUSTED_PROXIES"]),
    audit_release: parseAuditRelease(environment["HOLDFAST_AUDIT_RELEASE"]),
    default_plan: parsePlan(environment["HOLDFAST_DEFAULT_PLAN"]),
    limits: parseLimits(environment),
  });
}

/** An inspector or a switched-off certificate check hands tokens to whoever asks; better not to start at all. */
function refuseUnsafeRuntime(environment: Environment): void {
  const options = [environment["NODE_OPTIONS"] ?? "", ...process.execArgv].join(" ");
  if (/--inspect|--heapsnapshot-signal/.test(options)) {
    throw wrong("Node's options open an inspector or heap snapshots, which show every token. Unset it.");
  }
  if (environment["NODE_TLS_REJECT_UNAUTHORIZED"] === "0") {
    throw wrong(
      "NODE_TLS_REJECT_UNAUTHORIZED=0 switches certificate checks off. Unset it; for a private CA use NODE_EXTRA_CA_CERTS.",
    );
  }
}

function parseLimits(environment: Environment): Limits {
  const limits: Record<keyof typeof LIMITS, number> = { ...LIMITS };
  for (const [variable, name] of LIMIT_VARIABLES) {
    const text = environment[variable];
    if (text === undefined || text === "" || !isLimit(name)) continue;
    const is_switch = SWITCHES.has(name);
    if (!/^(?:0|[1-9]\d{0,11})$/.test(text) || (text === "0" && !is_switch)) {
      const lowest = is_switch ? "from 0 (off)" : "above 0";
      throw wrong(`${variable} must be a whole number ${lowest}. Example: ${variable}=${LIMITS[name]}`);
    }
    limits[name] = Number(text);
  }
  checkRefreshTimes(limits);
  return Object.freeze(limits);
}

/** A request that would not be over before its lease is never sent, so with such limits nothing would ever be refreshed. */
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
