/** A consent of another account, sealed in its flow until the builder decides. */
import { asOAuthClientId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import { isJsonObject, stringEntries } from "../../core/types.ts";
import type { FlowRow } from "../../store/tables.ts";
import { sealedFromStorage, type SealContext, type Vault } from "../../vault/seal.ts";
import { parseGrant, serializeGrant } from "../grants/grant.ts";
import type { Consent } from "./consent.ts";

export interface Held extends Consent {
  /** The outbox item of the revocation that a decision in time cancels. */
  readonly revocation_id: string | null;
}

const heldContext = (flow: Pick<FlowRow, "app_id" | "id">): SealContext => ({
  table: "flows",
  column: "held",
  scope: flow.app_id,
  row_id: flow.id,
  generation: 0,
});

export function sealHeld(vault: Vault, flow: FlowRow, { grant, ...rest }: Held): ReturnType<Vault["seal"]> {
  const text = new Secret(JSON.stringify({ ...rest, grant: serializeGrant(grant).expose() }));
  return vault.seal(heldContext(flow), text);
}

/**
 * Returns the held consent of a flow, or null. A flow that no callback consumed has its secrets
 * sealed there instead.
 */
export async function openHeld(vault: Vault, flow: FlowRow): Promise<Held | null> {
  if (flow.taken_at === null || flow.outcome !== null || flow.sealed_request === null) return null;
  return parse(await vault.open(heldContext(flow), sealedFromStorage(flow.sealed_request)));
}

function parse(text: Secret): Held | null {
  const value: unknown = JSON.parse(text.expose());
  if (!isJsonObject(value) || !isJsonObject(value["account"])) return null;
  const { grant: grant_text, oauth_client_id, requested_scopes, revocation_id } = value;
  if (typeof grant_text !== "string" || typeof oauth_client_id !== "string" || !Array.isArray(requested_scopes))
    return null;
  const grant = parseGrant(new Secret(grant_text));
  if (grant === null) return null;
  const { id, label, email } = value["account"];
  return {
    grant,
    oauth_client_id: asOAuthClientId(oauth_client_id),
    requested_scopes: requested_scopes.filter((scope) => typeof scope === "string"),
    account: { id: textOrNull(id), label: textOrNull(label), email: textOrNull(email) },
    config: stringEntries(value["config"]),
    revocation_id: textOrNull(revocation_id),
  };
}

const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);
