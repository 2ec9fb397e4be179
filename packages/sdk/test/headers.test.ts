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
    "asServiceRole names the missing option when the client has %j",
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

describe("unusable options are rejected immediately, without quoting a token", () => {
  const good = { serverUrl: "http://127.0.0.1:1", appId: "app-1" };
  it.each([
    { name: "no app id", options: { ...good, appId: "" }, message: "appId must be a non-empty string" },
    { name: "an app id that climbs", options: { ...good, appId: ".." }, message: 'appId must not be "." or ".."' },
    {
      name: "not an address",
      options: { ...good, serverUrl: "holdfast" },
      message: "serverUrl must be an http or https",
    },
    { name: "ftp", options: { ...good, serverUrl: "ftp://h" }, message: "serverUrl must be" },
    { name: "a password", options: { ...good, serverUrl: "https://u:secret@h" }, message: "serverUrl must be" },
    { name: "a query", options: { ...good, serverUrl: "https://h?token=secret" }, message: "serverUrl must be" },
    { name: "an empty address outside a page", options: { ...good, serverUrl: "" }, message: "this is not a page" },
    { name: "a line break in a token", options: { ...good, token: "secret\nX: 1" }, message: "Header Authorization" },
    { name: "a service token beyond Latin-1", options: { ...good, serviceToken: "secret→" }, message: "Authorization" },
    { name: "a bad header value", options: { ...good, headers: { "X-A": "secret\0" } }, message: "Header X-A cannot" },
    { name: "a bad header name", options: { ...good, headers: { "X A": "secret" } }, message: "Header X A cannot" },
  ])("$name", ({ options, message }) => {
    const create = () => createClient(options);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(message);
    expect(create).not.toThrow("secret");
  });
});

describe("serverUrl", () => {
  it.each(["", "/", "//", "/?"])("can end with %j", async (end) => {
    const { url, seen } = await startServer();
    const client = createClient({ serverUrl: url + end, appId: "app-1", serviceToken: "s1" });
    await client.asServiceRole.connectors.getConnection("slack");
    expect(seen[0]?.url).toBe("/api/apps/app-1/external-auth/tokens/slack");
  });

  it("can have a path", async () => {
    const { url, seen } = await startServer();
    const client = createClient({ serverUrl: `${url}/holdfast/`, appId: "a b/c", serviceToken: "s1" });
    await client.asServiceRole.connectors.getConnection("slack");
    expect(seen[0]?.url).toBe("/holdfast/api/apps/a%20b%2Fc/external-auth/tokens/slack");
  });
});
