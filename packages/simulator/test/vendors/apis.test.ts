/** Quirks of the vendors' APIs and their revocation, and which hosts form one service. */
import { describe, expect, it } from "vitest";
import { approveConsent, clientSecretOf } from "../../src/index.ts";
import { CHALLENGE, read, record, REDIRECT_URI, VERIFIER, type Reply } from "../application.ts";
import type { Simulator } from "../../src/index.ts";
import { get, postForm, postJson, revokeByPost } from "./service.ts";
import { heldFrom, appFor } from "./service-app.ts";

describe("Dropbox", () => {
  it("requires null as the body of a call without arguments", async () => {
    const app = await appFor("dropbox");
    const held = await app.connect();
    const url = "api.dropboxapi.com/2/users/get_current_account";
    const refused = await app.call(postJson(url, {}), held);
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining("expected null")]);
    expect((await app.call(postJson(url, null), held)).json).toMatchObject({ email: "ada@example.com" });
    expect((await app.call(postJson("api.dropboxapi.com/2/check/user", { query: "ping" }), held)).json).toEqual({
      result: "ping",
    });
  });

  it("distinguishes a dead token from a missing scope", async () => {
    const app = await appFor("dropbox");
    const held = await app.connect({ scopes: ["account_info.read"] });
    const scope = await app.call(app.service.resource, held);
    expect(scope.json["error"]).toEqual({ ".tag": "missing_scope", required_scope: "files.metadata.read" });
    app.simulator.advance(14_400_000);
    expect((await app.call(app.service.resource, held)).json["error_summary"]).toBe("expired_access_token/...");
  });
});

describe("Discord", () => {
  it("ends all connections of the user with one revocation", async () => {
    const app = await appFor("discord");
    const [one, other] = [await app.connect(), await app.connect()];
    if (app.service.revoke !== null) await app.call(app.service.revoke, one);
    expect((await app.call(app.service.resource, other)).status).toBe(401);
  });
});

describe("Linear", () => {
  it("returns 400 for a token that is already revoked, and 401 for none", async () => {
    const app = await appFor("linear");
    const held = await app.connect();
    const bearer = { method: "POST", url: "api.linear.app/oauth/revoke" } as const;
    expect((await app.call(bearer, held)).status).toBe(200);
    expect((await app.call(bearer, held)).status).toBe(400);
    expect((await app.call({ ...bearer, headers: {} }, held)).status).toBe(401);
  });

  it("returns what a query selects, and refuses a query without known fields", async () => {
    const app = await appFor("linear");
    const held = await app.connect();
    const ask = (query: string) => app.call(postJson("api.linear.app/graphql", { query }), held);
    expect(Object.keys(record((await ask("{ viewer { id } }")).json["data"]))).toEqual(["viewer"]);
    expect((await ask("{ nothing }")).json).toHaveProperty("errors");
    expect(app.simulator.ledger().hosts["api.linear.app"]).toMatchObject({ identity: 1, resource: 1 });
  });
});

describe("Google Ads", () => {
  it("requires a developer token beside the access token", async () => {
    const app = await appFor("googleads");
    const held = await app.connect();
    const url = "googleads.googleapis.com/v21/customers:listAccessibleCustomers";
    expect((await app.call(get(url), held)).status).toBe(401);
    expect((await app.call(app.service.resource, held)).json).toHaveProperty("resourceNames");
  });
});

describe("Jira", () => {
  it("serves each site's API under the id that accessible-resources names", async () => {
    const app = await appFor("jira");
    const held = await app.connect();
    const sites: unknown = JSON.parse((await app.call(app.service.resource, held)).text);
    const cloud = Array.isArray(sites) ? String(record(sites[0])["id"]) : "";
    const myself = (id: string) => app.call(get(`api.atlassian.com/ex/jira/${id}/rest/api/3/myself`), held);
    expect((await myself(cloud)).json["emailAddress"]).toBe("ada@example.com");
    expect((await myself("another")).status).toBe(404);
  });
});

describe("Confluence", () => {
  it("serves the spaces of a site under the id that accessible-resources names", async () => {
    const app = await appFor("confluence");
    const held = await app.connect();
    const sites: unknown = JSON.parse((await app.call(app.service.resource, held)).text);
    const cloud = Array.isArray(sites) ? String(record(sites[0])["id"]) : "";
    const spaces = (id: string) => app.call(get(`api.atlassian.com/ex/confluence/${id}/wiki/rest/api/space`), held);
    expect((await spaces(cloud)).json).toHaveProperty("results");
    expect((await spaces("another")).status).toBe(404);
  });
});

describe("Xero", () => {
  it("requires the organization's id beside the access token", async () => {
    const app = await appFor("xero");
    const held = await app.connect();
    expect((await app.call(get("api.xero.com/api.xro/2.0/Organisation"), held)).status).toBe(403);
    expect((await app.call(app.service.resource, held)).json).toHaveProperty("Organisations");
  });
});

describe("DocuSign", () => {
  it("names an API host of the environment in which the user consented", async () => {
    const app = await appFor("docusign");
    const { json } = await app.call(get("account.docusign.com/oauth/userinfo"), await app.connect());
    expect(json["accounts"]).toMatchObject([{ base_uri: "https://na3.docusign.net" }]);
  });
});

describe("Wrike", () => {
  it("works at the host that the reply names, and at no other", async () => {
    const app = await appFor("wrike");
    const held = await app.connect();
    expect(held.values["host"]).toMatch(/^[a-z0-9-]+\.wrike\.com$/);
    const others = ["www.wrike.com", "app-us2.wrike.com", "app-eu.wrike.com"].filter(
      (host) => host !== held.values["host"],
    );
    for (const host of others) {
      expect((await app.call(app.service.resource, { ...held, values: { host } })).status).toBe(401);
    }
  });
});

describe("HubSpot", () => {
  it("does not revoke an access token", async () => {
    const app = await appFor("hubspot");
    const held = await app.connect();
    const revoke = revokeByPost("api.hubapi.com/oauth/2026-03/token/revoke", "{access}");
    expect((await app.call(revoke, held)).status).toBe(400);
    expect((await app.call(app.service.resource, held)).status).toBe(200);
    expect((await app.call(get("api.hubapi.com/account-info/v3/details"), held)).json).toHaveProperty("portalId");
  });
});

describe("LinkedIn", () => {
  it("introspects a token for the client that it was issued to", async () => {
    const app = await appFor("linkedin");
    const held = await app.connect();
    const ask = revokeByPost("www.linkedin.com/oauth/v2/introspectToken", "{access}");
    expect((await app.call(ask, held)).json).toMatchObject({ active: true, scope: "openid,profile,email" });
    expect((await app.call(ask, { ...held, access: "none" })).json).toEqual({ active: false });
  });
});

/** Connects at `host` and returns the token reply of its generic service. */
async function connectAt(simulator: Simulator, host: string, path = "oauth"): Promise<Reply> {
  const client_id = "mine";
  const pkce = { code_challenge: CHALLENGE, code_challenge_method: "S256" };
  const request = { client_id, redirect_uri: REDIRECT_URI, response_type: "code", state: "s", scope: "read", ...pkce };
  const query = new URLSearchParams(request).toString();
  const callback = new URL(await approveConsent(`${simulator.url}/${host}/${path}/authorize?${query}`));
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    code: callback.searchParams.get("code") ?? "",
    redirect_uri: REDIRECT_URI,
    code_verifier: VERIFIER,
    client_id,
    client_secret: clientSecretOf(client_id),
  });
  return read(await fetch(`${simulator.url}/${host}/${path}/token`, { method: "POST", body }));
}

describe("a service of the operator", () => {
  it("can be at any host below example.com and example.test, each separate from the others", async () => {
    const app = await appFor("generic");
    const held = heldFrom(await connectAt(app.simulator, "globex.example.com"), {});
    const data = (host: string) => app.call(get(`${host}/api/v1/data`), held);
    expect((await data("globex.example.com")).status).toBe(200);
    expect((await data("api.globex.example.com")).status).toBe(200);
    expect((await data("acme.example.com")).status).toBe(401);
    expect((await data("globex.example.test")).status).toBe(401);
    expect((await data("globex.example.org")).status).toBe(404);
    const other_service = await app.call(
      postForm(
        "acme.example.com/oauth/token",
        {
          grant_type: "refresh_token",
          refresh_token: "{refresh}",
          client_id: "mine",
          client_secret: clientSecretOf("mine"),
        },
        {},
      ),
      held,
    );
    expect(other_service.json["error"]).toBe("invalid_grant");
  });

  it("is revoked by host without affecting its neighbors", async () => {
    const app = await appFor("generic");
    const acme = await app.connect();
    const globex = heldFrom(await connectAt(app.simulator, "globex.example.com"), {});
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ host: "globex.example.com" });
    const reply = await read(await fetch(`${app.simulator.url}/_revoke`, { method: "POST", headers, body }));
    expect(reply.json).toEqual({ revoked: 1 });
    expect((await app.call(app.service.resource, acme)).status).toBe(200);
    expect((await app.call(get("globex.example.com/api/v1/me"), globex)).status).toBe(401);
  });

  it("verifies a PKCE verifier when a challenge was sent", async () => {
    const app = await appFor("generic");
    const callback = await app.consent();
    expect((await app.exchange(callback, { code_verifier: "w".repeat(43) })).json["error"]).toBe("invalid_grant");
  });
});

describe("hosts", () => {
  it.each([
    ["gitlab", "gitlab.example.com/api/v4/user"],
    ["databricks", "other.cloud.databricks.com/api/2.0/preview/scim/v2/Me"],
    ["bamboohr", "globex.bamboohr.com/api/v1/employees/0"],
    ["square", "connect.squareupsandbox.com/v2/merchants/me"],
    ["typeform", "api.typeform.eu/me"],
    ["snowflake", "other-account.snowflakecomputing.com/api/v2/databases"],
  ] as const)("of %s are separate services: a token is unknown at %s", async (id, url) => {
    const app = await appFor(id);
    const held = await app.connect();
    expect((await app.call(app.service.resource, held)).status).toBe(200);
    expect((await app.call(get(url), held)).status).toBe(401);
  });

  it("of GitLab can be the operator's own", async () => {
    const { simulator } = await appFor("gitlab");
    const reply = await connectAt(simulator, "gitlab.example.com");
    expect(reply.json["access_token"]).toMatch(/^gloas-/);
    expect(reply.json).toHaveProperty("created_at");
  });
});
