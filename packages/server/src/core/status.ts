/**
 * The status of a connection, the reasons that go with it, and the moves that are allowed.
 *
 * "Refreshing" is a lease, not a status. Before the first consent there is no connection at all.
 */

export type ConnectionStatus = "active" | "expired" | "disconnected";

/** Why a connection is not, or was not, active. Wire: `extra_data.reason`. */
export type ReasonCode =
  /** The provider refused the refresh token: revoked there, password changed, grant removed. */
  | "revoked"
  /** A refresh was sent, its answer was lost, and the provider refuses the old refresh token since. */
  | "refresh_outcome_unknown"
  | "refresh_token_expired"
  /** The access token ran out and the provider issued no refresh token. */
  | "no_refresh_token"
  /** The OAuth client that the tokens were issued to was replaced or removed. */
  | "client_changed"
  /** The API refuses the access token although the provider issues it. */
  | "rejected_by_api"
  /** Refreshing failed for days without an answer that says why. */
  | "failing_too_long"
  | "disconnected_by_builder";

const MOVES: Readonly<Record<ConnectionStatus, readonly ConnectionStatus[]>> = {
  active: ["active", "expired", "disconnected"],
  // expired -> active: a new consent, or the one confirming refresh of a provider that does not rotate.
  expired: ["active", "expired", "disconnected"],
  // Only a new consent brings a disconnected connection back.
  disconnected: ["active", "disconnected"],
};

export function mayMove(from: ConnectionStatus, to: ConnectionStatus): boolean {
  return MOVES[from].includes(to);
}

/** What a person reads next to an expired connection. */
export const REASON_TEXT: Readonly<Record<ReasonCode, string>> = {
  revoked: "The provider no longer accepts this connection: access was removed there, or a password or policy changed.",
  refresh_outcome_unknown:
    "A token refresh was sent, but its answer was lost, and the provider accepts the old refresh token no more.",
  refresh_token_expired: "The refresh token reached the end of its life.",
  no_refresh_token: "The access token ran out, and the provider gave no refresh token for it.",
  client_changed: "The OAuth client that this connection was made with was replaced or removed.",
  rejected_by_api: "The provider's API refuses the access token.",
  failing_too_long: "Refreshing has failed for days, and the provider does not say why.",
  disconnected_by_builder: "The connection was disconnected.",
};
