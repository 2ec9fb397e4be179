import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import type { CallbackGrant } from "../../src/oauth/callback.ts";
import { rotationClass } from "../../src/providers/provider.ts";
import { CANARY, catalog, credentials, fakeProvider, json, opened, refreshCall, rig, START } from "./support.ts";

const wix = catalog("wix");
const INSTANCE = "11223344-a1b2-3b33-c444-def123456789";
const OTHER = "99999999-a1b2-3b33-c444-def123456789";
const DATA = { instanceId: INSTANCE, appDefId: "client-1.2_3", signDate: new Date(START).toISOString() };

function signed(data: unknown, secret = CANARY.secret): string {
  const text = Buffer.from(JSON.stringify(data)).toString("base64url");
  return `${createHmac("sha256", secret).update(text).digest("base64url")}.${text}`;
}

const install = (signed_instance: string, instance_id = INSTANCE): CallbackGrant => ({
  kind: "app_install",
  instance_id,
  signed_instance: new Secret(signed_instance),
  config: {},
});

async function exchanged(callback: CallbackGrant, tokens: object = { access_token: "issued", token_type: "Bearer" }) {
  const fake = await fakeProvider((response) => json(response, tokens));
  const outcome = await rig(fake.gateway).client.exchange({
    provider: wix,
    config: {},
    client: credentials,
    redirect_uri: "https://connect.example/api/external-auth/callback/wix",
    callback,
    code_verifier: null,
    requested_scopes: [],
  });
  return { outcome, seen: fake.seen };
}

describe("the redirect after an installation", () => {
  const { client } = rig("http://127.0.0.1:1");
  const read = (query: string) => client.readCallback(wix, new URLSearchParams(query));

  it("is a grant if it has an instance and its signature", () => {
    const reading = read(`state=s&instanceId=${INSTANCE}&signedInstance=a.b&tenantId=t&appId=x`);
    expect(reading).toMatchObject({ kind: "granted", grant: { kind: "app_install", instance_id: INSTANCE } });
  });

  it.each<[string, string, string]>([
    ["no signature", `instanceId=${INSTANCE}`, "invalid"],
    ["no instance", "signedInstance=a.b", "invalid"],
    ["a malformed instance", "instanceId=../x&signedInstance=a.b", "invalid"],
    ["a code, which is ignored", "code=abc", "invalid"],
    ["an error", "error=access_denied", "denied"],
    ["an error and a grant", `error=x&instanceId=${INSTANCE}&signedInstance=a.b`, "invalid"],
    ["two instances", `instanceId=${INSTANCE}&instanceId=${OTHER}&signedInstance=a.b`, "repeated"],
    ["two signatures", `instanceId=${INSTANCE}&signedInstance=a.b&signedInstance=c.d`, "repeated"],
  ])("with %s", (_claim, query, kind) => {
    expect(read(query).kind).toBe(kind);
  });
});

describe("an installation", () => {
  it("is exchanged for a token by its id, as JSON, and is the refresh token", async () => {
    const { outcome, seen } = await exchanged(install(signed(DATA)), {
      access_token: "issued",
      token_type: "Bearer",
      expires_in: 14_400,
    });
    expect(opened(outcome)).toMatchObject({
      access_token: "issued",
      refresh_token: INSTANCE,
      announced_s: 14_400,
      config: { instance_id: INSTANCE },
    });
    expect(seen[0]?.url).toBe("/www.wixapis.com/oauth2/token");
    expect(seen[0]?.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({
      grant_type: "client_credentials",
      client_id: "client-1.2_3",
      client_secret: CANARY.secret,
      instance_id: INSTANCE,
    });
  });

  it("gets any number of new tokens with the id alone", async () => {
    const fake = await fakeProvider((response) => json(response, { access_token: "again" }));
    const { client } = rig(fake.gateway);
    for (let round = 0; round < 3; round += 1) {
      const outcome = await client.refresh(refreshCall(wix, { refresh_token: new Secret(INSTANCE) }));
      expect(opened(outcome)).toMatchObject({ access_token: "again", refresh_token: INSTANCE });
    }
    expect(JSON.parse(fake.seen[2]?.body ?? "")).toMatchObject({ instance_id: INSTANCE });
    expect(rotationClass(wix)).toBe("none");
  });

  const old = new Date(START - 3_601_000).toISOString();
  const tampered = `${signed(DATA).split(".")[0]}.${signed({ ...DATA, instanceId: OTHER }).split(".")[1]}`;
  it.each<[string, CallbackGrant]>([
    ["signed with another secret", install(signed(DATA, "another"))],
    ["for a different site from the redirect", install(signed({ ...DATA, instanceId: OTHER }))],
    ["changed after signing", install(tampered, OTHER)],
    ["for another app", install(signed({ ...DATA, appDefId: "another" }))],
    ["signed over an hour ago", install(signed({ ...DATA, signDate: old }))],
    ["signed at an unreadable time", install(signed({ ...DATA, signDate: "yesterday" }))],
    ["without a signature", install(`.${signed(DATA).split(".")[1]}`)],
    ["that is not JSON", install(`${createHmac("sha256", CANARY.secret).update("eA").digest("base64url")}.eA`)],
    ["that is malformed", install("x")],
    ["that is a code", { kind: "code", code: new Secret("c"), config: {} }],
  ])("%s is rejected, and nothing is sent", async (_claim, callback) => {
    const { outcome, seen } = await exchanged(callback);
    expect(outcome).toEqual({ kind: "refused", error: "signed_instance_invalid" });
    expect(seen).toHaveLength(0);
  });

  it("is rejected if the service uses codes", async () => {
    const fake = await fakeProvider((response) => json(response, {}));
    const call = { config: {}, client: credentials, redirect_uri: "https://c.example", code_verifier: null };
    const outcome = await rig(fake.gateway).client.exchange({
      ...call,
      provider: catalog("box"),
      callback: install(signed(DATA)),
      requested_scopes: [],
    });
    expect([outcome.kind, fake.seen.length]).toEqual(["refused", 0]);
  });

  it("is identified with the token alone, without the word Bearer", async () => {
    const fake = await fakeProvider((response) =>
      json(response, { instance: { instanceId: INSTANCE }, site: { siteDisplayName: "Shop", siteId: OTHER } }),
    );
    const identity = await rig(fake.gateway).client.identity({
      provider: wix,
      config: {},
      access_token: new Secret(CANARY.access),
      client: credentials,
      token: {},
    });
    expect(identity).toMatchObject({ account: { id: INSTANCE, label: "Shop" }, config: { site_id: OTHER } });
    expect(fake.seen[0]?.headers.authorization).toBe(CANARY.access);
  });
});
