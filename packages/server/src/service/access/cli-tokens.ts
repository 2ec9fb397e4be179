/**
 * Tokens of command lines: access `hfc_…` and refresh `hfr_…`, 256 random bits each, stored as
 * SHA-256.
 */
import type { Limits } from "../../core/limits.ts";
import { randomToken } from "../../core/ids.ts";
import { Secret, sha256Hex } from "../../core/secret.ts";
import type { NewPair, SessionLife } from "../../store/queries/cli-sessions.ts";

export const CLI_TOKEN_PREFIX = "hfc_";
const REFRESH_TOKEN_PREFIX = "hfr_";
const TOKEN_PATTERN = /^hf[cr]_[A-Za-z0-9_-]{43}$/;

/** The token reply of RFC 6749 §5.1. It is the only reply that contains the tokens. */
export interface IssuedTokens {
  readonly access_token: Secret;
  readonly refresh_token: Secret;
  readonly expires_in_s: number;
  readonly scope: string;
}

export function isCliToken(text: string): boolean {
  return TOKEN_PATTERN.test(text);
}

export function isAccessToken(text: string): boolean {
  return text.startsWith(CLI_TOKEN_PREFIX) && isCliToken(text);
}

export function isRefreshToken(text: string): boolean {
  return text.startsWith(REFRESH_TOKEN_PREFIX) && isCliToken(text);
}

/** Generates a pair of tokens. `pair` has their hashes, for the store. */
export function newPair(limits: Limits): { readonly pair: NewPair; readonly tokens: Omit<IssuedTokens, "scope"> } {
  const access = `${CLI_TOKEN_PREFIX}${randomToken()}`;
  const refresh = `${REFRESH_TOKEN_PREFIX}${randomToken()}`;
  return {
    pair: { access_hash: sha256Hex(access), refresh_hash: sha256Hex(refresh) },
    tokens: {
      access_token: new Secret(access),
      refresh_token: new Secret(refresh),
      expires_in_s: Math.floor(limits.cli_access_token_ttl_ms / 1_000),
    },
  };
}

export function sessionLife(limits: Limits): SessionLife {
  return {
    access_ttl_ms: limits.cli_access_token_ttl_ms,
    idle_ms: limits.cli_session_idle_ms,
    absolute_ms: limits.cli_session_absolute_ms,
  };
}
