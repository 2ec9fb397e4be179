/**
 * Opaque tokens, which only their issuer can verify. Its verify URL receives the token and returns
 * the user. Responses are cached for `user_verify_cache_ms`, by the token's hash.
 */
import { LRUCache } from "lru-cache";
import { CodedError } from "../../core/errors.ts";
import { sha256Hex } from "../../core/secret.ts";
import type { Instant, JsonObject, JsonValue } from "../../core/types.ts";
import { identityOf } from "./identity.ts";
import { getFrom, logUnavailable } from "./issuer-request.ts";
import { CLOCK_SKEW_S } from "./jwt.ts";
import type { Identity, IssuerDeps, OpenIssuer } from "./types.ts";

export interface OpaqueTokens {
  /** @throws CodedError `overloaded` if too many requests to this issuer are in flight */
  verify(issuer: OpenIssuer, token: string): Promise<Identity | null>;
}

interface Answer {
  readonly identity: Identity | null;
  /** Monotonic. */
  readonly until: number;
}

interface OpaqueState extends IssuerDeps {
  readonly answers: LRUCache<string, Answer>;
  readonly requests: Map<string, Promise<Identity | null>>;
  /** Requests in flight, by issuer. */
  readonly counts: Map<string, number>;
}

export function createOpaqueTokens(deps: IssuerDeps): OpaqueTokens {
  const answers = new LRUCache<string, Answer>({ max: deps.limits.user_verify_cache_entries });
  const state: OpaqueState = { ...deps, answers, requests: new Map(), counts: new Map() };
  return { verify: (issuer, token) => verify(state, issuer, token) };
}

async function verify(state: OpaqueState, issuer: OpenIssuer, token: string): Promise<Identity | null> {
  const { answers, requests, clock } = state;
  // A changed issuer can return different responses.
  const key = sha256Hex(JSON.stringify([issuer.id, issuer.url, issuer.audiences, token]));
  const known = answers.get(key);
  if (known !== undefined && clock.monotonic_ms() < known.until) return known.identity;
  const running = requests.get(key);
  if (running !== undefined) return await running;
  const request = ask(state, issuer, token, key).finally(() => requests.delete(key));
  requests.set(key, request);
  return await request;
}

async function ask(state: OpaqueState, issuer: OpenIssuer, token: string, key: string): Promise<Identity | null> {
  const { answers, clock, limits } = state;
  const release = enter(state, issuer);
  try {
    const asked_at = clock.monotonic_ms();
    const reply = await getFrom(state, issuer.url ?? "", { authorization: `Bearer ${token}` });
    if (reply.kind === "unavailable") {
      logUnavailable(state, issuer, reply.reason);
      return null;
    }
    const { status, body } = reply;
    const is_refused = status >= 400 && status < 500 && status !== 408 && status !== 429;
    if (!is_refused && (status !== 200 || body === null)) {
      logUnavailable(state, issuer, `verify_${status}`);
      return null;
    }
    const left_ms = is_refused || body === null ? 0 : timeLeft_ms(body, clock.now());
    const identity = left_ms === 0 || body === null ? null : userIn(issuer, body);
    const kept_ms = identity === null ? limits.user_verify_cache_ms : Math.min(left_ms, limits.user_verify_cache_ms);
    answers.set(key, { identity, until: asked_at + kept_ms });
    return identity;
  } finally {
    release();
  }
}

/** Counts a request to the issuer. Returns the function that ends the count. */
function enter({ counts, limits }: OpaqueState, { id }: OpenIssuer): () => void {
  const count = counts.get(id) ?? 0;
  if (count >= limits.issuer_requests) throw new CodedError("overloaded", { retry_after_s: 1 });
  counts.set(id, count + 1);
  return () => {
    const left = (counts.get(id) ?? 1) - 1;
    if (left === 0) counts.delete(id);
    else counts.set(id, left);
  };
}

/**
 * Returns the user in the response. Accepts responses of a userinfo endpoint (`sub`), of token
 * introspection (`active`, RFC 7662 §2.2) and of common APIs (`id`).
 */
function userIn(issuer: OpenIssuer, body: JsonObject): Identity | null {
  const { active = true, aud, id, error = null } = body;
  // Some APIs send their errors with status 200.
  if (active !== true || error !== null) return null;
  const is_for_app = issuer.audiences.length === 0 || [aud].flat().some((one) => isOneOf(issuer.audiences, one));
  const sub = body["sub"] ?? (typeof id === "number" ? numericId(id) : (id ?? null));
  return is_for_app ? identityOf({ ...body, sub }) : null;
}

/** Beyond 2^53, several ids are read as the same number, and their users would be one. */
const numericId = (id: number): string | null => (Number.isSafeInteger(id) ? String(id) : null);

const isOneOf = (audiences: readonly string[], value: unknown): boolean =>
  typeof value === "string" && audiences.includes(value);

/**
 * Returns how long the token is still valid (RFC 7662 §2.2): Infinity if the response has no `exp`,
 * and 0 if the token has expired or is not valid yet, or if a time cannot be parsed.
 */
function timeLeft_ms({ exp, nbf }: JsonObject, now: Instant): number {
  const is_begun = (secondsOf(nbf) ?? -Infinity) * 1000 <= now + CLOCK_SKEW_S * 1000;
  const left_ms = (secondsOf(exp) ?? Infinity) * 1000 - now;
  return is_begun && left_ms > 0 ? left_ms : 0;
}

/** Returns null if there is no number, and NaN for other values. Some APIs send it as a string. */
function secondsOf(value: JsonValue | undefined): number | null {
  if (value === undefined || value === null) return null;
  const text = typeof value === "number" ? String(value) : value;
  return typeof text === "string" && text.trim() !== "" ? Number(text) : NaN;
}
