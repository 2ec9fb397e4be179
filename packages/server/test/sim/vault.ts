/**
 * A vault without ciphers, so that ten thousand runs take a minute. It keeps the rules that the
 * engine relies on: a value opens only in the place that it was sealed for, and nothing can be
 * sealed for a deleted app.
 */
import { CodedError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { sealedFromStorage, type SealContext, type Vault } from "../../src/vault/seal.ts";

type IsDeleted = (scope: string) => boolean;

export function createSimulatedVault(isDeleted: IsDeleted): Vault {
  return {
    seal: (context, plaintext) =>
      isDeleted(context.scope)
        ? Promise.reject(appDeleted())
        : Promise.resolve(sealedFromStorage(Buffer.from(placeOf(context) + plaintext.expose(), "latin1"))),
    open: async (context, sealed) => open(isDeleted, context, sealed),
    openCached: (context, sealed) => open(isDeleted, context, sealed),
    fingerprint: (secret) => fingerprintOf(secret.expose()),
    prepare: (scope) => (isDeleted(scope) ? Promise.reject(appDeleted()) : Promise.resolve()),
    evict: () => {},
  };
}

function open(isDeleted: IsDeleted, context: SealContext, sealed: Uint8Array): Secret {
  const text = Buffer.from(sealed).toString("latin1");
  const place = placeOf(context);
  if (!text.startsWith(place) || isDeleted(context.scope)) throw new CodedError("credential_unreadable");
  return new Secret(text.slice(place.length));
}

const placeOf = ({ table, column, scope, row_id, generation }: SealContext): string =>
  `${table}|${column}|${scope}|${row_id}|${generation}\n`;

const appDeleted = (): CodedError => new CodedError("not_found", { message: "There is no such app." });

export const fingerprintOf = (token: string): string => `fp.${token}`;
