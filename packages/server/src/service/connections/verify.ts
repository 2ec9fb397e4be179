/**
 * Checks that active connections still work. If a connection showed no sign of life for an hour,
 * sends a request that changes nothing to the provider's API. One list takes a bounded time and a
 * bounded number of requests at once, and never fails because of it. A connection whose check has
 * no result keeps its status.
 */
import { within } from "../../core/clock.ts";
import { decide } from "../../core/expiry.ts";
import { plus, type AppId } from "../../core/types.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { sealedFromStorage } from "../../vault/seal.ts";
import { lifeOfRow, sealContext } from "../grants/grant.ts";
import { expire } from "./expire.ts";
import type { VerifyDeps } from "./types.ts";

export async function verify(deps: VerifyDeps, app_id: AppId): Promise<void> {
  return await verifyAll(deps, app_id).catch((error: unknown) =>
    deps.log.warn("verification_failed", { app_id, error }),
  );
}

async function verifyAll(deps: VerifyDeps, app_id: AppId): Promise<void> {
  const { store, clock, limits, recheck_at } = deps;
  const now = clock.now();
  for (const [id, at] of recheck_at) if (at <= now) recheck_at.delete(id);
  const due = (await store.listConnections(app_id)).filter((row) => isDue(deps, row));
  for (const { id } of due) recheck_at.set(id, plus(now, limits.verify_rest_ms));
  const queue = due.values();
  const workers = Array.from({ length: limits.verify_concurrency }, () => verifySome(deps, queue));
  await within(clock, Promise.all(workers), limits.verify_wait_ms, null);
}

/** Verifies rows of a queue that several workers share. */
async function verifySome(deps: VerifyDeps, queue: IterableIterator<ConnectionRow>): Promise<void> {
  for (const row of queue) await verifyOne(deps, row);
}

function isDue({ clock, limits, recheck_at }: VerifyDeps, row: ConnectionRow): boolean {
  const last_sign_at = Math.max(row.issued_at, row.checked_at ?? 0);
  return (
    row.status === "active" &&
    row.blocked_at === null &&
    row.sealed_access !== null &&
    clock.now() - last_sign_at >= limits.verify_after_ms &&
    !recheck_at.has(row.id)
  );
}

async function verifyOne(deps: VerifyDeps, row: ConnectionRow): Promise<void> {
  try {
    await settle(deps, row);
  } catch (error) {
    deps.log.warn("verification_failed", { connection_id: row.id, integration_type: row.integration_type, error });
  }
}

/** Records the health of a connection. */
async function settle(deps: VerifyDeps, row: ConnectionRow): Promise<void> {
  const { store, refresher, clock } = deps;
  const is_expired = decide(lifeOfRow(row), clock.now()) === "expired";
  const health = is_expired ? "dead" : await healthOf(deps, row);
  if (health === "unknown") return;
  if (health === "alive") return await store.recordCheck(row.id, row.generation);
  // The grant can be alive although its access token is dead. Only the token endpoint knows.
  if (row.sealed_refresh === null) await expire(deps, row, is_expired ? "no_refresh_token" : "rejected_by_api");
  else await refresher.refresh(row, "reader");
}

/** Checks with the provider's API whether the access token works. */
async function healthOf(
  { catalog, vault, oauth }: VerifyDeps,
  row: ConnectionRow,
): Promise<"alive" | "dead" | "unknown"> {
  const provider = catalog.get(row.integration_type);
  const { config } = row;
  if (provider === null || config === null || row.sealed_access === null) return "unknown";
  const access_token = await vault.open(sealContext(row, "access"), sealedFromStorage(row.sealed_access));
  return await oauth.health({ provider, config, access_token });
}
