import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseScopes, sameScopes, unique } from "../../src/core/scopes.ts";
import { authorizationUrl, type AuthorizationRequest } from "../../src/oauth/authorization-url.ts";
import { providers } from "../../src/providers/index.ts";
import { join } from "node:path";
import { sampleConfig } from "../providers/samples.ts";
import { catalog, plainProvider } from "./support.ts";

const GOLDEN = join(import.meta.dirname, "golden/authorization-urls.json");

const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const STATE = "xyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_abc";

function request(id: string, changes: Partial<AuthorizationRequest> = {}): AuthorizationRequest {
  const provider = catalog(id);
  return {
    provider,
    config: sampleConfig(provider),
    client_id: "client-1.2_3",
    redirect_uri: `https://connect.example/api/external-auth/callback/${provider.vendor}`,
    state: STATE,
    code_challenge: provider.pkce === "S256" ? CHALLENGE : null,
    scopes: provider.default_scopes,
    ...changes,
  };
}

describe("authorizationUrl", () => {
  it("matches the recorded URL of every service", async () => {
    const urls = [...providers.values()].map((provider) => [provider.id, authorizationUrl(request(provider.id))]);
    await expect(`${JSON.stringify(Object.fromEntries(urls), null, 2)}\n`).toMatchFileSnapshot(GOLDEN);
  });

  it("has the state of an installation in the return URL, and the client's id under the vendor's name", () => {
    const url = new URL(authorizationUrl(request("wix")));
    expect([...url.searchParams.keys()]).toEqual(["appId", "postInstallationUrl"]);
    const back = new URL(url.searchParams.get("postInstallationUrl") ?? "");
    expect(`${back.origin}${back.pathname}`).toBe("https://connect.example/api/external-auth/callback/wix");
    expect(back.searchParams.get("state")).toBe(STATE);
    expect(new URL(authorizationUrl(request("tiktok"))).searchParams.get("client_key")).toBe("client-1.2_3");
  });

  it("leads to the configured org, and to the configured workspace", () => {
    const org = authorizationUrl(request("salesforce", { config: { hostname: "acme.my.salesforce.com" } }));
    expect(new URL(org).host).toBe("acme.my.salesforce.com");
    const workspace = authorizationUrl(request("slack", { config: { team: "T0123456789" } }));
    expect(new URL(workspace).searchParams.get("team")).toBe("T0123456789");
  });

  it("rejects a config that would lead to another host", () => {
    expect(() => authorizationUrl(request("salesforce", { config: { hostname: "evil.com" } }))).toThrow(
      "invalid value",
    );
    expect(() => authorizationUrl(request("slack", { config: { team: "T0&x=y" } }))).toThrow("invalid value");
  });

  it("never omits PKCE if the provider uses it, and never sends it otherwise", () => {
    expect(() => authorizationUrl(request("github", { code_challenge: null }))).toThrow(TypeError);
    expect(() => authorizationUrl(request("slack", { code_challenge: CHALLENGE }))).toThrow(TypeError);
  });

  it("sends no scope parameter without scopes", () => {
    expect(new URL(authorizationUrl(request("slackbot", { scopes: [] }))).searchParams.has("scope")).toBe(false);
  });

  it("never lets a provider's parameter replace one of the protocol's", () => {
    const provider = plainProvider({ authorization_params: { state: "fixed", redirect_uri: "https://evil.example" } });
    const url = new URL(authorizationUrl(request("github", { provider })));
    expect(url.searchParams.getAll("state")).toEqual([STATE]);
    expect(url.searchParams.get("redirect_uri")).toMatch(/^https:\/\/connect\.example\//);
  });

  it("law: every provider's URL has the requested scopes and the required ones", () => {
    const scope = fc.stringMatching(/^[a-zA-Z0-9:/._-]{1,40}$/);
    const scoped = [...providers.values()].filter(
      ({ scope_param, flow }) => scope_param !== null && flow.kind === "authorization_code",
    );
    fc.assert(
      fc.property(fc.constantFrom(...scoped), fc.array(scope, { maxLength: 20 }), (provider, scopes) => {
        const url = new URL(authorizationUrl(request(provider.id, { scopes })));
        const sent = parseScopes(url.searchParams.get(provider.scope_param ?? "") ?? "");
        expect(sameScopes(sent, unique([...scopes, ...provider.required_scopes]))).toBe(true);
      }),
    );
  });
});
