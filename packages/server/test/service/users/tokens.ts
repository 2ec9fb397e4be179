/** Signs tokens as issuers and attackers do, with Node's crypto alone. */
import { constants, createHmac, generateKeyPairSync, sign, type KeyObject } from "node:crypto";

export interface SigningKey {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: KeyObject;
  /** The public key as the issuer publishes it. */
  readonly jwk: Readonly<Record<string, unknown>>;
}

const KINDS = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
} as const;

export function createKey(alg: keyof typeof KINDS = "ES256", kid = "k1"): SigningKey {
  const { publicKey, privateKey } = KINDS[alg]();
  return { alg, kid, privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" } };
}

export const base64url = (text: string | Buffer): string => Buffer.from(text).toString("base64url");

/** Returns a token with header and claims as given: text is encoded unchanged. */
export function tokenOf(
  header: object | string,
  claims: object | string,
  signature: (input: string) => Buffer,
): string {
  const text = (part: object | string): string => (typeof part === "string" ? part : JSON.stringify(part));
  const input = `${base64url(text(header))}.${base64url(text(claims))}`;
  return `${input}.${base64url(signature(input))}`;
}

export function signed(key: SigningKey, claims: object | string, header: object = {}): string {
  return tokenOf({ alg: key.alg, kid: key.kid, ...header }, claims, (input) => signatureOf(key, input));
}

export function signatureOf({ alg, privateKey }: SigningKey, input: string): Buffer {
  const data = Buffer.from(input);
  if (alg === "EdDSA") return sign(null, data, privateKey);
  if (alg === "ES256") return sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const padding = alg === "PS256" ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  return sign("sha256", data, { key: privateKey, padding, ...(alg === "PS256" ? { saltLength: 32 } : {}) });
}

export function hmacSigned(secret: string | Buffer, claims: object | string, header: object = {}): string {
  return tokenOf({ alg: "HS256", ...header }, claims, (input) => createHmac("sha256", secret).update(input).digest());
}
