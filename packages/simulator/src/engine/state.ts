/**
 * Codes, grants and tokens of all vendors, in memory and bounded.
 *
 * Stores codes and tokens as SHA-256 only, so neither a dump nor the ledger can print one. A grant
 * is the token family of one consent: every access and refresh token that descends from it ends
 * with it. Knows no vendor and no HTTP. Instants are ms since epoch.
 */
import type { LedgerGrant, LedgerRefreshToken, LedgerToken, RevokedBy, TokenStatus } from "./ledger.ts";
import type { Challenge } from "./oauth/pkce.ts";
import type { Account, TokenProblem } from "./types.ts";
import { BoundedMap, sha256 } from "./values.ts";

export interface Grant {
  readonly id: string;
  readonly vendor: string;
  readonly client_id: string;
  readonly account: Account;
  readonly label: string;
  readonly scopes: readonly string[];
  readonly consent_host: string;
  readonly offline: boolean;
  revoked_by: RevokedBy | null;
  /** Hash of the newest access token. A rotating vendor ends it at the next refresh. */
  newest_access: string | null;
}

export interface Code {
  readonly vendor: string;
  readonly client_id: string;
  readonly account: Account;
  readonly consent_host: string;
  readonly redirect_uri: string;
  readonly challenge: Challenge | null;
  readonly lists: readonly { readonly label: string; readonly scopes: readonly string[] }[];
  readonly offline: boolean;
  readonly nonce: string | undefined;
  readonly issued_at: number;
  used: boolean;
}

export interface AccessToken {
  readonly grant_id: string;
  /** The grant's scopes, or fewer. */
  readonly scopes: readonly string[];
  readonly issued_at: number;
  readonly expires_at: number | null;
  dead: boolean;
}

/** A live access token and its grant. */
export interface Access {
  readonly grant: Grant;
  readonly token: AccessToken;
}

export interface RefreshToken {
  readonly grant_id: string;
  readonly expires_at: number | null;
  used_at: number | null;
  dead: boolean;
  in_flight: number;
  max_in_flight: number;
}

export interface GrantFilter {
  readonly vendor?: string;
  readonly client_id?: string;
  readonly account?: string;
  readonly grant_id?: string;
}

const isExpired = (expires_at: number | null, now: number): boolean => expires_at !== null && expires_at <= now;

export class State {
  readonly codes: BoundedMap<Code>;
  readonly grants: BoundedMap<Grant>;
  readonly access_tokens: BoundedMap<AccessToken>;
  readonly refresh_tokens: BoundedMap<RefreshToken>;
  /** Vendor, client and account of every approval. */
  readonly approvals: BoundedMap<true>;

  constructor(tokens_max: number) {
    this.codes = new BoundedMap(tokens_max);
    this.grants = new BoundedMap(tokens_max);
    this.access_tokens = new BoundedMap(tokens_max);
    this.refresh_tokens = new BoundedMap(tokens_max);
    this.approvals = new BoundedMap(tokens_max);
  }

  addAccess(token: string, record: AccessToken): void {
    const hash = sha256(token);
    this.access_tokens.set(hash, record);
    const grant = this.grants.get(record.grant_id);
    if (grant !== undefined) grant.newest_access = hash;
  }

  addRefresh(token: string, grant_id: string, expires_at: number | null): void {
    const record = { grant_id, expires_at, used_at: null, dead: false, in_flight: 0, max_in_flight: 0 };
    this.refresh_tokens.set(sha256(token), record);
  }

  /** Returns a live access token with its grant, or the token's problem. */
  access(token: string, vendor: string, now: number): Access | TokenProblem {
    const record = this.access_tokens.get(sha256(token));
    const grant = record === undefined ? undefined : this.grants.get(record.grant_id);
    if (record === undefined || grant === undefined || grant.vendor !== vendor) return "invalid";
    if (record.dead || grant.revoked_by !== null) return "revoked";
    return isExpired(record.expires_at, now) ? "expired" : { grant, token: record };
  }

  /** Ends the live grants that match `filter` and `within`, and returns their number. */
  revoke(filter: GrantFilter, by: RevokedBy, within: (grant: Grant) => boolean = () => true): number {
    let count = 0;
    const one = filter.grant_id === undefined ? undefined : this.grants.get(filter.grant_id);
    const candidates = filter.grant_id === undefined ? this.grants.values() : one === undefined ? [] : [one];
    for (const grant of candidates) {
      if (grant.revoked_by !== null || !matches(grant, filter) || !within(grant)) continue;
      grant.revoked_by = by;
      count += 1;
    }
    return count;
  }

  isSecret(value: string): boolean {
    const hash = sha256(value);
    return this.access_tokens.has(hash) || this.refresh_tokens.has(hash) || this.codes.has(hash);
  }

  listGrants(): LedgerGrant[] {
    return Array.from(this.grants.values(), (grant) => ({
      grant_id: grant.id,
      vendor: grant.vendor,
      client_id: grant.client_id,
      label: grant.label,
      account: `${grant.account.name}@${grant.account.org}`,
      scopes: grant.scopes,
      revoked_by: grant.revoked_by,
    }));
  }

  listAccess(now: number): Record<string, LedgerToken> {
    return Object.fromEntries(
      Array.from(this.access_tokens, ([hash, record]) => [hash, this.#describe(record, null, now)]),
    );
  }

  listRefresh(now: number): Record<string, LedgerRefreshToken> {
    const entries = Array.from(this.refresh_tokens, ([hash, record]): [string, LedgerRefreshToken] => [
      hash,
      { ...this.#describe(record, record.used_at, now), max_in_flight: record.max_in_flight },
    ]);
    return Object.fromEntries(entries);
  }

  #describe(
    record: Pick<AccessToken, "grant_id" | "expires_at" | "dead">,
    used_at: number | null,
    now: number,
  ): LedgerToken {
    const grant = this.grants.get(record.grant_id);
    const revoked = record.dead || grant === undefined || grant.revoked_by !== null;
    const live: TokenStatus = isExpired(record.expires_at, now) ? "expired" : "current";
    const status = revoked ? "revoked" : used_at === null ? live : "used";
    const { vendor = "", client_id = "" } = grant ?? {};
    return { status, vendor, client_id, grant_id: record.grant_id };
  }
}

function matches(grant: Grant, filter: GrantFilter): boolean {
  const { name, org } = grant.account;
  return (
    (filter.vendor === undefined || filter.vendor === grant.vendor) &&
    (filter.client_id === undefined || filter.client_id === grant.client_id) &&
    (filter.account === undefined || [name, `${name}@${org}`, grant.account.email].includes(filter.account))
  );
}
