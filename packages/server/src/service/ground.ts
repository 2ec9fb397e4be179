/**
 * The collaborators that services share: store, keys, catalog and OAuth protocol, the settings that
 * services read, and the clock, log and randomness of the process. Each service declares its part
 * as `Pick<Ground, …>`. Types only.
 */
import type { Config } from "../config.ts";
import type { Bundler } from "../core/functions/functions.ts";
import type { Limits } from "../core/limits.ts";
import type { Clock } from "../core/clock.ts";
import type { HttpClient } from "../net/outbound.ts";
import type { OAuthProtocol } from "../oauth/protocol.ts";
import type { Catalog } from "../providers/index.ts";
import type { Store } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Keyring } from "../vault/keyring.ts";
import type { Vault } from "../vault/seal.ts";
import type { Urls } from "./urls.ts";

export interface Ground extends Pick<
  Config,
  "audit_release" | "default_plan" | "events_wanted" | "functions_isolation" | "functions_url" | "issuer_loopback"
> {
  readonly store: Store;
  readonly vault: Vault;
  readonly keyring: Pick<Keyring, "deriveKey" | "deriveKeys">;
  readonly catalog: Catalog;
  readonly oauth: OAuthProtocol;
  readonly urls: Urls;
  readonly bundler: Bundler;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Log;
  /** Returns a number in 0..1, as Math.random does. */
  readonly random: () => number;
  /**
   * Names this process in leases. New at every start, so that a process does not mistake the leases
   * of a crashed one for its own.
   */
  readonly owner: string;
  /** Sends requests to issuers of app users: to global addresses only. */
  readonly issuerHttp: HttpClient;
  /** Origin of a simulator that replaces every provider, or null. */
  readonly gateway: string | null;
}
