/** Parses the settings of functions: sandbox and imports. Errors: CodedError `configuration`. */
import { wrong } from "../settings.ts";

export type Isolation = "bubblewrap" | "none";

export interface UidRange {
  readonly first: number;
  readonly last: number;
}

/** Above the uids of users and services, and above the ranges that systems assign to containers. */
const DEFAULT_UIDS = "1900000000-1900065535";
/** Linux reserves the uids from 2^32 - 2 up. */
const MAX_UID = 4_294_967_293;

export function parseIsolation(text = ""): Isolation {
  if (text === "" || text === "bubblewrap") return "bubblewrap";
  if (text === "none") return "none";
  throw wrong(
    "HOLDFAST_FUNCTIONS_ISOLATION must be bubblewrap or none. Without isolation a function can read everything that this server can. Example: HOLDFAST_FUNCTIONS_ISOLATION=bubblewrap",
  );
}

/** Parses `FIRST-LAST`. The range never contains root's uid. */
export function parseUids(text = ""): UidRange {
  const [, first = "", last = ""] = /^([1-9]\d{0,9})-([1-9]\d{0,9})$/.exec(text === "" ? DEFAULT_UIDS : text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (first === "" || range.first > range.last || range.last > MAX_UID) {
    throw wrong(
      "HOLDFAST_FUNCTIONS_UIDS must be FIRST-LAST, a range of host uids that no user or service has. Example: HOLDFAST_FUNCTIONS_UIDS=1900000000-1900065535",
    );
  }
  return range;
}

/** Parses the targets that functions can reach although their addresses are private. */
export function parseEgressAllow(text = ""): readonly string[] {
  if (text === "") return [];
  const targets = text.split(",").map((entry) => entry.trim().toLowerCase());
  const unusable = targets.find((target) => !/^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+):\d{1,5}$/.test(target));
  if (unusable !== undefined) {
    throw wrong(
      `HOLDFAST_FUNCTIONS_EGRESS_ALLOW contains "${unusable}", which is not host:port. Example: HOLDFAST_FUNCTIONS_EGRESS_ALLOW=gitlab.internal:443,10.0.0.7:8080`,
    );
  }
  return targets;
}

/** A proxy of the operator's network. */
export interface HttpProxy {
  readonly host: string;
  readonly port: number;
}

/** Parses the proxy to which requests of functions and their imports go. */
export function parseEgressProxy(text = ""): HttpProxy | null {
  if (text === "") return null;
  const url = URL.parse(text);
  if (url?.protocol !== "http:" || url.host === "" || `${url.origin}/` !== url.href) {
    throw wrong(
      "HOLDFAST_FUNCTIONS_EGRESS_PROXY must be the http URL of a proxy, without a username and a path. Example: HOLDFAST_FUNCTIONS_EGRESS_PROXY=http://proxy.internal:3128",
    );
  }
  return { host: url.hostname.replaceAll(/^\[|\]$/g, ""), port: Number(url.port || 80) };
}

/** The sources of the packages that functions import. */
export interface Registries {
  /** Base URLs, with a slash at their end. */
  readonly npm: string;
  readonly jsr: string;
  /** Exact versions of @base44/sdk that a function gets if it names one of them. */
  readonly sdk_versions: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

export function parseRegistries(environment: Environment): Registries {
  return {
    npm: parseRegistry("HOLDFAST_NPM_REGISTRY", environment["HOLDFAST_NPM_REGISTRY"], "https://registry.npmjs.org/"),
    jsr: parseRegistry("HOLDFAST_JSR_URL", environment["HOLDFAST_JSR_URL"], "https://jsr.io/"),
    sdk_versions: parseSdkVersions(environment["HOLDFAST_SDK_VERSIONS"]),
  };
}

/** The operator sets the registry, so http and private networks are allowed. */
function parseRegistry(name: string, text = "", otherwise: string): string {
  if (text === "") return otherwise;
  const url = URL.parse(text);
  const is_plain = url?.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (url === null || !["http:", "https:"].includes(url.protocol) || !is_plain) {
    throw wrong(
      `${name} must be the URL of a registry, without a username, query or fragment. Example: ${name}=${otherwise}`,
    );
  }
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}

function parseSdkVersions(text = ""): readonly string[] {
  if (text === "") return [];
  const versions = text.split(",").map((entry) => entry.trim());
  const unusable = versions.find((version) => !/^\d+\.\d+\.\d+(?:-[\w.-]+)?$/.test(version));
  if (unusable !== undefined) {
    throw wrong(
      `HOLDFAST_SDK_VERSIONS contains "${unusable}", which is not an exact version. Example: HOLDFAST_SDK_VERSIONS=0.8.31,0.8.40`,
    );
  }
  return versions;
}

/** Returns `host:port` of each registry, the form of the egress rules. */
export function registryTargets({ npm, jsr }: Registries): readonly string[] {
  return [npm, jsr].map((text) => {
    const { hostname, port, protocol } = new URL(text);
    return `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
  });
}
