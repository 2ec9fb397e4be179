/**
 * ID tokens signed with a key of this process (OpenID Connect Core section 2, RS256). The key is
 * created at first use.
 */
import { createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import type { JsonObject } from "../types.ts";

const KEY_ID = "simulator";
let key_pair: { readonly privateKey: KeyObject; readonly publicKey: KeyObject } | null = null;

const keys = () => (key_pair ??= generateKeyPairSync("rsa", { modulusLength: 2048 }));

const encoded = (value: JsonObject): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** @param claims with `iat` and `exp` in seconds, as the specification requires. */
export function signIdToken(claims: JsonObject): string {
  const signed = `${encoded({ alg: "RS256", kid: KEY_ID, typ: "JWT" })}.${encoded(claims)}`;
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(keys().privateKey, "base64url")}`;
}

export function jwks(): JsonObject {
  const { n = "", e = "" } = keys().publicKey.export({ format: "jwk" });
  return { keys: [{ kty: "RSA", use: "sig", alg: "RS256", kid: KEY_ID, n, e }] };
}
