/**
 * Whether what is listed as active still is: each connection that nobody has heard of for an hour is asked about at the
 * provider's API, with a request that changes nothing. One list costs a bounded time and a bounded number of requests at
 * once, and never fails for it: what could not be found out stays as it was.
 */
import { within } from "../../core/clock.ts";
import { decide } from "../../core/expiry.ts";
import type { ReasonCode } from "../../core/status.ts";
import { plus, type AppId, type ConnectionId, type Instant } from "../../core/types.ts";
import { changeStatus } from "../../store/queries/connections.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { sealedFromStorage } from "../../vault/seal.ts";
import { emit } from "../events/events.ts";
import { lifeOfRow, sealContext } from "../grants/grant.ts";
import type { Refresher } from "../refresh/refresh.ts";
import type { TokenCache } from "../cache/token-cache.ts";
import type { Ground } from "../ground.ts";

export interface VerifierDeps extends Pick<
  Ground,
  "store" | "vault" | "catalog" | "oauth" | "clock" | "limits" | "log"
> {
  readonly refresher: Refresher;
  readonly cache: TokenCache;
}

/** @returns verify: looks at an app's active connections. Never rejects. */
export function createVerifier(deps: VerifierDeps): (app_id: AppId) => Promise<void> {
  const { store, vault, catalog, oauth, refresher, cache, clock, limits, log } = deps;
  /** Asked about and not found out, or being asked about: not again before this. */
  const resting = new Map<ConnectionId, Instant>();

  async function verify(app_id: AppId): Promise<void> {
    const now = clock.now();
    for (const [id, until] of resting) if (until <= now) resting.delete(id);
    const due = (await store.listConnections(app_id)).filter(isDue);
    for (const row of due) resting.set(row.id, plus(now, limits.verify_rest_ms));
    const line = due.values();
    const worker = async (): Promise<void> => {
      for (const row of line) await look(row);
    };
    const workers = Array.from({ length: limits.verify_concurrency }, worker);
    await within(clock, Promise.all(workers), limits.verify_wait_ms, null);
  }

  function isDue(row: ConnectionRow): boolean {
    const heard_at = Math.max(row.issued_at, row.checked_at ?? 0);
    return (
      row.status === "active" &&
      row.blocked_at === null &&
      row.sealed_access !== null &&
      clock.now() - heard_at >= limits.verify_after_ms &&
      !resting.has(row.id)
    );
  }

  async function look(row: ConnectionRow): Promise<void> {
    try {
      await judge(row);
    } catch (error) {
      log.warn("verification_failed", { connection_id: row.id, integration_type: row.integration_type, error });
    }
  }

  async function judge(row: ConnectionRow): Promise<void> {
    const over = decide(lifeOfRow(row), clock.now()) === "expired";
    const health = over ? "dead" : await ask(row);
    if (health === "unknown") return;
    if (health === "alive") return store.noteChecked(row.id, row.generation);
    // An access token may be dead and its grant alive: only the token endpoint knows.
    if (row.sealed_refresh !== null) return void (await refresher.refresh(row, "reader"));
    await expire(row, over ? "no_refresh_token" : "rejected_by_api");
  }

  async function ask(row: ConnectionRow): Promise<"alive" | "dead" | "unknown"> {
    const provider = catalog.get(row.integration_type);
    const { config } = row;
    if (provider === null || config === null || row.sealed_access === null) return "unknown";
    const access_token = await vault.open(sealContext(row, "access"), sealedFromStorage(row.sealed_access));
    return oauth.health({ provider, config, access_token });
  }

  async function expire({ id, generation, ...row }: ConnectionRow, reason: ReasonCode): Promise<void> {
    await store.transaction(async (tx) => {
      const after = await changeStatus(tx, { id, generation, status: "expired", reason, confirm_in_ms: null });
      if (after !== null) await emit(tx, "connection.needs_reconnect", after);
    });
    cache.drop(row);
  }

  return async (app_id) => verify(app_id).catch((error: unknown) => log.warn("verification_failed", { app_id, error }));
}
