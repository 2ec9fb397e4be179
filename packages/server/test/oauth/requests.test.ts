/** The exact requests that providers receive for exchange, refresh and revocation. */
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { basicCredentials } from "../../src/oauth/client-auth.ts";
import type { ExchangeCall } from "../../src/oauth/protocol.ts";
import type { Provider } from "../../src/providers/provider.ts";
import {
  CANARY,
  catalog,
  codeGrant,
  credentials,
  fakeProvider,
  json,
  plainProvider,
  refreshCall,
  rig,
} from "./support.ts";

const success = { access_token: "new", token_type: "bearer" };
const basic = `Basic ${Buffer.from(`client-1.2_3:${CANARY.secret}`).toString("base64")}`;

async function seenOn(act: (client: ReturnType<typeof rig>["client"]) => Promise<unknown>) {
  const fake = await fakeProvider((response) => json(response, success));
  await act(rig(fake.gateway).client);
  expect(fake.seen).toHaveLength(1);
  const [seen] = fake.seen;
  if (seen === undefined) throw new Error("nothing was sent");
  return seen;
}

const refresh = (provider: Provider, changes = {}) =>
  seenOn((client) => client.refresh(refreshCall(provider, changes)));

function exchangeCall(provider: Provider, changes: Partial<ExchangeCall> = {}): ExchangeCall {
  return {
    provider,
    config: {},
    client: credentials,
    redirect_uri: "https://connect.example/api/external-auth/callback/x",
    callback: codeGrant(),
    code_verifier: new Secret(CANARY.verifier),
    requested_scopes: ["read"],
    ...changes,
  };
}

const form = (body: string) => Object.fromEntries(new URLSearchParams(body));

describe("a refresh", () => {
  it("is the form of RFC 6749 §6 with the client's secret", async () => {
    const seen = await refresh(plainProvider());
    expect(seen).toMatchObject({
      method: "POST",
      url: "/plain.example/token",
      headers: {
        accept: "application/json",
        "content-type": "application/x-www-form-urlencoded;charset=UTF-8",
        "user-agent": "Holdfast/0.1 (+connectors)",
      },
    });
    expect(form(seen.body)).toEqual({
      grant_type: "refresh_token",
      refresh_token: CANARY.refresh,
      client_id: "client-1.2_3",
      client_secret: CANARY.secret,
    });
    expect(seen.headers).not.toHaveProperty("authorization");
  });

  it("has the secret in the Authorization header for slack, and not in the body", async () => {
    const seen = await refresh(catalog("slack"));
    expect(seen.url).toBe("/slack.com/api/oauth.v2.access");
    expect(seen.headers.authorization).toBe(basic);
    expect(form(seen.body)).toEqual({ grant_type: "refresh_token", refresh_token: CANARY.refresh });
  });

  it("is JSON for notion, with its version", async () => {
    const seen = await refresh(catalog("notion"));
    expect(seen.headers).toMatchObject({
      authorization: basic,
      "content-type": "application/json",
      "notion-version": "2022-06-28",
    });
    expect(JSON.parse(seen.body)).toEqual({ grant_type: "refresh_token", refresh_token: CANARY.refresh });
  });

  it("goes to the org's own host for salesforce", async () => {
    const config = { hostname: "acme.my.salesforce.com" };
    expect((await refresh(catalog("salesforce"), { config })).url).toBe(
      "/acme.my.salesforce.com/services/oauth2/token",
    );
  });

  it("repeats the scopes only if a deviation requires it", async () => {
    const seen = await refresh(plainProvider({ deviations: [{ name: "scope_on_refresh", separator: " " }] }), {
      scopes: ["a", "b"],
    });
    expect(form(seen.body)).toMatchObject({ scope: "a b" });
    expect(form((await refresh(plainProvider())).body)).not.toHaveProperty("scope");
  });

  it("lets a provider set another user agent", async () => {
    const seen = await refresh(plainProvider({ token_headers: { "User-Agent": "Other/1" } }));
    expect(seen.headers["user-agent"]).toBe("Other/1");
  });

  it("is not sent if the config gives no URL, and is misconfigured", async () => {
    const fake = await fakeProvider((response) => json(response, success));
    const config = { hostname: "evil.example" };
    const outcome = await rig(fake.gateway).client.refresh(refreshCall(catalog("salesforce"), { config }));
    expect(outcome).toEqual({ kind: "misconfigured", error: "invalid_connection_config" });
    expect(fake.seen).toHaveLength(0);
  });

  it.each(["client_secret_post", "client_secret_basic"] as const)(
    "is not sent without a client id (%s)",
    async (client_auth) => {
      const fake = await fakeProvider((response) => json(response, success));
      const client = { client_id: "", client_secret: new Secret("") };
      const outcome = await rig(fake.gateway).client.refresh(refreshCall(plainProvider({ client_auth }), { client }));
      expect(outcome).toEqual({ kind: "misconfigured", error: "request_not_buildable" });
      expect(fake.seen).toHaveLength(0);
    },
  );

  it("gives up unsent if onSend declines", async () => {
    const fake = await fakeProvider((response) => json(response, success));
    const outcome = await rig(fake.gateway).client.refresh(refreshCall(plainProvider(), { onSend: () => false }));
    expect(outcome).toEqual({ kind: "retry_later", sent: false, retry_after_ms: null, error: "gave_up" });
    expect(fake.seen).toHaveLength(0);
  });

  it("is unknown if it was sent and the deadline passed", async () => {
    const never = await fakeProvider(() => late.clock.advance(14_000));
    const late = rig(never.gateway);
    const outcome = await late.client.refresh(refreshCall(plainProvider()));
    expect(outcome).toEqual({ kind: "unknown", error: "timeout" });
  });
});

describe("a code exchange", () => {
  it("has the redirect URI, the code and the verifier", async () => {
    const seen = await seenOn((client) => client.exchange(exchangeCall(plainProvider())));
    expect(form(seen.body)).toEqual({
      grant_type: "authorization_code",
      code: CANARY.code,
      redirect_uri: "https://connect.example/api/external-auth/callback/x",
      code_verifier: CANARY.verifier,
      client_id: "client-1.2_3",
      client_secret: CANARY.secret,
    });
  });

  it("has no verifier if there was no challenge", async () => {
    const seen = await seenOn((client) => client.exchange(exchangeCall(catalog("slackbot"), { code_verifier: null })));
    expect(form(seen.body)).not.toHaveProperty("code_verifier");
  });

  it("encodes a code that contains URL characters", async () => {
    const code = "4/0Ab&state=x+%20#";
    const seen = await seenOn((client) =>
      client.exchange(exchangeCall(plainProvider(), { callback: codeGrant(code) })),
    );
    expect(form(seen.body)).toMatchObject({ code });
  });
});

const decoded = (id: string, secret: string) =>
  Buffer.from(basicCredentials(id, new Secret(secret)).slice("Basic ".length), "base64").toString();

describe("basicCredentials", () => {
  it.each([
    ["123.456", "abc-DEF_1.2*", "123.456:abc-DEF_1.2*"],
    ["a:b", "c d", "a%3Ab:c+d"],
    ["a", "ü+/=%", "a:%C3%BC%2B%2F%3D%25"],
  ])("%s and %s are sent as %s", (id, secret, expected) => {
    expect(decoded(id, secret)).toBe(expected);
  });
});
