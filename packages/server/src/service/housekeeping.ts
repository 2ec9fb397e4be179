/** Deletes rows that have expired. Part of the sweeper's tick, every minute. */
import { plus, type Instant } from "../core/types.ts";
import { sessionLife } from "./access/cli-tokens.ts";
import type { Ground } from "./ground.ts";

/** Finished outbox items are kept for a day, so that an operator can inspect them. */
const OUTBOX_KEEP_MS = 86_400_000;
const DAY_MS = 86_400_000;
/** Records of functions that one statement deletes, and the statements of one run. */
const LOG_PART = 5_000;
const LOG_PARTS = 20;

export async function deleteExpired({
  store,
  clock,
  limits,
}: Pick<Ground, "store" | "clock" | "limits">): Promise<void> {
  const now = clock.now();
  await store.deleteOldFlows(plus(now, -limits.finished_flow_ttl_ms));
  await store.deleteOldCredentials(plus(now, -limits.session_absolute_ms), now);
  // Expired device codes are kept for a while, to distinguish "expired" from "unknown".
  await store.deleteOldLogins(sessionLife(limits), plus(now, -limits.device_code_ttl_ms));
  await store.deleteOldWindows();
  await store.deleteOldOutbox(plus(now, -OUTBOX_KEEP_MS));
  await deleteOldLogs(store, plus(now, -limits.function_log_days * DAY_MS));
}

/** In parts, because one statement has a time limit. More than these wait for the next minute. */
async function deleteOldLogs(store: Ground["store"], before: Instant): Promise<void> {
  for (let part = 0; part < LOG_PARTS; part += 1)
    if ((await store.deleteOldFunctionLogs(before, LOG_PART)) < LOG_PART) return;
}
