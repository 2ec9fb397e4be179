/** Tokens of app users, and attacks on them. */
import { createPublicKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { instant, type JsonObject } from "../../../src/core/types.ts";
import {
  publicKeys,
  readUnverified,
  signJwt,
  verifyJwt,
  type Expected,
  type Verification,
} from "../../../src/service/users/jwt.ts";
import { base64url, createKey, hmacSigned, signatureOf, signed, tokenOf, type SigningKey } from "./tokens.ts";

const NOW_S = 1_800_000_000;
const ISSUER = "https://login.example.com";
const CLAIMS = { iss: ISSUER, aud: "shop", sub: "user-1", exp: NOW_S + 600 };
const MOST_KEYS = 100;
const SECRET = Buffer.from("0123456789abcdef0123456789abcdef");

const rsa = createKey("RS256", "r1");
const other = createKey("RS256", "r2");

function keySet(...keys: readonly (SigningKey | Readonly<Record<string, unknown>>)[]) {
  const list = keys.map((key) => ("jwk" in key ? key.jwk : key));
  const found = publicKeys(JSON.parse(JSON.stringify({ keys: list })), MOST_KEYS);
  if (found === null) throw new Error("This is not a key set.");
  return found;
}

const expected = (changes: Partial<Expected> = {}): Expected => ({
  keys: keySet(rsa),
  issuer: ISSUER,
  audiences: ["shop"],
  now: instant(NOW_S * 1000),
  ...changes,
});
const withSecret = expected({ keys: { kind: "secret", secret: SECRET } });

const refused = (reason: string) => ({ kind: "refused", reason });
const verified = (claims: JsonObject): Verification => ({ kind: "verified", claims });

describe("a token of the issuer", () => {
  it.each(["RS256", "PS256", "ES256", "EdDSA"] as const)("is verified with %s", async (alg) => {
    const key = createKey(alg);
    expect(await verifyJwt(signed(key, CLAIMS), expected({ keys: keySet(key) }))).toEqual(verified(CLAIMS));
  });

  it("is verified with the issuer's shared secret", async () => {
    expect(await verifyJwt(hmacSigned(SECRET, CLAIMS), withSecret)).toEqual(verified(CLAIMS));
    expect(await verifyJwt(await signJwt(CLAIMS, SECRET), withSecret)).toEqual(verified(CLAIMS));
  });

  it("finds its key by kid among several, and by type without one", async () => {
    const keys = keySet(other, rsa);
    expect(await verifyJwt(signed(rsa, CLAIMS), expected({ keys }))).toEqual(verified(CLAIMS));
    const elliptic = createKey("ES256");
    const two = keySet(rsa, elliptic);
    const without_kid = signed(elliptic, CLAIMS, { kid: undefined });
    expect(await verifyJwt(without_kid, expected({ keys: two }))).toEqual(verified(CLAIMS));
  });

  it("can be for several audiences", async () => {
    const claims = { ...CLAIMS, aud: ["blog", "shop"] };
    expect(await verifyJwt(signed(rsa, claims), expected())).toEqual(verified(claims));
  });

  it("is valid for 60 s after its expiry, for clocks that differ, and no longer", async () => {
    const claims = (exp: number) => signed(rsa, { ...CLAIMS, exp });
    expect(await verifyJwt(claims(NOW_S - 59), expected())).toMatchObject({ kind: "verified" });
    expect(await verifyJwt(claims(NOW_S - 60), expected())).toEqual(refused("expired"));
    const early = (nbf: number) => signed(rsa, { ...CLAIMS, nbf });
    expect(await verifyJwt(early(NOW_S + 60), expected())).toMatchObject({ kind: "verified" });
    expect(await verifyJwt(early(NOW_S + 61), expected())).toEqual(refused("claims"));
  });
});

describe("a token's time of issue", () => {
  const issued = (iat: JsonObject[string]) => verifyJwt(signed(rsa, { ...CLAIMS, iat }), expected());

  it("can be any in the past, and 60 s in the future, for clocks that differ", async () => {
    for (const iat of [-1, 0, 1, NOW_S, NOW_S + 59.5, NOW_S + 60])
      expect(await issued(iat)).toEqual(verified({ ...CLAIMS, iat }));
  });

  it.each([NOW_S + 60.5, NOW_S + 61, NOW_S * 1000, Number.MAX_VALUE, String(NOW_S), null, [], true])(
    "%s is refused",
    async (iat) => {
      expect(await issued(iat)).toEqual(refused("claims"));
    },
  );

  it("that is infinite is refused", async () => {
    const claims = `{"iss":"${ISSUER}","aud":"shop","sub":"u","exp":${NOW_S + 600},"iat":1e999}`;
    expect(await verifyJwt(signed(rsa, claims), expected())).toEqual(refused("claims"));
  });
});

describe("a token with a wrong algorithm", () => {
  it.each(["none", "None", "NONE", "nOnE"])("alg %s is refused, with and without a signature", async (alg) => {
    const unsigned = tokenOf({ alg, typ: "JWT" }, CLAIMS, () => Buffer.alloc(0));
    for (const token of [unsigned, signed(rsa, CLAIMS, { alg })])
      for (const keys of [expected(), withSecret])
        expect(await verifyJwt(token, keys)).toMatchObject({ kind: "refused" });
  });

  it("signed as HS256 with the published key as the secret is refused", async () => {
    const published = createPublicKey(rsa.privateKey);
    const secrets = [
      published.export({ type: "spki", format: "pem" }),
      published.export({ type: "spki", format: "der" }),
      published.export({ type: "pkcs1", format: "pem" }),
      JSON.stringify(rsa.jwk),
      Buffer.from(String(rsa.jwk["n"]), "base64url"),
    ];
    for (const secret of secrets)
      expect(await verifyJwt(hmacSigned(secret, CLAIMS, { kid: rsa.kid }), expected())).toEqual(refused("algorithm"));
  });

  it("signed as HS256 with a shared secret in the key set is refused", async () => {
    const keys = keySet({ kty: "oct", k: base64url(SECRET), kid: "s1", alg: "HS256" });
    expect(await verifyJwt(hmacSigned(SECRET, CLAIMS, { kid: "s1" }), expected({ keys }))).toEqual(
      refused("algorithm"),
    );
  });

  it("signed with another HMAC, or with a key, is refused where a secret is shared", async () => {
    for (const alg of ["HS384", "HS512"])
      expect(await verifyJwt(hmacSigned(SECRET, CLAIMS, { alg }), withSecret)).toEqual(refused("algorithm"));
    expect(await verifyJwt(signed(rsa, CLAIMS), withSecret)).toEqual(refused("algorithm"));
  });

  it("for another kind of key than the published one is refused", async () => {
    expect(await verifyJwt(signed(rsa, CLAIMS, { alg: "PS256" }), expected())).toMatchObject({ kind: "refused" });
    expect(await verifyJwt(signed(rsa, CLAIMS, { alg: "ES256" }), expected())).toMatchObject({ kind: "refused" });
  });
});

describe("a token with a wrong key", () => {
  const thief = createKey("RS256", "r1");

  it("is refused with the published kid, and with an unknown one", async () => {
    expect(await verifyJwt(signed(thief, CLAIMS), expected())).toEqual(refused("signature"));
    expect(await verifyJwt(signed(other, CLAIMS), expected())).toEqual(refused("unknown_key"));
  });

  it("is refused although its header brings or names the key", async () => {
    for (const header of [
      { jwk: thief.jwk },
      { jku: "https://evil.example/keys" },
      { x5u: "https://evil.example/cert" },
      { x5c: ["MIIB"] },
      { jku: "http://169.254.169.254/", kid: "evil" },
    ])
      expect(await verifyJwt(signed(thief, CLAIMS, header), expected())).toMatchObject({ kind: "refused" });
  });

  it("is refused if it was changed anywhere", async () => {
    const token = signed(rsa, CLAIMS);
    const [head = "", , signature = ""] = token.split(".");
    const admin = `${head}.${base64url(JSON.stringify({ ...CLAIMS, sub: "user-2" }))}.${signature}`;
    for (const changed of [admin, token.slice(0, -4), `${token}A`, `${head}..${signature}`])
      expect(await verifyJwt(changed, expected())).toMatchObject({ kind: "refused" });
  });

  it.each([{ crit: ["b64"], b64: false }, { crit: ["exp"], exp: 1 }, { crit: [] }, { crit: "b64" }])(
    "is refused with the extension %j",
    async (header) => {
      expect(await verifyJwt(signed(rsa, CLAIMS, header), expected())).toMatchObject({ kind: "refused" });
    },
  );

  it("is refused with an RSA key of 1024 bits", async () => {
    const { generateKeyPairSync } = await import("node:crypto");
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const weak = { alg: "RS256", kid: "w", privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid: "w" } };
    expect(await verifyJwt(signed(weak, CLAIMS), expected({ keys: keySet(weak) }))).toMatchObject({ kind: "refused" });
  });

  it("is refused where two published keys have its kid", async () => {
    const keys = keySet(rsa, { ...other.jwk, kid: rsa.kid });
    expect(await verifyJwt(signed(rsa, CLAIMS), expected({ keys }))).toEqual(refused("unknown_key"));
  });
});

describe("a token with wrong claims", () => {
  const { exp: _exp, ...no_exp } = CLAIMS;
  const { aud: _aud, ...no_aud } = CLAIMS;
  const { sub: _sub, ...no_sub } = CLAIMS;
  const { iss: _iss, ...no_iss } = CLAIMS;

  it.each([
    ["no exp", no_exp, "claims"],
    ["no aud", no_aud, "audience"],
    ["no sub", no_sub, "claims"],
    ["no iss", no_iss, "issuer"],
    ["another aud", { ...CLAIMS, aud: "blog" }, "audience"],
    ["an aud that begins with the right one", { ...CLAIMS, aud: "shop2" }, "audience"],
    ["an empty aud", { ...CLAIMS, aud: [] }, "audience"],
    ["an aud that is an object", { ...CLAIMS, aud: { shop: true } }, "audience"],
    ["another iss", { ...CLAIMS, iss: `${ISSUER}/` }, "issuer"],
    ["iss as a list", { ...CLAIMS, iss: [ISSUER] }, "issuer"],
    ["exp as text", { ...CLAIMS, exp: String(CLAIMS.exp) }, "claims"],
    ["exp null", { ...CLAIMS, exp: null }, "claims"],
    ["exp long ago", { ...CLAIMS, exp: 1 }, "expired"],
    ["exp infinite", `{"iss":"${ISSUER}","aud":"shop","sub":"u","exp":1e999}`, "claims"],
    ["exp in milliseconds", { ...CLAIMS, exp: CLAIMS.exp * 1000 }, "claims"],
    ["exp at the end of all numbers", { ...CLAIMS, exp: Number.MAX_VALUE }, "claims"],
    ["a logout event", { ...CLAIMS, events: { "http://schemas.openid.net/event/backchannel-logout": {} } }, "claims"],
  ] as const)("%s is refused", async (_name, claims, reason) => {
    expect(await verifyJwt(signed(rsa, claims), expected())).toEqual(refused(reason));
  });
});

describe("readUnverified", () => {
  it("names the issuer whose keys verify the token", () => {
    for (const typ of ["JWT", "jwt", "at+JWT", undefined])
      expect(readUnverified(signed(rsa, CLAIMS, { typ }))).toMatchObject({ kind: "jwt" });
    expect(readUnverified(signed(rsa, CLAIMS))).toEqual({ kind: "jwt", issuer: ISSUER, audiences: ["shop"] });
  });

  it.each(["", "x", "a.b", "a.b.c", "sk_live_123", `${signed(rsa, CLAIMS)}.x`, "not base64.x.y", "W10.W10.x"])(
    "%j is opaque",
    (token) => expect(readUnverified(token)).toEqual({ kind: "opaque" }),
  );

  it.each([
    ["a duplicate claim", `{"iss":"${ISSUER}","iss":"https://evil.example"}`, {}],
    ["a duplicate claim, escaped", `{"iss":"${ISSUER}","\\u0069ss":"https://evil.example"}`, {}],
    ["a nested token", CLAIMS, { cty: "JWT" }],
    ["a logout token", CLAIMS, { typ: "logout+jwt" }],
    ["a DPoP proof", CLAIMS, { typ: "dpop+jwt" }],
    ["a kid that is no text", CLAIMS, { kid: ["r1"] }],
    ["a huge kid", CLAIMS, { kid: "r".repeat(257) }],
    ["claims that are a list", "[]", {}],
    ["claims that are a token", signed(rsa, CLAIMS), {}],
    ["claims that are nested deeply", `{"iss":"x","a":${"[".repeat(40)}${"]".repeat(40)}}`, {}],
    ["an issuer that is no text", { ...CLAIMS, iss: 1 }, {}],
  ] as const)("%s is malformed", (_name, claims, header) => {
    expect(readUnverified(signed(rsa, claims, header))).toEqual({ kind: "malformed" });
  });

  it("finds a duplicate name in the header", () => {
    const token = tokenOf('{"alg":"RS256","kid":"r1","kid":"r2"}', CLAIMS, (input) => signatureOf(rsa, input));
    expect(readUnverified(token)).toEqual({ kind: "malformed" });
  });
});

describe("a key set", () => {
  it.each([undefined, null, 1, "x", [], {}, { keys: {} }, { keys: null }])("%j is none", (value) => {
    expect(publicKeys(value, MOST_KEYS)).toBeNull();
  });

  it("with more keys than the limit is refused", () => {
    const keys = Array.from({ length: 1_000 }, (_key, index) => ({ kty: "EC", kid: `k${index}` }));
    expect(publicKeys({ keys }, MOST_KEYS)).toBeNull();
    expect(publicKeys({ keys: keys.slice(0, MOST_KEYS) }, MOST_KEYS)).not.toBeNull();
  });

  it("with entries that are no keys works for the others", async () => {
    const keys = publicKeys(JSON.parse(JSON.stringify({ keys: [null, 1, {}, { kty: 7 }, rsa.jwk] })), MOST_KEYS);
    if (keys === null) throw new Error("no key set");
    expect(await verifyJwt(signed(rsa, CLAIMS), expected({ keys }))).toEqual(verified(CLAIMS));
  });
});
