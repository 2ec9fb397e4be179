/** Replaces a valid token that does not meet the caller's requirements. */
import { longest_ms } from "../../core/expiry.ts";
import type { ConnectionRow } from "../../store/tables.ts";
import { lifeOfRow } from "../grants/grant.ts";
import { expireNow } from "./expire.ts";
import { openRow } from "./open.ts";
import { refreshed } from "./refreshed.ts";
import { refuseTooSoon, tooShort, unavailable } from "./refuse.ts";
import { served } from "./served.ts";
import type { ConnectionsDeps, Served } from "./types.ts";

/**
 * Serves a token that is valid for `min_valid_ms`. A caller that requires a longer life than any
 * token of the service has must not cause a refresh at each read.
 */
export async function refreshForLonger(
  deps: ConnectionsDeps,
  row: ConnectionRow,
  min_valid_ms: number,
): Promise<Served> {
  const { clock, limits } = deps;
  const most_ms = longest_ms(lifeOfRow(row));
  if (row.sealed_refresh === null || (most_ms !== null && most_ms < min_valid_ms)) throw tooShort(row, most_ms);
  refuseTooSoon(deps, row);
  const fresh = await refreshed(deps, row, limits.reader_wait_ms);
  if (fresh.expires_at !== null && fresh.expires_at - clock.now() < min_valid_ms) throw tooShort(row, most_ms);
  return fresh;
}

/**
 * Serves another token, because the provider's API rejected the current one. Forces at most one
 * refresh a minute. Otherwise a caller in a loop would make this server loop too.
 */
export async function replaceRejected(deps: ConnectionsDeps, row: ConnectionRow): Promise<Served> {
  refuseTooSoon(deps, row);
  return row.sealed_refresh === null
    ? await checkRejected(deps, row)
    : await refreshed(deps, row, deps.limits.reader_wait_ms);
}

/**
 * Checks a token that cannot be refreshed with a request to the provider's API. The caller's word
 * alone must not end a connection.
 */
async function checkRejected(deps: ConnectionsDeps, row: ConnectionRow): Promise<Served> {
  const { catalog, oauth, limits } = deps;
  const provider = catalog.require(row.integration_type);
  const open = await openRow(deps, row);
  const health = await oauth.health({ provider, config: open.config ?? {}, access_token: open.access_token });
  if (health === "dead") return await expireNow(deps, row, "rejected_by_api");
  if (health === "unknown") throw unavailable(deps, row, "provider_unavailable", limits.reader_retry_ms);
  return served(open);
}
