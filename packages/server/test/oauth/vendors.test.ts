/** The requests and responses of each vendor, with the real client against a server on loopback. */
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { providers } from "../../src/providers/index.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { sampleConfig } from "../providers/samples.ts";
import { CANARY, catalog, credentials, fakeProvider, json, manualClock, opened, refreshCall, rig } from "./support.ts";

const form = (text: string) => Object.fromEntries(new URLSearchParams(text));

async function exchangedWith(provider: Provider, responses: readonly object[], query = "code=c") {
  const queue = [...responses];
  const fake = await fakeProvider((response) => json(response, queue.shift() ?? {}));
  const { client } = rig(fake.gateway);
  const reading = client.readCallback(provider, new URLSearchParams(query));
  if (reading.kind !== "granted") throw new Error(reading.kind);
  const outcome = await client.exchange({
    provider,
    config: sampleConfig(provider),
    client: credentials,
    redirect_uri: "https://connect.example/cb",
    callback: reading.grant,
    code_verifier: provider.pkce === "S256" ? new Secret(CANARY.verifier) : null,
    requested_scopes: provider.default_scopes,
  });
  return { tokens: opened(outcome), seen: fake.seen };
}

async function identified(id: string, body: unknown, status = 200) {
  const fake = await fakeProvider((response) => json(response, body, status));
  const provider = catalog(id);
  const result = await rig(fake.gateway).client.identity({
    provider,
    config: sampleConfig(provider),
    access_token: new Secret(CANARY.access),
    client: credentials,
    token: {},
  });
  return { result, seen: fake.seen[0] };
}

const good = { access_token: "a", refresh_token: "r", token_type: "bearer", expires_in: 60 };

describe("token responses", () => {
  it.each<[string, object, object]>([
    ["airtable", { ...good, refresh_expires_in: 5_184_000 }, { refresh_announced_s: 5_184_000 }],
    [
      "tiktok",
      { ...good, refresh_expires_in: 9, open_id: "_000abcdefg", scope: "a,b" },
      { scopes: ["a", "b"], config: { open_id: "_000abcdefg" } },
    ],
    ["quickbooks", { ...good, x_refresh_token_expires_in: 8_726_400 }, { refresh_announced_s: 8_726_400 }],
    [
      "hubspot",
      { ...good, scopes: ["oauth", "tickets"], hub_id: 42 },
      { scopes: ["oauth", "tickets"], config: { hub_id: "42" } },
    ],
    ["clickup", { access_token: "a" }, { refresh_token: null, announced_s: null, scopes: null }],
    ["splitwise", { access_token: "a", token_type: "bearer" }, { refresh_token: null, announced_s: null }],
    ["linkedin", { access_token: "a", expires_in: 60, scope: "email,openid" }, { scopes: ["email", "openid"] }],
    ["wrike", { ...good, host: "app-eu.wrike.com" }, { config: { host: "app-eu.wrike.com" } }],
    ["wrike", { ...good, host: "app.wrike.com.evil.example" }, { config: {} }],
    ["salesforce", { ...good, instance_url: "https://evil.example" }, { config: {} }],
    [
      "discord",
      { ...good, guild: { id: "123456789012345678" }, webhook: { token: "t" } },
      { config: { guild_id: "123456789012345678" }, extra: {} },
    ],
    ["dropbox", { ...good, account_id: "dbid:AAH", uid: "1" }, { config: { account_id: "dbid:AAH" } }],
    ["snowflake", { ...good, username: "ADA" }, { config: { username: "ADA" }, extra: { username: "ADA" } }],
    ["square", { ...good, merchant_id: "MLABC123" }, { config: { merchant_id: "MLABC123" } }],
  ])("%s: %j", async (id, tokens, expected) => {
    expect((await exchangedWith(catalog(id), [tokens])).tokens).toMatchObject(expected);
  });

  it("are requested with the vendor's name for the client id", async () => {
    const { seen } = await exchangedWith(catalog("tiktok"), [good]);
    expect(form(seen[0]?.body ?? "")).toMatchObject({ client_key: "client-1.2_3", client_secret: CANARY.secret });
    expect(form(seen[0]?.body ?? "")).not.toHaveProperty("client_id");
  });

  it("leave out values of the redirect, which are read from there", async () => {
    const { tokens } = await exchangedWith(catalog("quickbooks"), [good], "code=c&realmId=9130347596842384");
    expect(tokens).toMatchObject({ config: { realm_id: "9130347596842384" } });
    const other = await exchangedWith(catalog("quickbooks"), [good], "code=c&realmId=../x");
    expect(other.tokens).toMatchObject({ config: {} });
  });

  it("for an hour are exchanged for ones valid for weeks, which renew themselves", async () => {
    const instagram = catalog("instagram");
    const short = { access_token: "short", user_id: 17_841_400_000, permissions: "instagram_business_basic" };
    const long = { access_token: "long", token_type: "bearer", expires_in: 5_183_944 };
    const { tokens, seen } = await exchangedWith(instagram, [short, long]);
    expect(tokens).toMatchObject({ access_token: "long", refresh_token: "long", announced_s: 5_183_944 });
    expect(seen[1]).toMatchObject({ method: "GET" });
    expect(seen[1]?.url).toBe(
      `/graph.instagram.com/access_token?grant_type=ig_exchange_token&client_secret=${CANARY.secret}&access_token=short`,
    );

    const fake = await fakeProvider((response) => json(response, { ...long, access_token: "longer" }));
    const renewed = await rig(fake.gateway).client.refresh(
      refreshCall(instagram, { refresh_token: new Secret("long") }),
    );
    expect(opened(renewed)).toMatchObject({ access_token: "longer", refresh_token: "longer" });
    expect(fake.seen[0]?.url).toBe(
      "/graph.instagram.com/refresh_access_token?grant_type=ig_refresh_token&access_token=long",
    );
  });

  it("for weeks end the connection if they are rejected, and not on other errors", async () => {
    const outcomeOf = async (status: number, code: number) => {
      const fake = await fakeProvider((response) =>
        json(response, { error: { type: "OAuthException", code } }, status),
      );
      return rig(fake.gateway).client.refresh(refreshCall(catalog("instagram")));
    };
    expect(await outcomeOf(400, 190)).toEqual({ kind: "refused", error: "190" });
    expect(await outcomeOf(400, 4)).toMatchObject({ kind: "retry_later", error: "4" });
    expect(await outcomeOf(500, 190)).toMatchObject({ kind: "unknown" });
  });

  it.each([
    ["a rate limit", 429, {}, { kind: "retry_later", sent: true, retry_after_ms: 7_000, error: "http_429" }],
    [
      "a vendor's limit",
      400,
      { error: { code: 4 } },
      { kind: "retry_later", sent: true, retry_after_ms: 7_000, error: "4" },
    ],
    [
      "a token of another kind",
      200,
      { access_token: "a", token_type: "mac" },
      { kind: "unknown", error: "unsupported_token_type" },
    ],
    [
      "a type that is not a string",
      200,
      { access_token: "a", token_type: 1 },
      { kind: "unknown", error: "provider_bad_response" },
    ],
    ["no token", 200, { token_type: "bearer" }, { kind: "unknown", error: "provider_bad_response" }],
  ])("for weeks are renewed by the rules of a token endpoint: %s", async (_claim, status, body, expected) => {
    const fake = await fakeProvider((response) => json(response, body, status, { "retry-after": "7" }));
    expect(await rig(fake.gateway).client.refresh(refreshCall(catalog("instagram")))).toEqual(expected);
  });

  it("for weeks are renewed within the refresh deadline, not the timeout of an API call", async () => {
    const clock = manualClock();
    const fake = await fakeProvider((response) => {
      clock.advance(13_000);
      json(response, { access_token: "longer", token_type: "bearer" });
    });
    const outcome = await rig(fake.gateway, {}, clock).client.refresh(refreshCall(catalog("instagram")));
    expect(opened(outcome)).toMatchObject({ access_token: "longer" });
  });

  it("are not requested if the caller gives up before the first byte", async () => {
    const fake = await fakeProvider((response) => json(response, good));
    for (const id of ["instagram", "wix", "box"]) {
      const outcome = await rig(fake.gateway).client.refresh(refreshCall(catalog(id), { onSend: () => false }));
      expect([id, outcome]).toMatchObject([id, { kind: "retry_later", sent: false, error: "gave_up" }]);
    }
    expect(fake.seen).toHaveLength(0);
  });
});

describe("errors by the vendors' names", () => {
  it.each<[string, number, object, string, string]>([
    ["tiktok", 200, { error: "invalid_grant", error_description: "x", log_id: "1" }, "refused", "invalid_grant"],
    ["tiktok", 200, { error: "rate_limit_exceeded" }, "retry_later", "rate_limit_exceeded"],
    ["tiktok", 200, { error: "internal_error" }, "unknown", "internal_error"],
    ["tiktok", 401, { error: "invalid_client_key" }, "misconfigured", "invalid_client_key"],
    ["hubspot", 400, { status: "BAD_REFRESH_TOKEN", message: "x" }, "refused", "bad_refresh_token"],
    ["hubspot", 400, { error: "invalid_grant", status: "BAD_REFRESH_TOKEN" }, "refused", "invalid_grant"],
    ["outlook", 400, { error: "interaction_required", error_codes: [50_076] }, "refused", "interaction_required"],
    ["outlook", 400, { error: "temporarily_unavailable" }, "retry_later", "temporarily_unavailable"],
    ["outlook", 401, { error: "invalid_client", error_codes: [7_000_222] }, "misconfigured", "invalid_client"],
    ["gmail", 400, { error: "invalid_grant", error_subtype: "invalid_rapt" }, "refused", "invalid_grant"],
    ["gmail", 401, { error: "deleted_client" }, "misconfigured", "deleted_client"],
    ["github", 200, { error: "bad_refresh_token" }, "refused", "bad_refresh_token"],
    ["github", 200, { error: "incorrect_client_credentials" }, "misconfigured", "incorrect_client_credentials"],
    ["slack", 200, { ok: false, error: "invalid_refresh_token" }, "refused", "invalid_refresh_token"],
    ["salesforce", 400, { error: "inactive_org" }, "refused", "inactive_org"],
    ["linkedin", 400, { error: "invalid_request" }, "retry_later", "invalid_request"],
    ["x", 400, { error: "invalid_request" }, "refused", "invalid_request"],
    ["wix", 404, { error: "app_not_installed" }, "refused", "app_not_installed"],
  ])("%s responds with %i %j", async (id, status, body, kind, error) => {
    const fake = await fakeProvider((response) => json(response, body, status));
    expect(await rig(fake.gateway).client.refresh(refreshCall(catalog(id)))).toMatchObject({ kind, error });
  });

  it.each([...providers.values()])("$id: every listed name has its outcome", async (provider) => {
    const outcomes = { refused: "refused", misconfigured: "misconfigured", transient: "retry_later" } as const;
    let error = "";
    const fake = await fakeProvider((response) => json(response, { error }, 400));
    const { client } = rig(fake.gateway);
    const config = sampleConfig(provider);
    const refreshWith = async (name: string) => {
      error = name;
      return (await client.refresh(refreshCall(provider, { config }))).kind;
    };
    for (const nameClass of ["refused", "misconfigured", "transient"] as const) {
      for (const name of provider.errors[nameClass]) {
        expect([name, await refreshWith(name)]).toEqual([name, outcomes[nameClass]]);
      }
    }
    expect(await refreshWith("invalid_grant")).toBe("refused");
    expect(await refreshWith("invalid_client")).toBe("misconfigured");
    expect(await refreshWith("an_unknown_name")).toBe("retry_later");
  });
});

describe("accounts", () => {
  it.each<[string, unknown, object]>([
    [
      "dropbox",
      { account_id: "dbid:1", email: "a@b.example", name: { display_name: "Ada" } },
      { account: { id: "dbid:1", label: "Ada", email: "a@b.example" } },
    ],
    [
      "linear",
      { data: { viewer: { id: "u", name: "Ada", email: "a@b.example" }, organization: { id: "o", urlKey: "acme" } } },
      { account: { id: "u" }, config: { organization_url_key: "acme" } },
    ],
    [
      "wrike",
      { data: [{ id: "K1", firstName: "Ada", profiles: [{ email: "a@b.example" }] }] },
      { account: { id: "K1", email: "a@b.example" } },
    ],
    [
      "tiktok",
      { data: { user: { open_id: "o", display_name: "Ada" } }, error: { code: "ok" } },
      { account: { id: "o", label: "Ada" } },
    ],
    [
      "hubspot",
      { hub_id: 42, hub_domain: "acme.com", user: "a@b.example" },
      { account: { id: "42", label: "acme.com", email: "a@b.example" } },
    ],
    [
      "jira",
      [{ id: "11223344-a1b2-3b33-c444-def123456789", name: "acme" }],
      { account: { label: "acme" }, config: { cloud_id: "11223344-a1b2-3b33-c444-def123456789" } },
    ],
  ])("%s: %j", async (id, body, expected) => {
    expect((await identified(id, body)).result).toMatchObject({ kind: "ok", ...expected });
  });

  it.each<[string, unknown]>([
    ["tiktok", { data: { user: { open_id: "o" } }, error: { code: "access_token_invalid" } }],
    ["jira", []],
  ])("%s is not read from %j", async (id, body) => {
    expect((await identified(id, body)).result).toMatchObject({ kind: "failed" });
  });

  it("are requested in each vendor's form", async () => {
    expect((await identified("dropbox", {})).seen).toMatchObject({ method: "POST", body: "null" });
    const linear = (await identified("linear", {})).seen;
    expect(JSON.parse(linear?.body ?? "")).toEqual({
      query: "{ viewer { id name email } organization { id urlKey name } }",
    });
    const hubspot = (await identified("hubspot", {})).seen;
    expect(hubspot?.headers.authorization).toBeUndefined();
    expect(form(hubspot?.body ?? "")).toEqual({
      client_id: "client-1.2_3",
      client_secret: CANARY.secret,
      token: CANARY.access,
      token_type_hint: "access_token",
    });
  });

  it("of a live token", async () => {
    const health = async (id: string, body: unknown) => {
      const fake = await fakeProvider((response) => json(response, body));
      return rig(fake.gateway).client.health({ provider: catalog(id), config: {}, access_token: new Secret("a") });
    };
    expect(await health("dropbox", { result: "ping" })).toBe("alive");
    expect(await health("dropbox", {})).toBe("unknown");
    expect(await health("linear", { data: { viewer: { id: "u" } } })).toBe("alive");
    expect(await health("linear", { data: null, errors: [{}] })).toBe("unknown");
    expect(await health("tiktok", { error: { code: "ok" } })).toBe("alive");
  });
});

describe("revocations", () => {
  const revoked = async (id: string, changes = {}) => {
    const fake = await fakeProvider((response) => json(response, {}));
    const tokens = { access_token: new Secret(CANARY.access), refresh_token: new Secret(CANARY.refresh) };
    const call = { provider: catalog(id), config: {}, client: credentials, ...tokens, ...changes };
    return { result: await rig(fake.gateway).client.revoke(call), seen: fake.seen[0] };
  };

  it("have each vendor's form", async () => {
    expect(form((await revoked("tiktok")).seen?.body ?? "")).toEqual({
      client_key: "client-1.2_3",
      client_secret: CANARY.secret,
      token: CANARY.access,
    });
    const dropbox = (await revoked("dropbox")).seen;
    expect([dropbox?.headers.authorization, dropbox?.body]).toEqual([`Bearer ${CANARY.access}`, "null"]);
    const square = (await revoked("square")).seen;
    expect(square?.headers.authorization).toBe(`Client ${CANARY.secret}`);
    expect(JSON.parse(square?.body ?? "")).toEqual({ client_id: "client-1.2_3", access_token: CANARY.access });
    expect(JSON.parse((await revoked("supabase")).seen?.body ?? "")).toMatchObject({ refresh_token: CANARY.refresh });
  });

  it("send nothing without the token they need", async () => {
    const { result, seen } = await revoked("supabase", { refresh_token: null });
    expect([result, seen]).toEqual([{ kind: "failed", retry: false, detail: "no_token" }, undefined]);
  });
});

describe("a code", () => {
  const read = (id: string, query: string) =>
    rig("http://127.0.0.1:1").client.readCallback(catalog(id), new URLSearchParams(query));

  it.each<[string, string]>([
    ["code=c", "granted"],
    ["code=c&session_state=1&hd=x&hd=y", "granted"],
    ["error=access_denied", "denied"],
    ["error=x&code=c", "invalid"],
    ["", "invalid"],
    ["code=", "invalid"],
    [`code=${"c".repeat(4097)}`, "invalid"],
    ["code=c&code=d", "repeated"],
    [`instanceId=11223344-a1b2-3b33-c444-def123456789&signedInstance=a.b`, "invalid"],
  ])("from %s is %s", (query, kind) => {
    expect(read("outlook", query).kind).toBe(kind);
  });

  it("is rejected if another value of the redirect is repeated", () => {
    expect(read("quickbooks", "code=c&realmId=1&realmId=2").kind).toBe("repeated");
  });
});
