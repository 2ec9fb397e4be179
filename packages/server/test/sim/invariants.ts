/**
 * The invariants of the simulation. They hold in any run, with any faults. observer.ts checks them.
 */
export const INVARIANTS = {
  stored_token_is_valid: "The provider accepts the stored refresh token of an active connection.",
  no_needless_end: "No connection ends while the provider still accepts its refresh token.",
  non_rotating_never_lost: "A refresh token that stays is never lost.",
  grace_lost_only_without_help: "A grace period is never missed if a healthy node had time within it.",
  strict_lost_only_with_cause:
    "A single-use token is lost only if its response reached no process that lived to store it.",
  loss_is_named: "A lost single-use token ends with the reason refresh_outcome_unknown.",
  generation_grows: "The generation grows with every new token and never falls.",
  lineage_decides: "A response to the stored refresh token is stored, however late it comes.",
  newest_consent_wins: "Tokens of an older consent never replace those of a newer one.",
  one_request_at_a_time:
    "A refresh token is not sent while an earlier request is open whose sender can have the response.",
  dead_owner_is_waited_for: "A single-use token is not sent again before the lease of a dead holder expires.",
  intent_before_send: "Each request has an intent in the database, by its sender, that was used once.",
  one_event_per_incident: "Every end and every return of a connection has exactly one event.",
  requests_are_bounded: "Requests to the provider are bounded, and at most one follows a refusal that was stored.",
  own_token_only: "No reader gets another connection's token, or one that expired long ago.",
  valid_token_is_served: "A token that works is served if it can be read.",
  living_grant_is_not_revoked: "No token is revoked that a connection still needs.",
  everything_settles: "When the faults have ended, no intent, no lease and no waiting reader remains.",
  settings_survive: "A change of a connection's settings survives a refresh that was in flight.",
} as const;

export type InvariantName = keyof typeof INVARIANTS;
