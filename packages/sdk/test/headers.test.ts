import { createClient, type ClientOptions, type HoldfastClient } from "@holdfast/sdk";
import { describe, expect, it } from "vitest";
import { startServer } from "./support/server.ts";

const common = { "x-app-id": "app-1", accept: "application/json", "content-type": "application/json" };

const both = { token: "u1", serviceToken: "s1" };
const evil = { "X-Extra": "1", "X-App-Id": "evil", Authorization: "Bearer evil" };

const halves: Record<string, (client: HoldfastClient) => Promise<unknown>> = {
  user: (client) => client.connectors.disconnectAppUser("c1"),
  service: (client) => client.asServiceRole.connectors.getConnection("slack"),
};

const matrix: [half: string, has: string, options: Partial<ClientOptions>, sent: Record<string, string | undefined>][] =
  [
    ["user", "no token", {}, { authorization: undefined }],
    ["user", "a user token", { token: "u1" }, { authorization: "Bearer u1", "on-behalf-of": undefined }],
    ["user", "only a service token", { serviceToken: "s1" }, { authorization: undefined, "on-behalf-of": undefined }],
    ["user", "both tokens", both, { authorization: "Bearer u1", "on-behalf-of": undefined }],
    ["user", "an empty token, which counts as none", { token: "" }, { authorization: undefined }],
    ["user", "custom headers", { token: "u1", headers: evil }, { authorization: "Bearer u1", "x-extra": "1" }],
    ["service", "a service token", { serviceToken: "s1" }, { authorization: "Bearer s1", "on-behalf-of": undefined }],
    ["service", "both tokens", both, { authorization: "Bearer s1", "on-behalf-of": "Bearer u1" }],
    ["service", "custom headers", { ...both, headers: evil }, { authorization: "Bearer s1", "x-extra": "1" }],
  ];

describe("headers", () => {
  it.each(matrix)("of the %s half with %s", async (half, _has, options, sent) => {
    const { url, seen } = await startServer();
    await halves[half]?.(createClient({ serverUrl: url, appId: "app-1", ...options }));
    expect(seen).toMatchObject([{ headers: common }]);
    for (const [name, value] of Object.entries(sent)) expect(seen[0]?.headers[name]).toBe(value);
  });

  it.each<Partial<ClientOptions>>([{}, { token: "u1" }, { serviceToken: "" }])(
    "asServiceRole says what is missing when a client is made with %j",
    (options) => {
      const client = createClient({ serverUrl: "http://127.0.0.1:9", appId: "app-1", ...options });
      expect(() => client.asServiceRole).toThrow("asServiceRole needs a service token: pass serviceToken");
    },
  );

  it("sends nothing until a method is called", async () => {
    const { url, seen } = await startServer();
    const client = createClient({ serverUrl: url, appId: "app-1", serviceToken: "s1" });
    expect(client.asServiceRole.connectors).toBeDefined();
    expect(seen).toEqual([]);
  });
});

describe("options that cannot work are refused at once, without quoting a token", () => {
  const good = { serverUrl: "http://127.0.0.1:1", appId: "app-1" };
  it.each([
    { name: "no app id", options: { ...good, appId: "" }, says: "appId must be a non-empty string" },
    { name: "an app id that climbs", options: { ...good, appId: ".." }, says: 'appId must not be "." or ".."' },
    { name: "not an address", options: { ...good, serverUrl: "holdfast" }, says: "serverUrl must be an http or https" },
    { name: "ftp", options: { ...good, serverUrl: "ftp://h" }, says: "serverUrl must be" },
    { name: "a password", options: { ...good, serverUrl: "https://u:secret@h" }, says: "serverUrl must be" },
    { name: "a query", options: { ...good, serverUrl: "https://h?token=secret" }, says: "serverUrl must be" },
    { name: "no page for an empty address", options: { ...good, serverUrl: "" }, says: "there is no page here" },
    { name: "a line break in a token", options: { ...good, token: "secret\nX: 1" }, says: "Header Authorization" },
    { name: "a service token beyond Latin-1", options: { ...good, serviceToken: "secret→" }, says: "Authorization" },
    { name: "a bad header value", options: { ...good, headers: { "X-A": "secret\0" } }, says: "Header X-A cannot" },
    { name: "a bad header name", options: { ...good, headers: { "X A": "secret" } }, says: "Header X A cannot" },
  ])("$name", ({ options, says }) => {
    const make = () => createClient(options);
    expect(make).toThrow(TypeError);
    expect(make).toThrow(says);
    expect(make).not.toThrow("secret");
  });
});

describe("serverUrl", () => {
  it.each(["", "/", "//", "/?"])("may end with %j", async (end) => {
    const { url, seen } = await startServer();
    const client = createClient({ serverUrl: url + end, appId: "app-1", serviceToken: "s1" });
    await client.asServiceRole.connectors.getConnection("slack");
    expect(seen[0]?.url).toBe("/api/apps/app-1/external-auth/tokens/slack");
  });

  it("may have a path of its own", async () => {
    const { url, seen } = await startServer();
    const client = createClient({ serverUrl: `${url}/holdfast/`, appId: "a b/c", serviceToken: "s1" });
    await client.asServiceRole.connectors.getConnection("slack");
    expect(seen[0]?.url).toBe("/holdfast/api/apps/a%20b%2Fc/external-auth/tokens/slack");
  });
});
