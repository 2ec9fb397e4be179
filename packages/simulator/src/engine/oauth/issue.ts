/**
 * Issues tokens: their lifetime, whether the old ones end, and what the reply announces (RFC 6749
 * section 5.1). Knows no request: the caller decides who gets tokens. Lifetimes are seconds.
 */
import type { LegCall } from "./leg.ts";
import { shaped } from "./faults.ts";
import type { Grant, RefreshToken } from "../state.ts";
import type { Issued, TokenPolicy } from "../types.ts";

/**
 * The refresh token that was presented, and the scopes of the new tokens if they differ from the
 * grant's.
 */
export interface Basis {
  readonly refresh?: { readonly token: string; readonly record: RefreshToken };
  readonly scopes?: readonly string[];
}

const expiryOf = (now: number, life_s: number | null): number | null => (life_s === null ? null : now + life_s * 1000);

const secondsLeft = (now: number, expires_at: number | null): number | undefined =>
  expires_at === null ? undefined : Math.floor((expires_at - now) / 1000);

/** Issues access and refresh token for one grant, and records them in the state and the ledger. */
export function issueTokens(call: LegCall, grant: Grant, basis: Basis): Issued {
  const { world, vendor, modes, incoming } = call;
  const policy = world.policy(vendor.token.policy(modes), modes, incoming.host, grant.offline);
  const access_token = issueAccess(call, grant, policy, basis.scopes ?? grant.scopes);
  const renewal = issueRefresh(call, grant, policy, basis.refresh);
  world.book.countIssued(vendor.id, 1, renewal.issued ? 1 : 0);
  const issued: Issued = {
    label: grant.label,
    scopes: basis.scopes ?? grant.scopes,
    access_token,
    refresh_token: renewal.refresh_token,
    expires_in: announcedExpiry(policy),
    refresh_token_expires_in: renewal.expires_in,
  };
  return shaped(issued, modes);
}

/** Issues only an access token, with a lifetime that the vendor fixes apart from its policy. */
export function renewAccess(call: LegCall, grant: Grant, life_s: number): Issued {
  const { world, vendor, modes, incoming } = call;
  const own = { ...vendor.token.policy(modes), access_life_s: life_s };
  const policy = world.policy(own, modes, incoming.host, true);
  const access_token = issueAccess(call, grant, policy, grant.scopes);
  world.book.countIssued(vendor.id, 1, 0);
  const { label, scopes } = grant;
  const no_refresh = { refresh_token: undefined, refresh_token_expires_in: undefined };
  return shaped({ label, scopes, access_token, expires_in: announcedExpiry(policy), ...no_refresh }, modes);
}

const announcedExpiry = ({ announces_expiry, access_life_s }: TokenPolicy): number | undefined =>
  announces_expiry && access_life_s !== null ? Math.floor(access_life_s) : undefined;

function issueAccess(call: LegCall, grant: Grant, policy: TokenPolicy, scopes: readonly string[]): string {
  const { world, vendor, modes, leg } = call;
  const issued_at = world.now();
  const previous =
    leg === "refresh" && policy.old_access_dies ? world.state.access_tokens.get(grant.newest_access ?? "") : undefined;
  if (previous !== undefined) previous.dead = true;
  const access_token = vendor.token.newAccessToken(grant.label, policy);
  const dead = leg === "refresh" && modes.has("access-dead");
  const expires_at = expiryOf(issued_at, policy.access_life_s);
  world.state.addAccess(access_token, { grant_id: grant.id, scopes, issued_at, expires_at, dead });
  return access_token;
}

interface Renewal {
  readonly issued: boolean;
  readonly refresh_token: string | undefined;
  readonly expires_in: number | undefined;
}

function issueRefresh(call: LegCall, grant: Grant, policy: TokenPolicy, presented: Basis["refresh"]): Renewal {
  const { world, vendor, leg } = call;
  const now = world.now();
  if (presented !== undefined && policy.rotates && policy.reuse_grace_s !== Infinity) presented.record.used_at ??= now;
  if (!grant.offline) return { issued: false, refresh_token: undefined, expires_in: undefined };
  if (leg === "refresh" && !policy.rotates) {
    const same = policy.repeats_refresh_token === true ? presented : undefined;
    const expires_in = same === undefined ? undefined : secondsLeft(now, same.record.expires_at);
    return { issued: false, refresh_token: same?.token, expires_in };
  }
  const inherited = policy.refresh_end === "absolute" ? presented?.record.expires_at : undefined;
  const expires_at = inherited === undefined ? expiryOf(now, policy.refresh_life_s) : inherited;
  const refresh_token = vendor.token.newRefreshToken(grant.label);
  world.state.addRefresh(refresh_token, grant.id, expires_at);
  return { issued: true, refresh_token, expires_in: secondsLeft(now, expires_at) };
}
