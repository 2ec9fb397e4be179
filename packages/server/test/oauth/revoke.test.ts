import { describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import type { RevokeCall } from "../../src/oauth/revoke.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { CANARY, catalog, credentials, fakeProvider, json, plainProvider, rig } from "./support.ts";

const call = (provider: Provider, changes: Partial<RevokeCall> = {}): RevokeCall => ({
  provider,
  config: {},
  client: credentials,
  access_token: new Secret(CANARY.access),
  refresh_token: new Secret(CANARY.refresh),
  ...changes,
});

async function revoked(provider: Provider, body: unknown = {}, status = 200, changes: Partial<RevokeCall> = {}) {
  const fake = await fakeProvider((response) => {
    if (body === null) response.writeHead(status).end();
    else json(response, body, status);
  });
  const result = await rig(fake.gateway).client.revoke(call(provider, changes));
  return { result, seen: fake.seen };
}

const basic = `Basic ${Buffer.from(`client-1.2_3:${CANARY.secret}`).toString("base64")}`;
const form = (body: string) => Object.fromEntries(new URLSearchParams(body));

const failed = (detail: string, retry: boolean) => ({ kind: "failed", retry, detail });

describe("revocation", () => {
  it("sends the refresh token by RFC 7009, with the client's secret if required", async () => {
    const { result, seen } = await revoked(plainProvider(), null);
    expect(result).toEqual({ kind: "revoked" });
    expect(seen[0]?.url).toBe("/plain.example/revoke");
    expect(form(seen[0]?.body ?? "")).toEqual({
      token: CANARY.refresh,
      client_id: "client-1.2_3",
      client_secret: CANARY.secret,
    });
  });

  it.each([
    ["googlecalendar", "/oauth2.googleapis.com/revoke"],
    ["salesforce", "/login.salesforce.com/services/oauth2/revoke"],
  ])("sends %s only the token", async (id, url) => {
    const { result, seen } = await revoked(catalog(id));
    expect(result).toEqual({ kind: "revoked" });
    expect(seen[0]?.url).toBe(url);
    expect(form(seen[0]?.body ?? "")).toEqual({ token: CANARY.refresh });
  });

  it("falls back to the access token if there is no refresh token", async () => {
    const { seen } = await revoked(catalog("googlecalendar"), {}, 200, { refresh_token: null });
    expect(form(seen[0]?.body ?? "")).toEqual({ token: CANARY.access });
  });

  it("stays a form even if token requests are JSON", async () => {
    const { seen } = await revoked(plainProvider({ token_body: "json" }));
    expect(form(seen[0]?.body ?? "")).toMatchObject({ token: CANARY.refresh });
  });

  it("uses DELETE, Basic and JSON at the client's own URL for GitHub", async () => {
    const { result, seen } = await revoked(catalog("github"), null, 204);
    expect(result).toEqual({ kind: "revoked" });
    expect(seen).toMatchObject([{ method: "DELETE", url: "/api.github.com/applications/client-1.2_3/token" }]);
    expect(seen[0]?.headers.authorization).toBe(basic);
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ access_token: CANARY.access });
  });

  it("uses Basic and JSON for Notion", async () => {
    const { seen } = await revoked(catalog("notion"));
    expect(seen[0]).toMatchObject({ method: "POST", url: "/api.notion.com/v1/oauth/revoke" });
    expect(seen[0]?.headers).toMatchObject({ authorization: basic, "notion-version": "2022-06-28" });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ token: CANARY.access });
  });

  it("authenticates with the token itself for Slack, and accepts only `ok: true`", async () => {
    const { result, seen } = await revoked(catalog("slack"), { ok: true, revoked: true });
    expect(result).toEqual({ kind: "revoked" });
    expect(seen[0]).toMatchObject({ method: "POST", url: "/slack.com/api/auth.revoke", body: "" });
    expect(seen[0]?.headers.authorization).toBe(`Bearer ${CANARY.access}`);
    expect((await revoked(catalog("slack"), {})).result).toMatchObject({ kind: "failed" });
  });

  it.each<[string, string, unknown, number, object]>([
    ["a token that is already invalid", "googlecalendar", { error: "invalid_token" }, 400, { kind: "revoked" }],
    ["the same in HTTP 200", "slack", { ok: false, error: "token_revoked" }, 200, { kind: "revoked" }],
    [
      "an expired token, whose grant may be valid",
      "slack",
      { ok: false, error: "token_expired" },
      200,
      failed("token_expired", false),
    ],
    ["an error in HTTP 200", "slack", { ok: false, error: "internal_error" }, 200, failed("internal_error", true)],
    ["429", "googlecalendar", {}, 429, failed("http_429", true)],
    ["503", "googlecalendar", {}, 503, failed("http_503", true)],
    [
      "503 with an invalid token's name",
      "googlecalendar",
      { error: "invalid_token" },
      503,
      failed("invalid_token", true),
    ],
    ["a wrong client", "notion", { error: "invalid_client" }, 401, failed("invalid_client", false)],
    ["404", "github", { message: "Not Found" }, 404, failed("http_404", false)],
    ["a redirect", "github", {}, 307, failed("http_307", false)],
    ["an echo of the token", "googlecalendar", { error: CANARY.refresh }, 400, failed("unrecognised_error", false)],
  ])("reads %s from %s", async (_claim, id, body, status, expected) => {
    expect((await revoked(catalog(id), body, status)).result).toEqual(expected);
  });

  it("is unsupported if the provider has none", async () => {
    const { result, seen } = await revoked(plainProvider({ revocation: { kind: "none", note: "on its pages" } }));
    expect(result).toEqual({ kind: "unsupported" });
    expect(seen).toHaveLength(0);
  });

  it.each(["googlecalendar", "slack", "github", "notion"])("sends %s nothing if there is no token", async (id) => {
    const { result, seen } = await revoked(catalog(id), {}, 200, { access_token: null, refresh_token: null });
    expect(result).toEqual(failed("no_token", false));
    expect(seen).toHaveLength(0);
  });

  it("sends nothing to a URL that the client id or the config would change", async () => {
    const client = { ...credentials, client_id: "../../user" };
    const other_path = await revoked(catalog("github"), {}, 200, { client });
    expect([other_path.result, other_path.seen.length]).toEqual([failed("invalid_connection_config", false), 0]);
    const config = { hostname: "evil.example" };
    const other_host = await revoked(catalog("salesforce"), {}, 200, { config });
    expect([other_host.result, other_host.seen.length]).toEqual([failed("invalid_connection_config", false), 0]);
  });

  it("can be retried if the provider was unreachable", async () => {
    for (const id of ["googlecalendar", "slack"]) {
      const fake = await fakeProvider((response) => response.destroy());
      expect(await rig(fake.gateway).client.revoke(call(catalog(id)))).toEqual(failed("connection_lost", true));
    }
  });
});
