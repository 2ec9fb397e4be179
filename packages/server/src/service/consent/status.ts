/** The status of a consent or of the connection it led to, for clients that poll. */
import { CodedError } from "../../core/errors.ts";
import { asFlowId } from "../../core/ids.ts";
import type { AppId } from "../../core/types.ts";
import { notGranted } from "../grants/grant.ts";
import type { Ground } from "../ground.ts";

export interface ConsentStatus {
  readonly status: "PENDING" | "ACTIVE" | "FAILED";
  /** Requested and not granted. Empty while there is no connection. */
  readonly missing_scopes: readonly string[];
}

export interface StatusQuery {
  readonly app_id: AppId;
  readonly integration_type: string;
  /** The id of a flow, or of the connection. */
  readonly connection_id: string;
  readonly principal: string;
}

/**
 * Returns the status of a consent. A consent of another builder of the app is always PENDING.
 *
 * @throws CodedError `not_found`, `unknown_service`
 */
export async function statusOf(
  { store, catalog, clock }: Pick<Ground, "store" | "catalog" | "clock">,
  { app_id, integration_type, connection_id, principal }: StatusQuery,
): Promise<ConsentStatus> {
  catalog.require(integration_type);
  const another_builders = { status: "PENDING", missing_scopes: [] } as const;
  const flow = await store.getFlow(asFlowId(connection_id));
  const row = await store.findConnection(app_id, integration_type);
  if (flow !== null && flow.app_id === app_id && flow.integration_type === integration_type) {
    if (flow.initiator !== principal) return another_builders;
    const is_pending = flow.outcome === null && flow.expires_at > clock.now();
    if (flow.outcome !== "connected") return { status: is_pending ? "PENDING" : "FAILED", missing_scopes: [] };
    return { status: "ACTIVE", missing_scopes: notGranted(row) };
  }
  if (row === null || row.id !== connection_id)
    throw new CodedError("not_found", {
      message: "No consent or connection has this connection_id. It may be older than an hour.",
    });
  if (row.connected_by !== principal) return another_builders;
  return { status: row.status === "active" ? "ACTIVE" : "FAILED", missing_scopes: notGranted(row) };
}
