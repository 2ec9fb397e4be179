/**
 * The status of a connection, its reasons, and the allowed transitions.
 *
 * "Refreshing" is a lease, not a status. Before the first consent there is no connection.
 */

export type ConnectionStatus = "active" | "expired" | "disconnected";

/** Why a connection is, or was, not active. On the wire: `extra_data.reason`. */
export type ReasonCode =
  /** The provider rejected the refresh token: revoked, password changed, or grant removed. */
  | "revoked"
  /**
   * A refresh was sent, its response was lost, and the provider now rejects the old refresh token.
   */
  | "refresh_outcome_unknown"
  | "refresh_token_expired"
  /** The access token expired, and the provider issued no refresh token. */
  | "no_refresh_token"
  /** The OAuth client that the tokens were issued to was replaced or removed. */
  | "client_changed"
  /** The provider's API rejects the access tokens that the provider issues. */
  | "rejected_by_api"
  /** Refreshes failed for days, and no response gave a reason. */
  | "failing_too_long"
  | "disconnected_by_builder";

const MOVES: Readonly<Record<ConnectionStatus, readonly ConnectionStatus[]>> = {
  active: ["active", "expired", "disconnected"],
  // expired -> active: a new consent, or the confirming refresh of a provider that does not rotate.
  expired: ["active", "expired", "disconnected"],
  // Only a new consent reactivates a disconnected connection.
  disconnected: ["active", "disconnected"],
};

/** Reports whether a connection can change from one status to the other. */
export function canMove(from: ConnectionStatus, to: ConnectionStatus): boolean {
  return MOVES[from].includes(to);
}

/** The text shown to users next to a connection that is not active. */
export const REASON_TEXT: Readonly<Record<ReasonCode, string>> = {
  revoked: "The provider no longer accepts this connection. Access was removed there, or a password or policy changed.",
  refresh_outcome_unknown:
    "A token refresh was sent, but its response was lost, and the provider no longer accepts the old refresh token.",
  refresh_token_expired: "The refresh token has expired.",
  no_refresh_token: "The access token has expired, and the provider issued no refresh token.",
  client_changed: "The OAuth client that created this connection was replaced or removed.",
  rejected_by_api: "The provider's API rejects the access token.",
  failing_too_long: "Token refreshes have failed for days, and the provider gives no reason.",
  disconnected_by_builder: "The connection was disconnected.",
};
