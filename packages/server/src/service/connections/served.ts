/** The reply for an opened connection, and for a grant that is not in the database yet. */
import { CodedError } from "../../core/errors.ts";
import type { OpenConnection } from "../cache/token-cache.ts";
import type { RefreshResult } from "../refresh/types.ts";
import { configOrNull } from "./open.ts";
import type { Served } from "./types.ts";

export function served({ row, access_token, config }: OpenConnection): Served {
  const { integration_type, id: connection_id, expires_at } = row;
  return { access_token, integration_type, connection_config: config, connection_id, expires_at, is_stale: false };
}

/** @throws CodedError `credential_unreadable` if the connection's config is damaged */
export function servedUnsaved({ row, grant }: Extract<RefreshResult, { kind: "unsaved" }>): Served {
  // Without its config, the app could send the token to another host.
  if (row.config === null) throw new CodedError("credential_unreadable", { reason: "credential_unreadable" });
  // The pending commit computes the expiry.
  const saved = { ...row, expires_at: null };
  const config = configOrNull({ ...row.config, ...grant.config });
  return served({ row: saved, access_token: grant.access_token, config });
}
