/**
 * The public keys of issuers (RFC 7517), fetched when needed and kept in memory. A fetch happens
 * at most once per `issuer_refetch_ms` for keys that are still fresh, so that invented key ids
 * cause no traffic. While the issuer is unreachable, its keys work for `issuer_keys_stale_ms`.
 */
import { LRUCache } from "lru-cache";
import { getFrom, logUnavailable, unavailable, type Unavailable } from "./issuer-request.ts";
import { publicKeys, type VerificationKeys } from "./jwt.ts";
import type { IssuerDeps, OpenIssuer } from "./types.ts";

export interface IssuerKeys {
  /** Returns the keys, or null if there are none. */
  current(issuer: OpenIssuer): Promise<VerificationKeys | null>;
  /** Returns keys fetched just now, for a token whose key is unknown. Null if it is too soon. */
  newer(issuer: OpenIssuer): Promise<VerificationKeys | null>;
}

/** Times are monotonic. */
interface KeySet {
  readonly keys: VerificationKeys | null;
  readonly fetched_at: number;
  readonly attempted_at: number;
}

interface KeysState extends IssuerDeps {
  readonly sets: LRUCache<string, KeySet>;
  readonly loads: Map<string, Promise<KeySet>>;
}

const NONE: KeySet = { keys: null, fetched_at: -Infinity, attempted_at: -Infinity };

export function createIssuerKeys(deps: IssuerDeps): IssuerKeys {
  const sets = new LRUCache<string, KeySet>({ max: deps.limits.issuer_cache_entries });
  const state = { ...deps, sets, loads: new Map<string, Promise<KeySet>>() };
  return { current: (issuer) => current(state, issuer), newer: (issuer) => newer(state, issuer) };
}

async function current(state: KeysState, issuer: OpenIssuer): Promise<VerificationKeys | null> {
  const { sets, clock, limits } = state;
  const set = sets.get(keyOf(issuer)) ?? NONE;
  const now = clock.monotonic_ms();
  const is_fresh = set.keys !== null && now < set.fetched_at + limits.issuer_keys_fresh_ms;
  const is_due = !is_fresh && now >= set.attempted_at + limits.issuer_retry_ms;
  const { keys, fetched_at } = is_due ? await load(state, issuer) : set;
  return now < fetched_at + limits.issuer_keys_stale_ms ? keys : null;
}

async function newer(state: KeysState, issuer: OpenIssuer): Promise<VerificationKeys | null> {
  const { sets, clock, limits } = state;
  const { attempted_at } = sets.get(keyOf(issuer)) ?? NONE;
  if (clock.monotonic_ms() < attempted_at + limits.issuer_refetch_ms) return null;
  return (await load(state, issuer)).keys;
}

/** A changed issuer has different keys. */
const keyOf = ({ id, kind, url }: OpenIssuer): string => `${id} ${kind} ${url}`;

/** Shares a fetch in flight. */
function load(state: KeysState, issuer: OpenIssuer): Promise<KeySet> {
  const { sets, loads, clock } = state;
  const key = keyOf(issuer);
  const running = loads.get(key);
  if (running !== undefined) return running;
  const attempted_at = clock.monotonic_ms();
  const loading = fetchKeys(state, issuer).then((fetched) => {
    if (fetched.kind === "unavailable") logUnavailable(state, issuer, fetched.reason);
    const keys = fetched.kind === "unavailable" ? null : fetched;
    const { keys: previous, fetched_at } = sets.get(key) ?? NONE;
    const set =
      keys === null ? { keys: previous, fetched_at, attempted_at } : { keys, fetched_at: attempted_at, attempted_at };
    sets.set(key, set);
    return set;
  });
  loads.set(key, loading);
  void loading.finally(() => loads.delete(key));
  return loading;
}

/** Fetches the keys, from the issuer's URL or from the URL in its discovery document. */
export async function fetchKeys(
  deps: IssuerDeps,
  issuer: Pick<OpenIssuer, "kind" | "issuer" | "url">,
): Promise<VerificationKeys | Unavailable> {
  const url = issuer.kind === "oidc" ? await discoverKeySet(deps, issuer.issuer) : (issuer.url ?? "");
  if (typeof url !== "string") return url;
  const reply = await getFrom(deps, url);
  if (reply.kind === "unavailable") return reply;
  const keys = reply.status === 200 && reply.body !== null ? publicKeys(reply.body, deps.limits.issuer_keys) : null;
  return keys ?? unavailable(`key_set_${reply.status}`);
}

/** OpenID Connect Discovery §4. The document must name the requested issuer (§4.3). */
async function discoverKeySet(deps: IssuerDeps, issuer: string): Promise<string | Unavailable> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const reply = await getFrom(deps, url);
  if (reply.kind === "unavailable") return reply;
  const { issuer: named, jwks_uri } = (reply.status === 200 ? reply.body : null) ?? {};
  if (named === issuer && typeof jwks_uri === "string") return jwks_uri;
  return unavailable(named === undefined ? `discovery_${reply.status}` : "discovery_issuer");
}
