/**
 * The record of what the simulator saw and issued, for tests to assert on and people to read.
 *
 * Holds no secret: tokens appear as SHA-256 in hex, paths without their query, cookies by name.
 * Lists are bounded, counts are not. Instants are ms since epoch by the simulator's clock.
 */
import type { Incoming, Kind } from "./types.ts";

export interface LedgerRequest {
  /** Position in the order of arrival, from 1. */
  readonly n: number;
  readonly at: number;
  /** null if no simulated vendor serves the host. */
  readonly vendor: string | null;
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly kind: Kind;
  client_id: string | null;
  grant_id: string | null;
  /**
   * `pending` until the reply. Then `ok`, `fault`, a refusal such as `used_refresh`, or
   * `token_<problem>`.
   */
  outcome: string;
  /** null while pending, and when the simulator cut the connection instead of replying. */
  status: number | null;
  /** The modes that applied to this request. */
  readonly faults: string[];
  client_auth: "basic" | "post" | null;
  /**
   * Refreshes only: the token presented, and the number of its refreshes in flight, including this
   * one.
   */
  refresh_token_sha256: string | null;
  in_flight: number | null;
  /** Whether the caller hung up before the reply was complete. */
  client_gone: boolean;
}

/** One call of an API, as tests compare it with the calls that a function lists. */
export interface ApiCall {
  readonly vendor: string | null;
  readonly method: string;
  readonly host: string;
  /** Without the query. */
  readonly path: string;
  /** null while pending, and when the simulator cut the connection. */
  readonly status: number | null;
}

const API_KINDS: ReadonlySet<Kind> = new Set<Kind>(["identity", "resource", "other"]);

export type TokenStatus = "current" | "used" | "expired" | "revoked";

export interface LedgerToken {
  readonly status: TokenStatus;
  readonly vendor: string;
  readonly client_id: string;
  readonly grant_id: string;
}

export interface LedgerRefreshToken extends LedgerToken {
  readonly max_in_flight: number;
}

export interface LedgerGrant {
  readonly grant_id: string;
  readonly vendor: string;
  readonly client_id: string;
  readonly account: string;
  readonly label: string;
  readonly scopes: readonly string[];
  /** null while the grant is live. */
  readonly revoked_by: RevokedBy | null;
}

/**
 * `reuse`: a used refresh token was presented. `user`: at the vendor, or by `POST /_revoke`.
 * `client`: by the application.
 */
export type RevokedBy = "reuse" | "user" | "client";

export interface RevokedFamily {
  readonly at: number;
  readonly vendor: string;
  readonly client_id: string;
  readonly grant_id: string;
}

export interface Ledger {
  readonly now: number;
  readonly hosts: Readonly<Record<string, Readonly<Partial<Record<Kind, number>>>>>;
  readonly requests: readonly LedgerRequest[];
  /** Requests that were evicted from the bounded list. */
  readonly requests_dropped: number;
  readonly tokens_issued: Readonly<Record<string, { readonly access: number; readonly refresh: number }>>;
  /** Grants that ended because a used refresh token was presented again. */
  readonly families_revoked: readonly RevokedFamily[];
  /** Highest number of refreshes ever in flight for one refresh token. */
  readonly max_concurrent_refreshes: number;
  readonly grants: readonly LedgerGrant[];
  /** By SHA-256 in hex. */
  readonly refresh_tokens: Readonly<Record<string, LedgerRefreshToken>>;
  readonly access_tokens: Readonly<Record<string, LedgerToken>>;
  /** SHA-256 of every refresh token that would be accepted now. */
  readonly valid_refresh_tokens: readonly string[];
  readonly cookies_seen: readonly { readonly host: string; readonly path: string; readonly names: readonly string[] }[];
  /** Query parameters that carried a secret. */
  readonly query_secrets_seen: readonly {
    readonly host: string;
    readonly path: string;
    readonly parameter: string;
  }[];
  /** Requests that followed a `redirect-token` fault to its other host. */
  readonly redirects_followed: number;
}

export type RecordedLedger = Pick<
  Ledger,
  | "hosts"
  | "requests"
  | "requests_dropped"
  | "tokens_issued"
  | "families_revoked"
  | "max_concurrent_refreshes"
  | "cookies_seen"
  | "query_secrets_seen"
  | "redirects_followed"
>;

const LIST_MAX = 1_000;
const SECRET_PARAMETERS = new Set([
  "code",
  "code_verifier",
  "client_secret",
  "token",
  "access_token",
  "refresh_token",
  "id_token",
]);

export class LedgerBook {
  readonly #requests_max: number;
  readonly #hosts: Record<string, Partial<Record<Kind, number>>> = {};
  readonly #requests: LedgerRequest[] = [];
  readonly #issued: Record<string, { access: number; refresh: number }> = {};
  readonly #families: RevokedFamily[] = [];
  readonly #cookies: { host: string; path: string; names: string[] }[] = [];
  readonly #query_secrets: { host: string; path: string; parameter: string }[] = [];
  #count = 0;
  /** The last request before `clearApiCalls`. */
  #cleared_n = 0;
  #max_concurrent = 0;
  #redirects_followed = 0;

  constructor(requests_max: number) {
    this.#requests_max = requests_max;
  }

  open(at: number, vendor: string | null, incoming: Incoming, kind: Kind): LedgerRequest {
    this.#count += 1;
    const { host, method, path } = incoming;
    const counts = (this.#hosts[host] ??= {});
    counts[kind] = (counts[kind] ?? 0) + 1;
    const request: LedgerRequest = {
      n: this.#count,
      at,
      vendor,
      host,
      method,
      path,
      kind,
      client_id: null,
      grant_id: null,
      outcome: "pending",
      status: null,
      faults: [],
      client_auth: null,
      refresh_token_sha256: null,
      in_flight: null,
      client_gone: false,
    };
    this.#requests.push(request);
    if (this.#requests.length > this.#requests_max) this.#requests.shift();
    return request;
  }

  apiCalls(): ApiCall[] {
    return this.#requests
      .filter(({ n, kind }) => n > this.#cleared_n && API_KINDS.has(kind))
      .map(({ vendor, method, host, path, status }) => ({ vendor, method, host, path, status }));
  }

  clearApiCalls(): void {
    this.#cleared_n = this.#count;
  }

  countIssued(vendor: string, access: number, refresh: number): void {
    const counts = (this.#issued[vendor] ??= { access: 0, refresh: 0 });
    counts.access += access;
    counts.refresh += refresh;
  }

  recordRevokedFamily(family: RevokedFamily): void {
    if (this.#families.length < LIST_MAX) this.#families.push(family);
  }

  recordConcurrency(in_flight: number): void {
    this.#max_concurrent = Math.max(this.#max_concurrent, in_flight);
  }

  countFollowedRedirect(): void {
    this.#redirects_followed += 1;
  }

  /**
   * Records cookies, and secrets in the query, where access logs and referrers would keep them. The
   * application must never send either.
   * @param required query parameters in which the vendor itself requires a secret.
   */
  recordLeaks(incoming: Incoming, isSecret: (value: string) => boolean, required: readonly string[]): void {
    const { host, path, headers, query } = incoming;
    if (headers.cookie !== undefined && this.#cookies.length < LIST_MAX) {
      this.#cookies.push({
        host,
        path,
        names: headers.cookie.split(";").map((pair) => pair.split("=")[0]?.trim() ?? ""),
      });
    }
    for (const [parameter, value] of query) {
      const leaked = !required.includes(parameter) && (SECRET_PARAMETERS.has(parameter) || isSecret(value));
      if (leaked && this.#query_secrets.length < LIST_MAX) this.#query_secrets.push({ host, path, parameter });
    }
  }

  snapshot(): RecordedLedger {
    return structuredClone({
      hosts: this.#hosts,
      requests: this.#requests,
      requests_dropped: this.#count - this.#requests.length,
      tokens_issued: this.#issued,
      families_revoked: this.#families,
      max_concurrent_refreshes: this.#max_concurrent,
      cookies_seen: this.#cookies,
      query_secrets_seen: this.#query_secrets,
      redirects_followed: this.#redirects_followed,
    });
  }
}
