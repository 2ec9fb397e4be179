/**
 * What every service stands on: the opened store, keys, catalog and protocol engine, the settings that services read, and
 * the process's clock, log and randomness. Each service takes the part that it needs as `Pick<Ground, …>`. Types only.
 */
import type { Config, Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import type { OAuthProtocol } from "../oauth/protocol.ts";
import type { Catalog } from "../providers/index.ts";
import type { Store } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Keyring } from "../vault/keyring.ts";
import type { Vault } from "../vault/seal.ts";
import type { Urls } from "./urls.ts";

export interface Ground extends Pick<Config, "audit_release" | "default_plan" | "events_wanted"> {
  readonly store: Store;
  readonly vault: Vault;
  readonly keyring: Pick<Keyring, "deriveKey" | "deriveKeys">;
  readonly catalog: Catalog;
  readonly oauth: OAuthProtocol;
  readonly urls: Urls;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Log;
  /** Returns a number in 0..1, like Math.random. */
  readonly random: () => number;
  /** Names this process in leases. New at every start, so that leases of a crashed process are not taken for ours. */
  readonly owner: string;
  /** Origin of a simulator that stands in for every provider, or null. */
  readonly gateway: string | null;
}
