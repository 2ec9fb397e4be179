/** Client authentication at the token endpoint (RFC 6749 §2.3.1). */
import { ClientSecretPost, type ClientAuth } from "oauth4webapi";
import type { Secret } from "../core/secret.ts";
import type { Provider } from "../providers/provider.ts";

export interface ClientCredentials {
  readonly client_id: string;
  readonly client_secret: Secret;
}

/** Returns the library's client authentication, by the provider's method. */
export function clientAuthOf(provider: Provider, { client_id, client_secret }: ClientCredentials): ClientAuth {
  if (provider.client_auth === "client_secret_post") return ClientSecretPost(client_secret.expose());
  const value = basicCredentials(client_id, client_secret);
  return (_server, _client, _body, headers) => headers.set("authorization", value);
}

/** For endpoints without client authentication. */
export const noClientAuth: ClientAuth = () => {};

/**
 * Returns a Basic Authorization header with form-encoded parts, as RFC 6749 §2.3.1 requires. The
 * library's function also escapes `-`, `_` and `.`, which the RFC allows. Vendors that do not
 * decode would then see `%2D` and reject the client. The URL standard's form encoding leaves these
 * characters alone, so all vendors see the same bytes.
 */
export function basicCredentials(client_id: string, client_secret: Secret): string {
  const pair = `${formEncoded(client_id)}:${formEncoded(client_secret.expose())}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

function formEncoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}
