/** Quirks of each vendor's authorization request and token endpoint. */
import { createHash, createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { approveConsent, clientSecretOf, startSimulator } from "../../src/index.ts";
import { read, record, sha256, VERIFIER } from "../application.ts";
import { get, postJson } from "./service.ts";
import { heldFrom, appFor, appAt } from "./service-app.ts";

const DAY_MS = 86_400_000;

const claimsOf = (id_token: unknown): Readonly<Record<string, unknown>> =>
  record(JSON.parse(Buffer.from(String(id_token).split(".")[1] ?? "", "base64url").toString()));

/** Returns the error of an authorization request that is refused before the consent page. */
async function refusal(url: string, without: string): Promise<string | null> {
  const request = new URL(url);
  request.searchParams.delete(without);
  return new URL(await approveConsent(request.href)).searchParams.get("error");
}

describe("PKCE", () => {
  it.each(["airtable", "databricks", "x"] as const)("is required by %s", async (id) => {
    const app = await appFor(id);
    expect(await refusal(app.authorizeUrl(), "code_challenge")).toBe("invalid_request");
  });

  it("is hex at TikTok, where a standard challenge fails at the exchange", async () => {
    const app = await appFor("tiktok");
    const digest = createHash("sha256").update(VERIFIER).digest();
    const exchangeWith = async (code_challenge: string) => {
      const callback = await app.consent({}, { code_challenge, code_challenge_method: "S256" });
      return (await app.exchange(callback, { code_verifier: VERIFIER })).json;
    };
    expect(await exchangeWith(digest.toString("base64url"))).toMatchObject({ error: "invalid_request" });
    expect(await exchangeWith(digest.toString("hex"))).toHaveProperty("access_token");
  });
});

describe("state", () => {
  it("has at least 16 characters at Airtable, which echoes the challenge", async () => {
    const app = await appFor("airtable");
    const short = await approveConsent(app.authorizeUrl({ state: "fifteen-letters" }));
    expect(new URL(short).searchParams.get("error")).toBe("invalid_request");
    expect((await app.consent()).get("code_challenge_method")).toBe("S256");
  });

  it("cannot be omitted at TikTok", async () => {
    const app = await appFor("tiktok");
    expect(await refusal(app.authorizeUrl(), "state")).toBe("invalid_request");
  });
});

describe("TikTok", () => {
  it("accepts only client_key, and returns errors with HTTP 200", async () => {
    const app = await appFor("tiktok");
    const callback = await app.consent({ scopes: ["user.info.basic"] });
    expect(callback.get("scopes")).toBe("user.info.basic");
    const fields = { grant_type: "authorization_code", code: callback.get("code") ?? "", client_id: app.client_id };
    const body = new URLSearchParams({ ...fields, client_secret: clientSecretOf(app.client_id) });
    const refused = await read(await fetch(`${app.simulator.url}/${app.service.token}`, { method: "POST", body }));
    expect(refused.status).toBe(200);
    expect(Object.keys(refused.json).toSorted()).toEqual(["error", "error_description", "log_id"]);
    const good = await app.exchange(callback);
    expect(good.json).toMatchObject({ expires_in: 7200, refresh_expires_in: 15_552_000, scope: "user.info.basic" });
    const held = heldFrom(good, {});
    const identity = app.service.identity ?? get("");
    expect((await app.call(identity, held)).json).toMatchObject({ error: { code: "ok" } });
    const dead = await app.call(identity, { ...held, access: "none" });
    expect(dead.json).toMatchObject({ error: { code: "access_token_invalid" } });
    // Scope video.list was not checked.
    expect((await app.call(app.service.resource, held)).json).toMatchObject({
      error: { code: "scope_not_authorized" },
    });
  });
});

describe("client authentication", () => {
  it("by HTTP Basic is refused at LinkedIn", async () => {
    const app = await appFor("linkedin");
    const pair = Buffer.from(`${app.client_id}:${clientSecretOf(app.client_id)}`).toString("base64");
    const refused = await read(
      await fetch(`${app.simulator.url}/${app.service.token}`, {
        method: "POST",
        headers: { authorization: `Basic ${pair}` },
        body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: "x" }),
      }),
    );
    expect([refused.status, refused.json["error"]]).toEqual([401, "invalid_client"]);
    expect(app.simulator.ledger().requests.at(-1)?.outcome).toBe("wrong_auth_method");
  });

  it("with a JSON body is refused at Discord", async () => {
    const app = await appFor("discord");
    const refused = await read(
      await fetch(`${app.simulator.url}/${app.service.token}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ client_id: app.client_id, client_secret: clientSecretOf(app.client_id) }),
      }),
    );
    expect(refused.json["error"]).toBe("invalid_request");
  });
});

describe("the token reply", () => {
  it("of Discord has guild and webhook for their scopes", async () => {
    const app = await appFor("discord");
    const callback = await app.consent();
    expect(callback.get("guild_id")).toMatch(/^\d{15,22}$/);
    const { json } = await app.exchange(callback);
    expect(record(json["guild"])["id"]).toBe(callback.get("guild_id"));
    expect(record(json["webhook"])["url"]).toMatch(/^https:\/\/discord\.com\/api\/webhooks\/\d+\//);
    const narrow = await app.connect({ scopes: ["identify"] });
    expect(narrow.reply.json).not.toHaveProperty("webhook");
  });

  it("of HubSpot joins both scope lists in one token, as an array", async () => {
    const app = await appFor("hubspot");
    const { reply, refresh } = await app.connect();
    const scopes = ["oauth", "crm.objects.contacts.read", "crm.objects.deals.read"];
    expect(reply.json).toMatchObject({ scopes, expires_in: 1800, hub_id: expect.any(Number) });
    const renewed = await app.refresh({ access: "", refresh, values: {} });
    expect(renewed.json["refresh_token"]).toBe(refresh);
    const refused = await app.refresh({ access: "", refresh: "none", values: {} });
    expect(refused.json).toMatchObject({ status: "BAD_REFRESH_TOKEN", error: "invalid_grant" });
  });

  it("of ClickUp and Splitwise has only a token and its type", async () => {
    for (const id of ["clickup", "splitwise"] as const) {
      const app = await appFor(id);
      expect(Object.keys((await app.connect()).reply.json).toSorted()).toEqual(["access_token", "token_type"]);
    }
  });

  it("of Square has its expiry as an instant in ISO 8601", async () => {
    const app = await appFor("square");
    const { reply } = await app.connect();
    expect(reply.json).not.toHaveProperty("expires_in");
    expect(Date.parse(String(reply.json["expires_at"])) - app.simulator.now()).toBe(30 * DAY_MS);
  });

  it("of QuickBooks has its own name for the refresh token's lifetime, and the callback has the company", async () => {
    const app = await appFor("quickbooks");
    const callback = await app.consent();
    expect(callback.get("realmId")).toMatch(/^\d{10,19}$/);
    const first = await app.exchange(callback);
    expect(first.json["x_refresh_token_expires_in"]).toBe(8_726_400);
    const held = heldFrom(first, { realmId: "93410000000000001" });
    expect((await app.call(app.service.resource, held)).status).toBe(403);
  });

  it("of Microsoft signs tenant and issuer, and omits offline_access", async () => {
    const app = await appFor("outlook");
    const { reply, refresh, access, values } = await app.connect();
    expect(String(reply.json["scope"]).split(" ")).not.toContain("offline_access");
    const claims = claimsOf(reply.json["id_token"]);
    const tid = String(claims["tid"]);
    expect(claims).toMatchObject({ aud: app.client_id, iss: `https://login.microsoftonline.com/${tid}/v2.0` });
    const narrow = await app.refresh({ access, refresh, values }, { scope: "User.Read" });
    expect(narrow.json["scope"]).toBe("User.Read");
    expect((await app.call(app.service.resource, heldFrom(narrow, {}))).status).toBe(403);
    const refused = await app.refresh({ access, refresh: "none", values });
    expect(refused.json).toMatchObject({
      error: "invalid_grant",
      error_codes: [9_002_313],
      error_description: expect.stringMatching(/^AADSTS9002313: /),
    });
    app.simulator.advance(90 * DAY_MS);
    const expired = await app.refresh({ access, refresh, values });
    expect(expired.json["error_codes"]).toEqual([700_082]);
  });

  it.each([
    ["outlook", { scope: "openid User.Read" }],
    ["typeform", { scope: "accounts:read" }],
    ["dropbox", { token_access_type: "online" }],
    ["x", { scope: "users.read" }],
    ["jira", { scope: "read:me" }],
    ["xero", { scope: "accounting.settings.read" }],
    ["snowflake", { scope: "session:role:PUBLIC" }],
    ["databricks", { scope: "all-apis" }],
    ["bamboohr", { scope: "employee" }],
  ] as const)("of %s has no refresh token when the request did not ask for one", async (id, changes) => {
    const app = await appFor(id);
    expect((await app.connect({}, changes)).reply.json).not.toHaveProperty("refresh_token");
  });
});

describe("the expiry of a refresh token", () => {
  it("is fixed at LinkedIn: 365 days after consent, no matter how often it is refreshed", async () => {
    const app = await appFor("linkedin");
    const held = await app.connect();
    expect(held.reply.json["refresh_token_expires_in"]).toBe(31_536_000);
    app.simulator.advance(100 * DAY_MS);
    const later = await app.refresh(held);
    expect(later.json).toMatchObject({ refresh_token: held.refresh, refresh_token_expires_in: 22_896_000 });
    app.simulator.advance(265 * DAY_MS);
    expect((await app.refresh(held)).json["error"]).toBe("invalid_grant");
  });

  it("is fixed at LinkedIn with rotation, too", async () => {
    const app = await appFor("linkedin", ["rotate"]);
    const held = await app.connect();
    app.simulator.advance(100 * DAY_MS);
    const renewed = await app.refresh(held);
    expect(renewed.json["refresh_token"]).not.toBe(held.refresh);
    expect(renewed.json["refresh_token_expires_in"]).toBe(22_896_000);
  });

  it("slides at Airtable: each one lives 60 days", async () => {
    const app = await appFor("airtable");
    let held = await app.connect();
    for (let round = 0; round < 3; round += 1) {
      app.simulator.advance(59 * DAY_MS);
      const reply = await app.refresh(held);
      expect(reply.json["refresh_expires_in"]).toBe(5_184_000);
      held = { ...heldFrom(reply, {}), reply };
    }
    app.simulator.advance(60 * DAY_MS);
    expect((await app.refresh(held)).json["error"]).toBe("invalid_grant");
  });

  it("does not change with use at Microsoft: old and new are both accepted, and the ledger shows both", async () => {
    const app = await appFor("one_drive");
    const held = await app.connect();
    const renewed = heldFrom(await app.refresh(held), {});
    const valid = app.simulator.ledger().valid_refresh_tokens;
    expect(valid.toSorted()).toEqual([sha256(held.refresh), sha256(renewed.refresh)].toSorted());
  });

  it("comes with the first use at Microsoft when mode rotate requests the strictest behavior", async () => {
    const app = await appFor("one_drive", ["rotate"]);
    const held = await app.connect();
    await app.refresh(held);
    expect((await app.refresh(held)).json["error"]).toBe("invalid_grant");
    expect(app.simulator.ledger().families_revoked).toHaveLength(1);
  });

  it("comes ten minutes after use at Jira, and reuse then ends the grant", async () => {
    const app = await appFor("jira");
    const held = await app.connect();
    await app.refresh(held);
    app.simulator.advance(599_999);
    expect((await app.refresh(held)).status).toBe(200);
    app.simulator.advance(1);
    expect((await app.refresh(held)).status).toBe(403);
    expect(app.simulator.ledger().families_revoked).toHaveLength(1);
  });
});

describe("a refresh", () => {
  it("at Typeform must repeat the scopes, or the new token has none", async () => {
    const app = await appFor("typeform");
    const held = await app.connect();
    const body = { grant_type: "refresh_token", refresh_token: held.refresh, client_id: app.client_id };
    const bare = await read(
      await fetch(`${app.simulator.url}/${app.service.token}`, {
        method: "POST",
        body: new URLSearchParams({ ...body, client_secret: clientSecretOf(app.client_id) }),
      }),
    );
    expect(bare.json["scope"]).toBe("");
    expect((await app.call(app.service.resource, heldFrom(bare, {}))).status).toBe(403);
  });
});

describe("a code", () => {
  it("expires after half a minute at Box", async () => {
    const app = await appFor("box");
    const callback = await app.consent();
    app.simulator.advance(30_000);
    expect((await app.exchange(callback)).json["error_description"]).toBe("The authorization code has expired");
  });
});

describe("Wix", () => {
  it("signs the installation with the app's secret", async () => {
    const app = await appFor("wix");
    const callback = await app.consent();
    const [signature, data = ""] = (callback.get("signedInstance") ?? "").split(".");
    const expected = createHmac("sha256", clientSecretOf(app.client_id)).update(data).digest("base64url");
    expect(signature).toBe(expected);
    expect(JSON.parse(Buffer.from(data, "base64url").toString())).toMatchObject({
      instanceId: callback.get("instanceId"),
      appDefId: app.client_id,
    });
  });

  it("accepts the older installer's names, with state as a parameter", async () => {
    const app = await appFor("wix");
    const query = new URLSearchParams({ appId: app.client_id, redirectUrl: "http://127.0.0.1:9/cb", state: "s" });
    const url = await approveConsent(`${app.simulator.url}/www.wix.com/installer/install?${query.toString()}`);
    expect(new URL(url).searchParams.get("state")).toBe("s");
    expect(new URL(url).searchParams.get("instanceId")).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("compares a registered return address without its query", async () => {
    const app = await appFor("wix");
    const { client_id } = app;
    app.simulator.registerClient({ client_id, redirect_uris: ["http://127.0.0.1:9/callback/vendor"] });
    expect((await app.consent()).has("instanceId")).toBe(true);
    app.simulator.registerClient({ client_id, redirect_uris: ["http://127.0.0.1:9/other"] });
    await expect(app.consent()).rejects.toThrow(/not registered/);
  });

  it("issues tokens as often as requested, fails only those after the first, and stops when the app is removed", async () => {
    const app = await appFor("wix", ["500-then-ok"]);
    const held = await app.connect();
    expect((await app.refresh(held)).status).toBe(500);
    expect((await app.refresh(held)).json["expires_in"]).toBe(14_400);
    expect(app.simulator.ledger().hosts["www.wixapis.com"]).toEqual({ code_exchange: 1, refresh: 2 });
    const info = postJson("www.wixapis.com/oauth2/token-info", { token: "{access}" }, {});
    expect((await app.call(info, held)).json).toMatchObject({ active: true, instanceId: held.values["instanceId"] });
    app.simulator.revokeGrants({ account: "ada" });
    expect((await app.call(info, held)).json).toEqual({ active: false });
    expect((await app.refresh(held)).status).toBe(400);
  });
});

describe("Instagram", () => {
  const long = get(
    "graph.instagram.com/access_token?grant_type=ig_exchange_token&client_secret={client_secret}&access_token={access}",
    {},
  );
  const renew = get("graph.instagram.com/refresh_access_token?grant_type=ig_refresh_token&access_token={access}", {});

  it("exchanges a token of an hour for one of 60 days, and renews that one after a day", async () => {
    const app = await appFor("instagram");
    const short = await app.connect();
    expect(short.reply.json).toMatchObject({
      permissions: ["instagram_business_basic", "instagram_business_content_publish"],
    });
    expect((await app.call(renew, short)).status).toBe(400);
    const first = await app.call(long, short);
    expect(first.json).toMatchObject({ token_type: "bearer", expires_in: 5_184_000 });
    const held = heldFrom(first, {});
    expect((await app.call(renew, held)).status).toBe(400);
    app.simulator.advance(DAY_MS);
    expect((await app.call(app.service.resource, short)).json).toMatchObject({ error: { code: 190 } });
    const second = heldFrom(await app.call(renew, held), {});
    app.simulator.advance(59 * DAY_MS);
    expect((await app.call(app.service.resource, held)).status).toBe(400);
    expect((await app.call(app.service.resource, second)).status).toBe(200);
    // The vendor requires these secrets in the query, so they are not leaks.
    expect(app.simulator.ledger().query_secrets_seen).toEqual([]);
  });

  it("reports in Graph's format that the user has revoked it, when that happens at the renewal", async () => {
    const app = await appFor("instagram", ["revoked"]);
    const held = heldFrom(await app.call(long, await app.connect()), {});
    app.simulator.advance(DAY_MS);
    const refused = await app.call(renew, held);
    expect([refused.status, record(refused.json["error"])["type"]]).toEqual([400, "OAuthException"]);
    expect((await app.call(app.service.resource, held)).status).toBe(401);
  });

  it("applies faults to the renewal, and requires the right secret", async () => {
    const app = await appFor("instagram", ["500-then-ok"]);
    const short = await app.connect();
    const wrong = get(
      "graph.instagram.com/access_token?grant_type=ig_exchange_token&client_secret=no&access_token={access}",
      {},
    );
    expect((await app.call(wrong, short)).status).toBe(400);
    const held = heldFrom(await app.call(long, short), {});
    app.simulator.advance(DAY_MS);
    expect((await app.call(renew, held)).status).toBe(500);
    expect((await app.call(renew, held)).status).toBe(200);
    expect(app.simulator.ledger().requests.map(({ kind }) => kind)).toEqual([
      "authorize",
      "consent",
      "code_exchange",
      "code_exchange",
      "code_exchange",
      "refresh",
      "refresh",
    ]);
  });
});

it("keeps simulators in one process separate", async () => {
  const [one, two] = [await startSimulator(), await startSimulator()];
  const held = await appAt(one, "generic").connect();
  const other = appAt(two, "generic");
  expect((await other.call(other.service.resource, held)).status).toBe(401);
  await Promise.all([one.close(), two.close()]);
});
