/**
 * An issuer of tokens for the users of an app, at `/_users`: OpenID Connect discovery, a key set,
 * and `GET /_users/token?user=ada`, which signs in without a password. For development. The key is
 * new in each process.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { json, text } from "../reply.ts";
import type { Incoming, Json, Reply } from "../types.ts";

/** The first part of the path, where other requests have a host. */
export const USERS = "_users";

const PEOPLE: Readonly<Record<string, { readonly name: string; readonly email: string }>> = {
  ada: { name: "Ada Lovelace", email: "ada@example.com" },
  bob: { name: "Bob Babbage", email: "bob@example.com" },
};
const AUDIENCE = "demo";
const LIFETIME_S = 3_600;
const KEY_ID = "simulator";

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

/** @param issuer the address of this issuer, which tokens name */
export function userIssuer({ method, path, query }: Incoming, issuer: string, now_ms: number): Reply {
  if (method !== "GET") return json(405, { message: "The user issuer only has GET." });
  switch (path) {
    case "/.well-known/openid-configuration":
      return json(200, { issuer, jwks_uri: `${issuer}/keys` });
    case "/keys":
      return json(200, { keys: [{ ...jwk(), kid: KEY_ID, alg: "ES256", use: "sig" }] });
    case "/token":
      return token(issuer, query, Math.floor(now_ms / 1000));
    default:
      return json(404, { message: `Get a token at ${issuer}/token?user=ada (or user=bob).` });
  }
}

function jwk(): { readonly kty: string; readonly crv: string; readonly x: string; readonly y: string } {
  const { kty = "", crv = "", x = "", y = "" } = publicKey.export({ format: "jwk" });
  return { kty, crv, x, y };
}

function token(issuer: string, query: URLSearchParams, now_s: number): Reply {
  const sub = query.get("user") ?? "";
  const person = Object.hasOwn(PEOPLE, sub) ? PEOPLE[sub] : undefined;
  if (person === undefined) return json(404, { message: `The users are: ${Object.keys(PEOPLE).join(", ")}.` });
  const aud = query.get("aud") ?? AUDIENCE;
  const claims = { iss: issuer, aud, sub, iat: now_s, exp: now_s + LIFETIME_S, ...person, email_verified: true };
  const input = `${part({ alg: "ES256", typ: "JWT", kid: KEY_ID })}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" });
  return text(200, `${input}.${signature.toString("base64url")}`);
}

const part = (value: Json): string => Buffer.from(JSON.stringify(value)).toString("base64url");
