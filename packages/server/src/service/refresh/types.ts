/** What the parts of the refresh engine need, and what becomes of a refresh. */
import type { Limits } from "../../config.ts";
import type { Clock } from "../../core/clock.ts";
import type { EventType } from "../../core/events.ts";
import type { OAuthClient } from "../../oauth/client.ts";
import type { Catalog } from "../../providers/index.ts";
import type { Claim } from "../../store/queries/refresh.ts";
import type { Store } from "../../store/store.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Vault } from "../../vault/seal.ts";
import type { OAuthClients } from "../grants/clients.ts";
import type { Grant } from "../grants/grant.ts";
import type { Revocations } from "../grants/revocation.ts";
import type { Spill } from "./spill.ts";

export interface RefreshDeps {
  readonly store: Store;
  readonly vault: Vault;
  readonly oauth: OAuthClient;
  readonly catalog: Catalog;
  readonly clients: OAuthClients;
  readonly revocations: Pick<Revocations, "revokeLate">;
  readonly spill: Spill;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Log;
  readonly random: () => number;
  /** Names this process in leases; new at every start. */
  readonly owner: string;
  /** Events that somebody wants to hear of though they are no news to most. */
  readonly events_wanted: ReadonlySet<EventType>;
  /** Told after each change of a row, so that caches forget it. */
  readonly changed: (row: ConnectionRow) => void;
}

export type RefreshResult =
  /** `row` holds the newest tokens, by this attempt or a faster one. */
  | { readonly kind: "current"; readonly row: ConnectionRow }
  /** The provider's answer is in hand but not yet in the database; `grant` is good meanwhile. */
  | { readonly kind: "unsaved"; readonly row: ConnectionRow; readonly grant: Grant }
  | { readonly kind: "failed"; readonly code: RefreshFailureCode; readonly retry_after_ms: number }
  | { readonly kind: "gone" };

export type RefreshFailureCode = "provider_unavailable" | "oauth_client_rejected" | "refresh_pending";

export type Claimed = Extract<Claim, { kind: "claimed" }>;

/** `reader`: somebody waits for the token. */
export type RefreshMode = "background" | "reader";

const LEAST_RETRY_AFTER_MS = 1_000;

export function failed(code: RefreshFailureCode, retry_after_ms: number): RefreshResult {
  return { kind: "failed", code, retry_after_ms: Math.max(LEAST_RETRY_AFTER_MS, retry_after_ms) };
}
