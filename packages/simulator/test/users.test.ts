/** The issuer of tokens for the users of an app. */
import { createPublicKey, verify, type JsonWebKey } from "node:crypto";
import { expect, it, onTestFinished } from "vitest";
import { startSimulator, type Simulator } from "../src/index.ts";

const NOW_MS = 1_800_000_000_000;

async function started(): Promise<Simulator> {
  const simulator = await startSimulator({ clock: { now: () => NOW_MS } });
  onTestFinished(() => simulator.close());
  return simulator;
}

const get = async (url: string): Promise<string> => await (await fetch(url)).text();
const decoded = (part = ""): unknown => JSON.parse(Buffer.from(part, "base64url").toString());

it("signs tokens of two users with the key that discovery leads to", async () => {
  const simulator = await started();
  const issuer = `${simulator.url}/_users`;
  const discovery: { jwks_uri: string } = JSON.parse(await get(`${issuer}/.well-known/openid-configuration`));
  expect(discovery).toEqual({ issuer, jwks_uri: `${issuer}/keys` });
  const { keys }: { keys: JsonWebKey[] } = JSON.parse(await get(discovery.jwks_uri));
  const [jwk = {}, ...others] = keys;
  expect(others).toEqual([]);
  expect(jwk["d"]).toBeUndefined();
  const key = createPublicKey({ key: jwk, format: "jwk" });

  for (const [query, aud, name] of [
    ["user=ada", "demo", "Ada Lovelace"],
    ["user=bob&aud=shop", "shop", "Bob Babbage"],
  ]) {
    const [head, claims, signature = ""] = (await get(`${issuer}/token?${query}`)).split(".");
    expect(decoded(head)).toEqual({ alg: "ES256", typ: "JWT", kid: jwk["kid"] });
    expect(decoded(claims)).toMatchObject({ iss: issuer, aud, name, iat: NOW_MS / 1000, exp: NOW_MS / 1000 + 3_600 });
    const input = Buffer.from(`${head}.${claims}`);
    expect(verify("sha256", input, { key, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"))).toBe(true);
  }
});

it("knows no other user, and names those that it knows", async () => {
  const { url } = await started();
  for (const user of ["eve", "constructor", ""]) {
    const reply = await fetch(`${url}/_users/token?user=${user}`);
    expect([reply.status, await reply.text()]).toEqual([404, '{"message":"The users are: ada, bob."}']);
  }
  expect((await fetch(`${url}/_users/token?user=ada`, { method: "POST" })).status).toBe(405);
});
