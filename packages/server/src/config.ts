/**
 * Configuration: turns flags and HOLDFAST_* variables into one frozen Config. The only file that
 * reads the environment. Every limit is in core/limits.ts, and the parsing of each setting in
 * core/settings.ts. An unknown HOLDFAST_* variable is an error, because a misspelled security
 * setting must not be ignored silently.
 */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import type { EventType } from "./core/events.ts";
import { parseFunctionsUrl, type FunctionsUrl } from "./core/functions/functions-url.ts";
import type { Plan } from "./core/roles.ts";
import {
  parseEgressAllow,
  parseEgressProxy,
  parseIsolation,
  parseRegistries,
  parseUids,
  type HttpProxy,
  type Isolation,
  type Registries,
  type UidRange,
} from "./core/functions/function-settings.ts";
import { LIMIT_VARIABLES, parseLimits, type Limits } from "./core/limits.ts";
import { Secret } from "./core/secret.ts";
import {
  parseAuditRelease,
  parseDatabaseUrl,
  parseEvents,
  parseGateway,
  parseIssuerLoopback,
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

export interface FunctionsDirectory {
  readonly path: string;
  readonly app: string;
  /** Secrets for its functions. Override the app's stored secrets with the same names. */
  readonly secrets: Readonly<Record<string, Secret>>;
}

export interface Config {
  readonly data_dir: string;
  /** `postgres://…` URL of the database that several nodes share. Null: SQLite in `data_dir`. */
  readonly database_url: Secret | null;
  readonly host: string;
  readonly port: number;
  /**
   * Origin at which browsers and providers reach this server. Redirect URIs and cookies depend on
   * it.
   */
  readonly public_url: string;
  /** `http://127.0.0.1:PORT` of a simulator that receives every request to a provider, or null. */
  readonly provider_gateway: string | null;
  /** Directory whose functions are served live for `app` (an id or a name). */
  readonly functions_directory: FunctionsDirectory | null;
  /** Origins of functions besides `public_url`. Null: only `public_url` serves them. */
  readonly functions_url: FunctionsUrl | null;
  /** The isolation of functions besides Deno's permissions. */
  readonly functions_isolation: Isolation;
  /** Host uids for the processes of apps, one each, if this server is root. */
  readonly functions_uids: UidRange;
  /** `host:port` of each target with a private address that functions can reach. */
  readonly functions_egress_allow: readonly string[];
  /** The proxy to which all other requests of functions and their imports go. Null: none. */
  readonly functions_egress_proxy: HttpProxy | null;
  /** PEM file of further certificate authorities that functions and their imports trust. */
  readonly functions_authorities: string | null;
  /** The sources of the packages that functions import. */
  readonly functions_registries: Registries;
  /** Directory of the services that the operator defines, one JSON file each. */
  readonly providers_dir: string | null;
  /** The master key (32 bytes in base64). Null: it is in `<data_dir>/master.key`. */
  readonly master_key: Secret | null;
  readonly log_level: LogLevel;
  /** Where events are sent. Null: they are only logged. */
  readonly webhook: WebhookTarget | null;
  /**
   * Events to send. Empty without a webhook. All but `connection.refreshed` are stored either way.
   */
  readonly events_wanted: ReadonlySet<EventType>;
  /** Addresses and networks whose X-Forwarded-For is trusted. */
  readonly trusted_proxies: readonly string[];
  /**
   * `before`: a credential's release is in the audit trail before it is returned. `batched`: within
   * `audit_flush_ms`.
   */
  readonly audit_release: "batched" | "before";
  /**
   * Issuers of app users can be on this machine, over http too. For tests and the demo: any builder
   * could reach what listens here.
   */
  readonly issuer_loopback: boolean;
  /** The plan of new workspaces. */
  readonly default_plan: Plan;
  readonly limits: Limits;
}

/** Parsed flags of a command line. An unset flag is undefined. */
export interface Flags {
  readonly dataDir?: string | undefined;
  readonly databaseUrl?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly publicUrl?: string | undefined;
  readonly functions?: string | undefined;
  readonly functionsApp?: string | undefined;
  readonly functionsUrl?: string | undefined;
  readonly functionsIsolation?: string | undefined;
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
  "HOLDFAST_FUNCTIONS_APP",
  "HOLDFAST_FUNCTIONS_URL",
  "HOLDFAST_FUNCTIONS_ISOLATION",
  "HOLDFAST_FUNCTIONS_UIDS",
  "HOLDFAST_FUNCTIONS_EGRESS_ALLOW",
  "HOLDFAST_FUNCTIONS_EGRESS_PROXY",
  "HOLDFAST_NPM_REGISTRY",
  "HOLDFAST_JSR_URL",
  "HOLDFAST_SDK_VERSIONS",
  "HOLDFAST_PROVIDERS",
  "HOLDFAST_MASTER_KEY",
  "HOLDFAST_LOG_LEVEL",
  "HOLDFAST_WEBHOOK_URL",
  "HOLDFAST_WEBHOOK_SECRET",
  "HOLDFAST_WEBHOOK_EVENTS",
  "HOLDFAST_TRUSTED_PROXIES",
  "HOLDFAST_AUDIT_RELEASE",
  "HOLDFAST_DEFAULT_PLAN",
  "HOLDFAST_ISSUER_LOOPBACK",
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

/** Settings of a command that can talk to a remote server. */
export interface ClientSettings {
  readonly server_url: string | null;
  readonly api_key: Secret | null;
  readonly app_id: string | null;
  /**
   * Where this user's logins are stored (XDG Base Directory: `$XDG_CONFIG_HOME`, else `~/.config`).
   */
  readonly config_dir: string;
  /** True if a variable names data on this machine. */
  readonly names_data: boolean;
}

/**
 * Reads the client settings. Call it before `loadConfig`, which removes secrets from the
 * environment.
 *
 * @throws CodedError `configuration`, as `loadConfig` does.
 */
export function loadClientSettings(environment: Environment = process.env): ClientSettings {
  refuseUnknown(environment);
  refuseUnsafeRuntime(environment);
  const setting = (name: string): string | null => environment[name]?.trim() || null;
  const api_key = setting("HOLDFAST_API_KEY");
  // The XDG specification forbids relative paths. One would scatter logins over directories.
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
 * Reads flags and environment, the flags first, and removes secrets from the environment.
 *
 * @throws CodedError `configuration` (exit 78) that names the variable and gives an example.
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
  const functions_app = setting(flags.functionsApp, "HOLDFAST_FUNCTIONS_APP");
  const providers = setting(flags.providers, "HOLDFAST_PROVIDERS");
  const master_key = environment["HOLDFAST_MASTER_KEY"];
  const database_url = parseDatabaseUrl(flags.databaseUrl, environment["HOLDFAST_DATABASE_URL"]);
  const webhook = parseWebhook(environment["HOLDFAST_WEBHOOK_URL"], environment["HOLDFAST_WEBHOOK_SECRET"]);
  const events_wanted = parseEvents(environment["HOLDFAST_WEBHOOK_EVENTS"], webhook);
  // Child processes (functions) and crash reports must not contain them.
  for (const name of SECRET_SETTINGS) delete environment[name];
  // The account library reads these on its own, and sends telemetry if one of them enables it.
  for (const name of Object.keys(environment)) if (name.startsWith("BETTER_AUTH_")) delete environment[name];
  if (database_url !== null && (master_key === undefined || master_key === "")) {
    throw wrong(
      "HOLDFAST_MASTER_KEY is required with a PostgreSQL database, and must be the same on every node. Create one with: openssl rand -base64 32",
    );
  }
  const public_url = parsePublicUrl(setting(flags.publicUrl, "HOLDFAST_PUBLIC_URL") ?? `http://localhost:${port}`);
  return Object.freeze({
    data_dir: resolve(setting(flags.dataDir, "HOLDFAST_DATA_DIR") ?? ".holdfast"),
    database_url,
    host,
    port,
    public_url,
    provider_gateway: gateway === undefined ? null : parseGateway(gateway),
    functions_directory: functionsDirectory(functions, functions_app),
    functions_url: parseFunctionsUrl(setting(flags.functionsUrl, "HOLDFAST_FUNCTIONS_URL"), public_url),
    functions_isolation: parseIsolation(setting(flags.functionsIsolation, "HOLDFAST_FUNCTIONS_ISOLATION")),
    functions_uids: parseUids(environment["HOLDFAST_FUNCTIONS_UIDS"]),
    functions_egress_allow: parseEgressAllow(environment["HOLDFAST_FUNCTIONS_EGRESS_ALLOW"]),
    functions_egress_proxy: parseEgressProxy(environment["HOLDFAST_FUNCTIONS_EGRESS_PROXY"]),
    // Node trusts these too, so one setting is for the server and for functions.
    functions_authorities: environment["NODE_EXTRA_CA_CERTS"] || null,
    functions_registries: parseRegistries(environment),
    providers_dir: providers === undefined ? null : resolve(providers),
    master_key: master_key === undefined || master_key === "" ? null : new Secret(master_key),
    log_level: parseLogLevel(setting(flags.logLevel, "HOLDFAST_LOG_LEVEL") ?? "info"),
    webhook,
    events_wanted,
    trusted_proxies: parseProxies(environment["HOLDFAST_TRUSTED_PROXIES"]),
    audit_release: parseAuditRelease(environment["HOLDFAST_AUDIT_RELEASE"]),
    issuer_loopback: parseIssuerLoopback(environment["HOLDFAST_ISSUER_LOOPBACK"]),
    default_plan: parsePlan(environment["HOLDFAST_DEFAULT_PLAN"]),
    limits: parseLimits(environment),
  });
}

/** A function belongs to one app, so a directory needs an app. */
function functionsDirectory(path: string | undefined, app: string | undefined): FunctionsDirectory | null {
  if (path !== undefined && app !== undefined) return { path: resolve(path), app, secrets: {} };
  if (path === undefined && app === undefined) return null;
  throw wrong(
    path === undefined
      ? "--functions-app (HOLDFAST_FUNCTIONS_APP) names the app of a directory of functions. Name the directory too: --functions DIRECTORY"
      : "A function belongs to one app. Name the app of this directory by its id or name: --functions-app APP (HOLDFAST_FUNCTIONS_APP)",
  );
}

/** Refuses to start with an inspector, or without certificate checks. Either one exposes tokens. */
function refuseUnsafeRuntime(environment: Environment): void {
  const options = [environment["NODE_OPTIONS"] ?? "", ...process.execArgv].join(" ");
  if (/--inspect|--heapsnapshot-signal/.test(options)) {
    throw wrong("Node's options enable the inspector or heap snapshots, which expose every token. Remove them.");
  }
  if (environment["NODE_TLS_REJECT_UNAUTHORIZED"] === "0") {
    throw wrong(
      "NODE_TLS_REJECT_UNAUTHORIZED=0 turns off certificate checks. Unset it. For a private CA, use NODE_EXTRA_CA_CERTS.",
    );
  }
}
