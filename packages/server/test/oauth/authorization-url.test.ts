import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseScopes, sameScopes, unique } from "../../src/core/scopes.ts";
import { authorizationUrl, type AuthorizationRequest } from "../../src/oauth/authorization-url.ts";
import { providers } from "../../src/providers/index.ts";
import { catalog, plainProvider } from "./support.ts";

const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const STATE = "xyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_abc";

function request(id: string, changes: Partial<AuthorizationRequest> = {}): AuthorizationRequest {
  const provider = catalog(id);
  return {
    provider,
    config: {},
    client_id: "client-1.2_3",
    redirect_uri: `https://connect.example/api/external-auth/callback/${provider.vendor}`,
    state: STATE,
    code_challenge: provider.pkce === "S256" ? CHALLENGE : null,
    scopes: provider.default_scopes,
    ...changes,
  };
}

const callback = (vendor: string) => `https%3A%2F%2Fconnect.example%2Fapi%2Fexternal-auth%2Fcallback%2F${vendor}`;
const pkce = `code_challenge=${CHALLENGE}&code_challenge_method=S256`;
const common = (vendor: string) =>
  `response_type=code&client_id=client-1.2_3&redirect_uri=${callback(vendor)}&state=${STATE}`;

describe("authorizationUrl", () => {
  it.each<[string, string]>([
    [
      "googlecalendar",
      "https://accounts.google.com/o/oauth2/v2/auth?access_type=offline&prompt=consent&include_granted_scopes=false" +
        "&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcalendar+openid+email+profile" +
        `&${common("google")}&${pkce}`,
    ],
    [
      "slack",
      `https://slack.com/oauth/v2/authorize?user_scope=channels%3Aread%2Cchat%3Awrite%2Cusers%3Aread&${common("slack")}`,
    ],
    ["slackbot", `https://slack.com/oauth/v2/authorize?scope=chat%3Awrite%2Cchannels%3Aread&${common("slack")}`],
    ["github", `https://github.com/login/oauth/authorize?scope=read%3Auser+user%3Aemail&${common("github")}&${pkce}`],
    ["notion", `https://api.notion.com/v1/oauth/authorize?owner=user&${common("notion")}`],
    [
      "salesforce",
      "https://login.salesforce.com/services/oauth2/authorize?prompt=consent&scope=api+refresh_token+id" +
        `&${common("salesforce")}&${pkce}`,
    ],
  ])("is the known one for %s", (id, golden) => {
    expect(authorizationUrl(request(id))).toBe(golden);
  });

  it("leads to the org that was named, and to the workspace that was named", () => {
    const org = authorizationUrl(request("salesforce", { config: { hostname: "acme.my.salesforce.com" } }));
    expect(new URL(org).host).toBe("acme.my.salesforce.com");
    const workspace = authorizationUrl(request("slack", { config: { team: "T0123456789" } }));
    expect(new URL(workspace).searchParams.get("team")).toBe("T0123456789");
  });

  it("refuses a config that would lead elsewhere", () => {
    expect(() => authorizationUrl(request("salesforce", { config: { hostname: "evil.com" } }))).toThrow("wrong value");
    expect(() => authorizationUrl(request("slack", { config: { team: "T0&x=y" } }))).toThrow("wrong value");
  });

  it("never leaves PKCE out where the provider takes it, and never sends it where it does not", () => {
    expect(() => authorizationUrl(request("github", { code_challenge: null }))).toThrow(TypeError);
    expect(() => authorizationUrl(request("slack", { code_challenge: CHALLENGE }))).toThrow(TypeError);
  });

  it("sends no scope parameter without scopes", () => {
    expect(new URL(authorizationUrl(request("slackbot", { scopes: [] }))).searchParams.has("scope")).toBe(false);
  });

  it("lets no parameter of a provider replace one of the protocol", () => {
    const provider = plainProvider({ authorization_params: { state: "fixed", redirect_uri: "https://evil.example" } });
    const url = new URL(authorizationUrl(request("github", { provider })));
    expect(url.searchParams.getAll("state")).toEqual([STATE]);
    expect(url.searchParams.get("redirect_uri")).toMatch(/^https:\/\/connect\.example\//);
  });

  it("law: the scopes of every provider come out as they went in, with the required ones", () => {
    const scope = fc.stringMatching(/^[a-zA-Z0-9:/._-]{1,40}$/);
    const scoped = [...providers.values()].filter((provider) => provider.scope_param !== null);
    fc.assert(
      fc.property(fc.constantFrom(...scoped), fc.array(scope, { maxLength: 20 }), (provider, scopes) => {
        const url = new URL(authorizationUrl(request(provider.id, { scopes })));
        const sent = parseScopes(url.searchParams.get(provider.scope_param ?? "") ?? "");
        expect(sameScopes(sent, unique([...scopes, ...provider.required_scopes]))).toBe(true);
      }),
    );
  });
});
