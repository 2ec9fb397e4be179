/**
 * Client authentication at the token endpoint and at routes that require it (RFC 6749 section
 * 2.3.1).
 */
import { basic } from "../http/incoming.ts";
import type { Call } from "../call.ts";
import type { Refusal } from "../types.ts";

export interface Authenticated {
  /** null when the request names no client. */
  readonly client_id: string | null;
  readonly client_secret: string;
  readonly method: "basic" | "post" | null;
  readonly refusal: Refusal | null;
}

function formDecode(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll("+", " "));
  } catch {
    return value;
  }
}

/**
 * Accepts Basic credentials both as they are and form-encoded. RFC 6749 requires the encoding, many
 * clients skip it, and no vendor documents how it treats the difference. A percent sign marks the
 * encoded form. Comparing secrets would not work: the convention `secret-of-<id>` also holds for an
 * encoded id with its encoded secret.
 */
function fromBasic(call: Call, pair: { readonly id: string; readonly secret: string }): Authenticated {
  const encoded = pair.id.includes("%") || pair.secret.includes("%");
  const client_id = encoded ? formDecode(pair.id) : pair.id;
  const client_secret = encoded ? formDecode(pair.secret) : pair.secret;
  const refusal = call.world.client(client_id).client_secret === client_secret ? null : "bad_secret";
  return { client_id, client_secret, method: "basic", refusal };
}

function fromFields(call: Call): Authenticated {
  const client_id = call.incoming.fields.get(call.vendor.token.client_id_field ?? "client_id") ?? "";
  const client_secret = call.incoming.fields.get("client_secret") ?? "";
  if (client_id === "") return { client_id: null, client_secret, method: null, refusal: "no_client" };
  if (client_secret === "") return { client_id, client_secret, method: "post", refusal: "no_secret" };
  const refusal = call.world.client(client_id).client_secret === client_secret ? null : "bad_secret";
  return { client_id, client_secret, method: "post", refusal };
}

export function authenticate(call: Call, allowed: readonly ("basic" | "post")[]): Authenticated {
  const pair = basic(call.incoming);
  const found = pair === null ? fromFields(call) : fromBasic(call, pair);
  call.event.client_id = found.client_id;
  call.event.client_auth = found.method;
  if (found.method === null || allowed.includes(found.method)) return found;
  return { ...found, refusal: "wrong_auth_method" };
}
