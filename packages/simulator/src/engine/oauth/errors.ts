/**
 * Error tables: RFC 6749 section 5.2 as the default. Each profile states where its vendor differs.
 */
import type { ErrorSpec, JsonObject, Refusal } from "../types.ts";

type Errors = Readonly<Record<Refusal, ErrorSpec>>;

export const spec = (status: number, error: string, description: string): ErrorSpec => ({ status, error, description });

const RFC_ERRORS: Errors = {
  no_client: spec(400, "invalid_request", "Missing client_id."),
  no_secret: spec(401, "invalid_client", "Missing client secret."),
  bad_secret: spec(401, "invalid_client", "Client authentication failed."),
  wrong_auth_method: spec(401, "invalid_client", "Client authentication method not supported."),
  wrong_body: spec(400, "invalid_request", "Unsupported or malformed request body."),
  bad_grant_type: spec(400, "unsupported_grant_type", "Unsupported grant_type."),
  bad_code: spec(400, "invalid_grant", "Invalid authorization code."),
  used_code: spec(400, "invalid_grant", "Authorization code was already used."),
  expired_code: spec(400, "invalid_grant", "Authorization code has expired."),
  wrong_redirect: spec(400, "invalid_grant", "redirect_uri does not match."),
  no_verifier: spec(400, "invalid_grant", "Missing code_verifier."),
  bad_verifier: spec(400, "invalid_grant", "code_verifier does not match."),
  bad_refresh: spec(400, "invalid_grant", "Invalid refresh token."),
  used_refresh: spec(400, "invalid_grant", "Refresh token was already used."),
  expired_refresh: spec(400, "invalid_grant", "Refresh token has expired."),
  revoked_refresh: spec(400, "invalid_grant", "Refresh token was revoked."),
  rate_limited: spec(429, "rate_limit_exceeded", "Too many requests."),
  try_later: spec(503, "temporarily_unavailable", "Try again later."),
};

/** Returns the RFC's table with the vendor's own errors in place of some rows. */
export const errorTable = (changes: Partial<Errors>): Errors => ({ ...RFC_ERRORS, ...changes });

export const rfcErrorBody = ({ error, description }: ErrorSpec): JsonObject => ({
  error,
  error_description: description,
});

const same =
  (...names: readonly Refusal[]) =>
  (one: ErrorSpec): Partial<Errors> =>
    Object.fromEntries(names.map((name) => [name, one]));

/**
 * One error for every problem with the client's credentials, with a code, or with a refresh token.
 */
export const clientErrors = same("no_client", "no_secret", "bad_secret", "wrong_auth_method");
export const codeErrors = same("bad_code", "used_code", "expired_code");
export const refreshErrors = same("bad_refresh", "used_refresh", "expired_refresh", "revoked_refresh");
