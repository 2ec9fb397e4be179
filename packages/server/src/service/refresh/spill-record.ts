/** A spilled token response, and the JSON that is sealed for the spill file. */
import { CodedError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { instant, isJsonObject, type AppId, type ConnectionId, type Instant } from "../../core/types.ts";

export interface SpillRecord {
  readonly connection_id: ConnectionId;
  readonly app_id: AppId;
  /** Fingerprint of the refresh token that was exchanged. */
  readonly parent_fp: string;
  readonly attempt: number;
  readonly at: Instant;
  /** JSON of the token response. */
  readonly payload: Secret;
}

export function encodeRecord(record: SpillRecord): Secret {
  return new Secret(JSON.stringify({ ...record, payload: record.payload.expose() }));
}

/**
 * Returns the record.
 *
 * @throws CodedError `credential_unreadable` for another shape, which only another version of this
 *   file can have written
 */
export function decodeRecord(text: Secret): SpillRecord {
  const value = parseJson(text);
  if (!isJsonObject(value)) throw new CodedError("credential_unreadable");
  const { connection_id, app_id, parent_fp, attempt, at, payload } = value;
  if (
    typeof connection_id !== "string" ||
    typeof app_id !== "string" ||
    typeof parent_fp !== "string" ||
    typeof attempt !== "number" ||
    typeof at !== "number" ||
    typeof payload !== "string"
  ) {
    throw new CodedError("credential_unreadable");
  }
  /* oxlint-disable-next-line typescript/no-unsafe-type-assertion -- ids that were branded when they were written. */
  const ids = { connection_id: connection_id as ConnectionId, app_id: app_id as AppId };
  return { ...ids, parent_fp, attempt, at: instant(at), payload: new Secret(payload) };
}

/** Parses the record's JSON. The error of JSON.parse quotes the text, so it must not escape. */
function parseJson(text: Secret): unknown {
  try {
    return JSON.parse(text.expose());
  } catch {
    return null;
  }
}
