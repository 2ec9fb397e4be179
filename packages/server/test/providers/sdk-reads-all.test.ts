/** The public `@base44/sdk`, as published, reads a connection of every service from one server. */
import { createClientFromRequest } from "@base44/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { createOAuthProtocol, type OAuthProtocol } from "../../src/oauth/protocol.ts";
import { createHttpClient } from "../../src/net/http-client.ts";
import { createCatalog } from "../../src/providers/index.ts";
import { openTestServer, type TestServer } from "../support/server.ts";
import { configFor } from "./subject.ts";

const providers = createCatalog().all();

let holdfast: TestServer;
let oauth: OAuthProtocol;

beforeAll(async () => {
  holdfast = await openTestServer({ public_url: "https://connect.example.com" });
  const { config, simulator, clock } = holdfast;
  const httpClient = createHttpClient({ gateway: simulator.url, limits: config.limits, clock });
  oauth = createOAuthProtocol({ httpClient, clock, limits: config.limits });
  for (const provider of providers) await holdfast.connect(provider.id, { config: configFor(provider) });
});
afterAll(() => holdfast.close());

function connectors() {
  const headers = {
    "Base44-App-Id": holdfast.app.app_id,
    "Base44-Api-Url": holdfast.url,
    "Base44-Service-Authorization": `Bearer ${holdfast.app.service_token}`,
  };
  return createClientFromRequest(new Request("http://function.example/", { headers })).asServiceRole.connectors;
}

describe("a backend function with the public SDK", () => {
  it.each(providers)("gets a token for $id that its API accepts", async (provider) => {
    const { accessToken, connectionConfig } = await connectors().getConnection(provider.id);
    const config = (await holdfast.row(provider.id)).config ?? {};
    expect(connectionConfig ?? {}).toEqual(config);
    expect(await connectors().getAccessToken(provider.id)).toBe(accessToken);
    expect(await oauth.health({ provider, config, access_token: new Secret(accessToken) })).toBe("alive");
  });

  it("has one connection of each service", async () => {
    const { integrations } = (await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`)).json;
    expect(integrations).toHaveLength(providers.length);
  });
});
