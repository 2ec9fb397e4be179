/** Errors of our token endpoint, in the protocol's own format (RFC 6749 §5.2, RFC 8628 §3.5). */

export type GrantErrorCode =
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "invalid_scope"
  | "unsupported_grant_type"
  | "authorization_pending"
  | "slow_down"
  | "access_denied"
  | "expired_token";

export class GrantError extends Error {
  readonly error: GrantErrorCode;

  constructor(error: GrantErrorCode, description: string) {
    super(description);
    this.name = "GrantError";
    this.error = error;
  }
}
