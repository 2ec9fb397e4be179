import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/core/types.ts";
import { catalog, codeGrant, credentials, fakeProvider, json, rig, START } from "./support.ts";

const TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad";
const ISSUER = `https://login.microsoftonline.com/${TENANT}/v2.0`;
const CLAIMS: JsonObject = {
  iss: ISSUER,
  aud: "client-1.2_3",
  exp: START / 1000 + 3600,
  tid: TENANT,
  oid: "00000000-0000-0000-66f3-3332eca7ea81",
  name: "Ada Lovelace",
  email: "ada@contoso.example",
};

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const signed = (claims: unknown): string => `${encoded({ alg: "RS256" })}.${encoded(claims)}.c2lnbmF0dXJl`;

/** Connects an account whose token response has `id_token`. The API names a different account. */
async function connected(id_token: unknown) {
  const fake = await fakeProvider((response, { url }) =>
    url.includes("/token")
      ? json(response, { access_token: "a", token_type: "Bearer", refresh_token: "r", expires_in: 3600, id_token })
      : json(response, { id: "from-the-api", displayName: "Api", mail: null }),
  );
  const { client } = rig(fake.gateway);
  const provider = catalog("outlook");
  const outcome = await client.exchange({
    provider,
    config: {},
    client: credentials,
    redirect_uri: "https://connect.example/cb",
    callback: codeGrant(),
    code_verifier: null,
    requested_scopes: [],
  });
  if (outcome.kind !== "ok") throw new Error(outcome.error);
  const { access_token, extra, config } = outcome.tokens;
  const identity = await client.identity({ provider, config, access_token, client: credentials, token: extra });
  return { config, extra, identity, api_requests: fake.seen.length - 1 };
}

describe("an ID token", () => {
  it("names the account and the tenant without another request", async () => {
    const { identity, config, api_requests } = await connected(signed(CLAIMS));
    expect(identity).toMatchObject({
      kind: "ok",
      account: { id: CLAIMS["oid"], label: "Ada Lovelace", email: "ada@contoso.example" },
    });
    expect(config).toEqual({ tenant_id: TENANT });
    expect(api_requests).toBe(0);
  });

  it("accepts a list of audiences only with this client as the authorized party", async () => {
    const aud = ["client-1.2_3", "another"];
    expect((await connected(signed({ ...CLAIMS, aud, azp: "client-1.2_3" }))).api_requests).toBe(0);
    expect((await connected(signed({ ...CLAIMS, aud, azp: "another" }))).api_requests).toBe(1);
    expect((await connected(signed({ ...CLAIMS, aud: ["client-1.2_3"] }))).api_requests).toBe(0);
  });

  it.each<[string, unknown]>([
    ["for another client", signed({ ...CLAIMS, aud: "another" })],
    ["without an audience", signed({ ...CLAIMS, aud: undefined })],
    ["of another issuer", signed({ ...CLAIMS, iss: "https://login.microsoftonline.com.evil.example/x/v2.0" })],
    ["of an issuer with a suffix", signed({ ...CLAIMS, iss: `${ISSUER}/x` })],
    ["that has expired", signed({ ...CLAIMS, exp: START / 1000 - 61 })],
    ["that has no valid expiry", signed({ ...CLAIMS, exp: "tomorrow" })],
    [
      "with a duplicate claim",
      `${encoded({})}.${Buffer.from('{"aud":"x","aud":"client-1.2_3"}').toString("base64url")}.x`,
    ],
    ["in two parts", `${encoded({})}.${encoded(CLAIMS)}`],
    ["that is not JSON", "a.b.c"],
    ["that is not a string", { sub: "1" }],
    ["that is missing", undefined],
  ])("%s is not accepted, so the API is called instead", async (_claim, id_token) => {
    const { identity, config, extra, api_requests } = await connected(id_token);
    expect(identity).toMatchObject({ kind: "ok", account: { id: "from-the-api" } });
    expect([config, extra, api_requests]).toEqual([{}, {}, 1]);
  });

  it("that expired within the last minute is accepted, to allow for clock skew", async () => {
    expect((await connected(signed({ ...CLAIMS, exp: START / 1000 - 59 }))).api_requests).toBe(0);
  });
});
