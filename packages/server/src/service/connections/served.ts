/** The reply for an opened connection, and for a grant that is not in the database yet. */
import type { OpenConnection } from "../cache/token-cache.ts";
import type { RefreshResult } from "../refresh/types.ts";
import { configOrNull } from "./open.ts";
import type { Served } from "./types.ts";

export function served({ row, access_token, config }: OpenConnection): Served {
  const { integration_type, id: connection_id, expires_at } = row;
  return { access_token, integration_type, connection_config: config, connection_id, expires_at, is_stale: false };
}

export function servedUnsaved({ row, grant }: Extract<RefreshResult, { kind: "unsaved" }>): Served {
  // The pending commit computes the expiry.
  const saved = { ...row, expires_at: null };
  const config = configOrNull({ ...row.config, ...grant.config });
  return served({ row: saved, access_token: grant.access_token, config });
}
