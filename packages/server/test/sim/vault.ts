/**
 * A vault without ciphers, so that ten thousand runs fit into a minute. It keeps what the engine relies on: what was sealed
 * for one place opens nowhere else, and nothing is sealed for an app that is gone.
 */
import { ApiError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { sealedFromStorage, type SealContext, type Vault } from "../../src/vault/seal.ts";

const placeOf = ({ table, column, scope, row_id, generation }: SealContext): string =>
  `${table}|${column}|${scope}|${row_id}|${generation}\n`;

export function createSimulatedVault(isGone: (scope: string) => boolean): Vault {
  function open(context: SealContext, sealed: Uint8Array): Secret {
    const text = Buffer.from(sealed).toString("latin1");
    const place = placeOf(context);
    if (!text.startsWith(place) || isGone(context.scope)) throw new ApiError("credential_unreadable");
    return new Secret(text.slice(place.length));
  }
  return {
    seal: (context, plaintext) =>
      isGone(context.scope)
        ? Promise.reject(new ApiError("not_found", { message: "There is no such app." }))
        : Promise.resolve(sealedFromStorage(Buffer.from(placeOf(context) + plaintext.expose(), "latin1"))),
    open: async (context, sealed) => open(context, sealed),
    openCached: open,
    fingerprint: (secret) => fingerprintOf(secret.expose()),
    prepare: (scope) =>
      isGone(scope)
        ? Promise.reject(new ApiError("not_found", { message: "There is no such app." }))
        : Promise.resolve(),
    forget: () => {},
  };
}

export const fingerprintOf = (token: string): string => `fp.${token}`;
