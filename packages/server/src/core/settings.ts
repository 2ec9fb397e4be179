/**
 * Parses settings: the text of a flag or variable in, a typed value out. Does not know the
 * environment (config.ts). Each error names the variable, the rule and an example, and never
 * repeats a secret.
 *
 * Errors: CodedError `configuration` (exit 78).
 */
import { isIP } from "node:net";
import { CodedError } from "./errors.ts";
import { EVENT_TYPES, isEventType, type EventType } from "./events.ts";
import { asPlan, CONNECTORS_PLAN, PLANS, type Plan } from "./roles.ts";
import { Secret } from "./secret.ts";

export interface WebhookTarget {
  /** A secret, because its path or query can hold a key. */
  readonly url: Secret;
  /** `whsec_<base64>`. With two, each event is signed with both. */
  readonly secrets: readonly Secret[];
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";
const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

const DEFAULT_PORT = 4180;
const LOOPBACK_HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Parses the database's URL. Messages never repeat it, because it can hold a password. */
export function parseDatabaseUrl(flag: string | undefined, variable: string | undefined): Secret | null {
  const text = flag ?? variable ?? "";
  if (text === "") return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !["postgres:", "postgresql:"].includes(url.protocol)) {
    throw wrong(
      "HOLDFAST_DATABASE_URL is not the URL of a PostgreSQL database. Example: HOLDFAST_DATABASE_URL=postgres://holdfast@db.internal:5432/holdfast",
    );
  }
  // Every user of the machine can read a process's arguments.
  if (flag !== undefined && (url.password !== "" || url.searchParams.has("password"))) {
    throw wrong("--database-url must not contain a password. Set HOLDFAST_DATABASE_URL instead.");
  }
  return new Secret(text);
}

const SOME_SECRET = "Create one with: echo whsec_$(openssl rand -base64 32)";
/** Standard Webhooks: 24 to 64 bytes in base64. */
const WEBHOOK_SECRET = /^whsec_(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const WEBHOOK_SECRET_BYTES = { least: 24, most: 64 };

/** Parses the webhook's URL and secrets. Messages repeat neither. */
export function parseWebhook(address = "", secret = ""): WebhookTarget | null {
  if (address === "" && secret === "") return null;
  if (address === "") throw wrong("HOLDFAST_WEBHOOK_SECRET is set without HOLDFAST_WEBHOOK_URL. Set both, or neither.");
  const url = URL.canParse(address) ? new URL(address) : null;
  const allowed = url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK_HOSTS.has(url.hostname));
  if (url === null || !allowed || url.username !== "" || url.password !== "") {
    throw wrong(
      "HOLDFAST_WEBHOOK_URL must be an https URL (http only on this machine) without a username. Example: HOLDFAST_WEBHOOK_URL=https://example.com/hooks/holdfast",
    );
  }
  if (secret === "") throw wrong(`HOLDFAST_WEBHOOK_URL requires HOLDFAST_WEBHOOK_SECRET. ${SOME_SECRET}`);
  const secrets = secret.trim().split(/ +/);
  if (secrets.length > 2 || !secrets.every(isWebhookSecret)) {
    throw wrong(
      `HOLDFAST_WEBHOOK_SECRET must be whsec_ and 24 to 64 bytes in base64, or two of those, separated by a space, while you rotate it. ${SOME_SECRET}`,
    );
  }
  return Object.freeze({ url: new Secret(url.href), secrets: secrets.map((text) => new Secret(text)) });
}

function isWebhookSecret(text: string): boolean {
  const { length } = Buffer.from(text.slice("whsec_".length), "base64");
  return WEBHOOK_SECRET.test(text) && length >= WEBHOOK_SECRET_BYTES.least && length <= WEBHOOK_SECRET_BYTES.most;
}

/**
 * Returns the events to send. The default leaves out `connection.refreshed`, which every connection
 * sends about once an hour.
 */
export function parseEvents(text = "", webhook: WebhookTarget | null): ReadonlySet<EventType> {
  if (text === "")
    return new Set(webhook === null ? [] : EVENT_TYPES.filter((type) => type !== "connection.refreshed"));
  if (webhook === null)
    throw wrong("HOLDFAST_WEBHOOK_EVENTS is set without HOLDFAST_WEBHOOK_URL. Set both, or neither.");
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !isEventType(name));
  if (unknown !== undefined) {
    throw wrong(
      `HOLDFAST_WEBHOOK_EVENTS contains "${unknown}", which is not an event. The events are ${EVENT_TYPES.join(", ")}. Example: HOLDFAST_WEBHOOK_EVENTS=connection.needs_reconnect,connection.recovered`,
    );
  }
  return new Set(names.filter(isEventType));
}

const SOME_PROXIES = "Example: HOLDFAST_TRUSTED_PROXIES=10.0.0.0/8,192.168.1.7";

/**
 * Parses the trusted proxies. A trusted proxy can claim any client address, so entries are
 * addresses and networks, never names.
 */
export function parseProxies(text = ""): readonly string[] {
  if (text === "") return [];
  const entries = text.split(",").map((entry) => entry.trim());
  const unusable = entries.find((entry) => !isNetwork(entry));
  if (unusable !== undefined)
    throw wrong(
      `HOLDFAST_TRUSTED_PROXIES contains "${unusable}", which is neither an address nor a network. ${SOME_PROXIES}`,
    );
  return entries;
}

function isNetwork(entry: string): boolean {
  const [address = "", prefix, ...rest] = entry.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128));
}

export function parseAuditRelease(text = ""): "batched" | "before" {
  if (text === "" || text === "batched") return "batched";
  if (text === "before") return "before";
  throw wrong("HOLDFAST_AUDIT_RELEASE must be batched or before. Example: HOLDFAST_AUDIT_RELEASE=before");
}

export function parseIssuerLoopback(text = ""): boolean {
  if (text === "" || text === "refuse") return false;
  if (text === "allow") return true;
  throw wrong("HOLDFAST_ISSUER_LOOPBACK must be refuse or allow. Example: HOLDFAST_ISSUER_LOOPBACK=allow");
}

export function parsePlan(text = ""): Plan {
  const plan = text === "" ? CONNECTORS_PLAN : asPlan(text);
  if (plan !== null) return plan;
  throw wrong(`HOLDFAST_DEFAULT_PLAN must be one of ${PLANS.join(", ")}. Example: HOLDFAST_DEFAULT_PLAN=builder`);
}

export function parsePublicUrl(text: string): string {
  const example = "Example: HOLDFAST_PUBLIC_URL=https://connect.example.com";
  if (!URL.canParse(text)) throw wrong(`HOLDFAST_PUBLIC_URL is not a URL. ${example}`);
  const url = new URL(text);
  const loopback = LOOPBACK_HOSTS.has(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) {
    throw wrong(`HOLDFAST_PUBLIC_URL must be https (http only on localhost). ${example}`);
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "") {
    throw wrong(`HOLDFAST_PUBLIC_URL must be an origin, without a path, query, fragment or username. ${example}`);
  }
  return url.origin;
}

export function parseGateway(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.protocol !== "http:" || !LOOPBACK_HOSTS.has(url.hostname) || url.pathname !== "/") {
    throw wrong(
      "HOLDFAST_PROVIDER_GATEWAY must be a loopback origin. Example: HOLDFAST_PROVIDER_GATEWAY=http://127.0.0.1:4191",
    );
  }
  return url.origin;
}

export function parsePort(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PORT;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 65_535)
    throw wrong("HOLDFAST_PORT must be a number from 0 to 65535. Example: HOLDFAST_PORT=4180");
  return port;
}

export function parseLogLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text);
  if (level === undefined) throw wrong(`HOLDFAST_LOG_LEVEL must be one of ${LOG_LEVELS.join(", ")}.`);
  return level;
}

/** Returns the error for an invalid setting. */
export function wrong(message: string): CodedError {
  return new CodedError("configuration", { message });
}
