/**
 * JSON Web Tokens of app users (RFC 7519, 7515, 8725), over `jose`. The only file that imports it.
 * Refuses a token, with a reason for the log, unless every check passes. The algorithm must be in
 * the issuer's fixed list, and the signature must be the issuer's. Issuer and audience must be the
 * configured ones, and the token must not have expired.
 *
 * Only the configured keys count. `jwk`, `jku`, `x5c` and `x5u` in a token's header are ignored,
 * and `kid` is only compared.
 */
import { createLocalJWKSet, errors, jwtVerify, SignJWT } from "jose";
import { isJsonObject, type Instant, type JsonObject, type JsonValue } from "../../core/types.ts";
import { decodeUtf8, parseJson } from "../../net/json.ts";

/**
 * For issuers with public keys. Without HS256: an attacker could sign with the published key as
 * the secret (RFC 8725 §2.1).
 */
const PUBLIC_KEY_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
const SHARED_SECRET_ALGORITHM = "HS256";
/** Allowance for clock skew. A minute is common. */
export const CLOCK_SKEW_S = 60;
/** A century. Keys of some platforms are valid for a decade. */
const LIFETIME_S = 3_155_760_000;
const COMPACT_JWS = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*$/;
const KID_LENGTH = 256;
/** Tokens that do not prove a sign-in, such as logout tokens, have another type. */
const TYPES: ReadonlySet<JsonValue | undefined> = new Set([undefined, "jwt", "at+jwt", "application/at+jwt"]);

/** The unverified claims of a token, which name the keys to use. */
export type UnverifiedToken =
  /** Not a JWT. Only its issuer can verify it. */
  | { readonly kind: "opaque" }
  | { readonly kind: "malformed" }
  | { readonly kind: "jwt"; readonly issuer: string; readonly audiences: readonly string[] };

/** The keys of one issuer. */
export type VerificationKeys =
  | { readonly kind: "secret"; readonly secret: Uint8Array }
  | { readonly kind: "public"; readonly keys: ReturnType<typeof createLocalJWKSet> };

export interface Expected {
  readonly keys: VerificationKeys;
  readonly issuer: string;
  /** The token must be for one of these. */
  readonly audiences: readonly string[];
  readonly now: Instant;
}

export type RefusalReason =
  | "malformed"
  | "algorithm"
  | "unknown_key"
  | "signature"
  | "issuer"
  | "audience"
  | "expired"
  | "claims";

export type Verification =
  | { readonly kind: "verified"; readonly claims: JsonObject }
  | { readonly kind: "refused"; readonly reason: RefusalReason };

/**
 * Reads a token without verifying it. Duplicate names, which two parsers can read differently, make
 * it malformed.
 */
export function readUnverified(token: string): UnverifiedToken {
  const [, head = "", body = ""] = COMPACT_JWS.exec(token) ?? [];
  const head_text = decodeUtf8(Buffer.from(head, "base64url"));
  if (head_text?.startsWith("{") !== true) return { kind: "opaque" };
  const header = parseJson(head_text);
  const claims = parseJson(decodeUtf8(Buffer.from(body, "base64url")) ?? "");
  if (!isJsonObject(header) || !isJsonObject(claims) || !isUsualHeader(header)) return { kind: "malformed" };
  const { iss: issuer, aud } = claims;
  const audiences = [aud].flat().filter((one) => typeof one === "string");
  return typeof issuer === "string" ? { kind: "jwt", issuer, audiences } : { kind: "malformed" };
}

/** Refuses nested tokens (`cty`), other kinds of token, and a `kid` that no issuer would choose. */
function isUsualHeader({ kid = "", typ, cty }: JsonObject): boolean {
  return (
    typeof kid === "string" &&
    kid.length <= KID_LENGTH &&
    cty === undefined &&
    TYPES.has(typeof typ === "string" ? typ.toLowerCase() : typ)
  );
}

/** Verifies a token that `readUnverified` found to be a JWT. */
export async function verifyJwt(token: string, expected: Expected): Promise<Verification> {
  const { keys, issuer, audiences, now } = expected;
  const options = {
    issuer,
    audience: [...audiences],
    algorithms: keys.kind === "secret" ? [SHARED_SECRET_ALGORITHM] : PUBLIC_KEY_ALGORITHMS,
    requiredClaims: ["exp", "sub"],
    clockTolerance: CLOCK_SKEW_S,
    currentDate: new Date(now),
  };
  try {
    const { payload } =
      keys.kind === "secret"
        ? await jwtVerify<JsonObject>(token, keys.secret, options)
        : await jwtVerify<JsonObject>(token, keys.keys, options);
    return isSignIn(payload, now) ? { kind: "verified", claims: payload } : refused("claims");
  } catch (error) {
    return refused(reasonOf(error));
  }
}

/**
 * Refuses an expiry that never comes: `1e999` is a number to JSON, and so is one in milliseconds.
 * Refuses security event tokens, such as logout tokens, which name their subject too (RFC 8417).
 * Also refuses tokens issued in the future, which RFC 7519 §4.1.6 leaves open. Such a token means
 * that one side's clock is wrong, so its expiry means nothing.
 */
function isSignIn({ exp, events, iat = 0 }: JsonObject, now: Instant): boolean {
  const is_issued = typeof iat === "number" && iat <= now / 1000 + CLOCK_SKEW_S;
  const expires = typeof exp === "number" && exp <= now / 1000 + LIFETIME_S;
  return expires && events === undefined && is_issued;
}

const refused = (reason: RefusalReason): Verification => ({ kind: "refused", reason });

function reasonOf(error: unknown): RefusalReason {
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JOSEAlgNotAllowed) return "algorithm";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "signature";
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return "unknown_key";
  if (error instanceof errors.JWTClaimValidationFailed)
    return error.claim === "iss" ? "issuer" : error.claim === "aud" ? "audience" : "claims";
  return "malformed";
}

/**
 * Returns the keys of a JWK Set (RFC 7517), or null if it is not one. Keys that cannot verify a
 * signature, such as a shared secret among them, are never used.
 */
export function publicKeys(set: JsonValue | undefined, most: number): VerificationKeys | null {
  if (!isJsonObject(set) || !Array.isArray(set["keys"]) || set["keys"].length > most) return null;
  const keys = set["keys"].filter(isJsonObject).flatMap((key) => {
    const { kty } = key;
    return typeof kty === "string" ? [{ ...key, kty }] : [];
  });
  try {
    return { kind: "public", keys: createLocalJWKSet({ keys }) };
  } catch {
    return null;
  }
}

/** Signs a token with a shared secret. `claims` must have `iss`, `aud`, `sub` and `exp`. */
export async function signJwt(claims: JsonObject, secret: Uint8Array): Promise<string> {
  return await new SignJWT({ ...claims }).setProtectedHeader({ alg: SHARED_SECRET_ALGORITHM, typ: "JWT" }).sign(secret);
}
