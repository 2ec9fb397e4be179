import { describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { CANARY, catalog, credentials, fakeProvider, json, plainProvider, rig } from "./support.ts";

const query = (provider: Provider, config = {}) => ({
  provider,
  config,
  access_token: new Secret(CANARY.access),
  client: credentials,
  token: {},
});

async function identityOf(provider: Provider, body: unknown, status = 200) {
  const fake = await fakeProvider((response) => json(response, body, status));
  const result = await rig(fake.gateway).client.identity(query(provider));
  return { result, seen: fake.seen };
}

const account = (id: string | null, label: string | null, email: string | null) => ({ id, label, email });

describe("identity", () => {
  it.each<[string, unknown, string, object, object]>([
    [
      "googlecalendar",
      { sub: "1", name: "Ada", email: "a@b.example" },
      "GET /openidconnect.googleapis.com/v1/userinfo",
      account("1", "Ada", "a@b.example"),
      {},
    ],
    [
      "github",
      { id: 583_231, login: "ada", email: null },
      "GET /api.github.com/user",
      account("583231", "ada", null),
      {},
    ],
    [
      "slack",
      { ok: true, user_id: "U1", user: "ada", team_id: "T1" },
      "POST /slack.com/api/auth.test",
      account("U1", "ada", null),
      {},
    ],
    [
      "slackbot",
      { ok: true, user_id: "U1", team: "Acme", team_id: "T1" },
      "POST /slack.com/api/auth.test",
      account("T1", "Acme", null),
      {},
    ],
    [
      "salesforce",
      {
        user_id: "005000000000001AAA",
        organization_id: "00D000000000001",
        preferred_username: "ada@acme",
        email: "a@b.example",
      },
      "GET /login.salesforce.com/services/oauth2/userinfo",
      account("005000000000001AAA", "ada@acme", "a@b.example"),
      { organization_id: "00D000000000001", user_id: "005000000000001AAA" },
    ],
  ])("requests %s with the token and reads the account", async (id, body, sent, expected, config) => {
    const { result, seen } = await identityOf(catalog(id), body);
    expect(result).toEqual({ kind: "ok", account: expected, config });
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([sent]);
    expect(seen[0]?.headers).toMatchObject({
      authorization: `Bearer ${CANARY.access}`,
      "user-agent": "Holdfast/0.1 (+connectors)",
    });
  });

  it("is in the token response for notion, so nothing is sent", async () => {
    const fake = await fakeProvider((response) => json(response, {}));
    const token = { workspace_name: "Acme", owner: { user: { id: "u1", person: { email: "a@b.example" } } } };
    const result = await rig(fake.gateway).client.identity({ ...query(catalog("notion")), token });
    expect(result).toEqual({ kind: "ok", account: account("u1", "Acme", "a@b.example"), config: {} });
    expect(fake.seen).toHaveLength(0);
  });

  it.each<[string, Provider, unknown, number, string]>([
    ["401", plainProvider(), { error: CANARY.access }, 401, "unrecognised_error"],
    ["500 with a page", plainProvider(), "<html>", 500, "http_500"],
    ["a body that is not an object", plainProvider(), [1], 200, "provider_bad_response"],
    ["slack's ok: false", catalog("slack"), { ok: false, error: "invalid_auth" }, 200, "invalid_auth"],
    ["slack without its ok flag", catalog("slack"), { user_id: "U1" }, 200, "http_200"],
  ])("fails on %s without repeating the response", async (_claim, provider, body, status, detail) => {
    expect((await identityOf(provider, body, status)).result).toEqual({ kind: "failed", detail });
  });

  it("fails if the provider is unreachable or the config gives no URL", async () => {
    const fake = await fakeProvider((response) => response.destroy());
    const { client } = rig(fake.gateway);
    expect(await client.identity(query(plainProvider()))).toEqual({ kind: "failed", detail: "connection_lost" });
    expect(await client.identity(query(catalog("salesforce"), { hostname: "evil.example" }))).toEqual({
      kind: "failed",
      detail: "invalid_connection_config",
    });
  });

  it("cleans text for display", async () => {
    const { result } = await identityOf(plainProvider(), {
      id: "1",
      name: ` A\u0000d\u202Ea\n${"x".repeat(500)}`,
      email: "",
    });
    expect(result).toMatchObject({ account: { label: `Ada${"x".repeat(197)}`, email: null } });
  });
});

const healthOn = async (text: string) => {
  const fake = await fakeProvider((response) => response.writeHead(403).end(text));
  return rig(fake.gateway).client.health(query(catalog("salesforce")));
};

describe("health", () => {
  it.each<[string, string, unknown, number, "alive" | "dead" | "unknown"]>([
    ["200", "github", { id: 1 }, 200, "alive"],
    ["401", "github", { message: "Bad credentials" }, 401, "dead"],
    ["a rate limit", "github", { message: "rate limit" }, 403, "unknown"],
    ["429", "github", {}, 429, "unknown"],
    ["500", "github", {}, 500, "unknown"],
    ["a redirect", "github", {}, 302, "unknown"],
    ["ok", "slack", { ok: true }, 200, "alive"],
    ["an invalid token in HTTP 200", "slack", { ok: false, error: "token_revoked" }, 200, "dead"],
    ["a temporary error in HTTP 200", "slack", { ok: false, error: "internal_error" }, 200, "unknown"],
    ["an unknown error in HTTP 200", "slack", { ok: false, error: "quantum_flux" }, 200, "unknown"],
    ["a server error that names an invalid token", "slack", { ok: false, error: "token_revoked" }, 500, "unknown"],
  ])("%s from %s", async (_claim, id, body, status, expected) => {
    const fake = await fakeProvider((response) => json(response, body, status));
    expect(await rig(fake.gateway).client.health(query(catalog(id)))).toBe(expected);
  });

  it("recognizes the plain text with which salesforce rejects a token", async () => {
    expect(await healthOn("Bad_OAuth_Token")).toBe("dead");
    expect(await healthOn("Missing_OAuth_Scope")).toBe("unknown");
  });

  it("is unknown if the provider is unreachable or the config gives no URL", async () => {
    const fake = await fakeProvider((response) => response.destroy());
    const { client } = rig(fake.gateway);
    expect(await client.health(query(plainProvider()))).toBe("unknown");
    expect(await client.health(query(catalog("salesforce"), { hostname: "evil.example" }))).toBe("unknown");
  });
});
