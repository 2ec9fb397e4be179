/**
 * The limits of app users and their issuers. limits.ts adds them to its table.
 */
export const USER_LIMITS = {
  /** Issuers of one app. Each is one way to sign in. */
  issuers_per_app: 10,
  /** Users of one app. An issuer can invent any number of subjects. */
  users_per_app: 100_000,
  /** Users in one page of their list. */
  users_page: 500,
  /** Longest token of an app user. */
  user_token_bytes: 8_192,
  /** Lifetime of the token that a builder gets to act as a user of an app. */
  user_token_ttl_ms: 3_600_000,
  /** How often a user's last-seen time is stored. */
  user_seen_interval_ms: 3_600_000,
  /** Users in memory. */
  user_cache_entries: 10_000,
  /** Time for one request to an issuer. The user's request waits for it. */
  issuer_deadline_ms: 5_000,
  /** Largest response that is read from an issuer. */
  issuer_response_bytes: 262_144,
  /** Keys in a key set. An issuer has a few, and one more during a key rotation. */
  issuer_keys: 100,
  /** How long fetched keys are used before they are fetched again. */
  issuer_keys_fresh_ms: 600_000,
  /** How long old keys are used while their issuer is unreachable. */
  issuer_keys_stale_ms: 3_600_000,
  /** A token with an unknown key causes a fetch at most this often for one issuer. */
  issuer_refetch_ms: 60_000,
  /** Wait after a failed fetch of keys. */
  issuer_retry_ms: 5_000,
  /** Apps whose issuers are in memory, and issuers whose keys are in memory. */
  issuer_cache_entries: 1_000,
  /** Requests in flight to one issuer's verify URL. Each is for a different token. */
  issuer_requests: 20,
  /** How long the response of a verify URL is cached. A revoked token works no longer than this. */
  user_verify_cache_ms: 60_000,
  /** Cached responses of verify URLs. */
  user_verify_cache_entries: 10_000,
} as const;
