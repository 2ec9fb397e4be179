/** The classes of outcomes with their consequences, and the rows of the tables of faults. */
import type { Fault, Later, Observed, Rotation, Service } from "./stage.ts";

/**
 * NOT_SENT, NOT_CONSUMED: the refresh token is as valid as before. MAYBE: unknown. REFUSED: it is
 * dead.
 */
export const CLASSES = {
  NOT_SENT: {
    outcome: "NOT_SENT",
    error: "",
    fail_class: "not_sent",
    intent: "none",
    retry_at_s: 1.998,
    status: "active",
    expired_reader: "503 provider_unavailable, 1 s",
    valid_reader: "200, the old token",
    who_must_act: "provider",
    requests: [0, 0],
    tokens: "unchanged",
  },
  NOT_CONSUMED: {
    outcome: "NOT_CONSUMED",
    error: "",
    fail_class: "not_consumed",
    intent: "none",
    retry_at_s: 1.998,
    status: "active",
    expired_reader: "503 provider_unavailable, 1 s",
    valid_reader: "200, the old token",
    who_must_act: "provider",
    requests: [1, 1],
    tokens: "unchanged",
  },
  MAYBE: {
    outcome: "MAYBE",
    error: "",
    fail_class: "unknown",
    intent: "open",
    retry_at_s: 1,
    status: "active",
    expired_reader: "503 provider_unavailable, 1 s",
    valid_reader: "200, the old token",
    who_must_act: "provider",
    requests: [1, 1],
    tokens: "unchanged",
  },
  REFUSED: {
    outcome: "REFUSED",
    error: "",
    fail_class: null,
    intent: "none",
    retry_at_s: null,
    status: "expired, revoked",
    expired_reader: "409 connection_expired",
    valid_reader: "200, the old token",
    who_must_act: "builder",
    requests: [1, 1],
    tokens: "unchanged",
  },
  misconfigured: {
    outcome: "misconfigured",
    error: "",
    fail_class: "misconfigured",
    intent: "none",
    retry_at_s: 60,
    status: "active",
    expired_reader: "502 oauth_client_rejected, 60 s",
    valid_reader: "200, the old token",
    who_must_act: "builder",
    // All connections of the OAuth client pause.
    requests: [1, 0],
    tokens: "unchanged",
  },
} as const satisfies Record<string, Observed>;

/**
 * A single-use token is sent again later: its first request may still be on the way, and two at
 * once are a reuse.
 */
export const SINGLE_USE_MAYBE: Partial<Observed> = {
  retry_at_s: 10,
  expired_reader: "503 provider_unavailable, 10 s",
};
/** The reader gave up before the request did, while its outcome was unknown. */
export const STILL_RUNNING: Partial<Observed> = { expired_reader: "503 provider_unavailable, 1 s" };

/** A reader at `retry_at`, when the provider works again. */
export const AFTERWARDS: Readonly<Record<keyof typeof CLASSES, Later>> = {
  NOT_SENT: { early: 0, reader: "200", attempts: 1, events: [] },
  NOT_CONSUMED: { early: 0, reader: "200", attempts: 1, events: [] },
  MAYBE: { early: 0, reader: "200", attempts: 1, events: [] },
  misconfigured: { early: 0, reader: "200", attempts: 1, events: [] },
  REFUSED: { early: 0, reader: "409 revoked", attempts: 0, events: ["connection.needs_reconnect"] },
};

/** The loss of a single-use token's response shows only when the token is sent again. */
export const LOST: Later = {
  early: 0,
  reader: "409 refresh_outcome_unknown",
  attempts: 1,
  events: ["connection.needs_reconnect"],
};

export interface FaultRow {
  readonly id: string;
  readonly does: string;
  readonly class: keyof typeof CLASSES;
  readonly error: string;
  readonly fault: Fault;
  readonly rotation?: Rotation;
  readonly service?: Service;
  /** Duration of the attempt on the test clock. */
  readonly takes_ms?: number;
  readonly differs?: Partial<Observed>;
  /** Null if this provider does not come back. */
  readonly later?: Later | null;
  /** Returns further findings. Empty if there are none. */
  readonly also?: () => readonly string[];
}
