import { createClientFromRequest } from "@holdfast/sdk";
import { describe, expect, it } from "vitest";
import { startServer } from "./support/server.ts";

const request = (headers: Record<string, string>) => new Request("http://function.example/", { headers });
const app = { "Base44-App-Id": "app-1" };

describe("the headers of a function's request become", () => {
  it.each<[string, Record<string, string>, Record<string, string | undefined>]>([
    ["only a service token", {}, { authorization: "Bearer s1", "on-behalf-of": undefined }],
    [
      "a user token as well",
      { Authorization: "Bearer u1" },
      { authorization: "Bearer s1", "on-behalf-of": "Bearer u1" },
    ],
    ["state, verbatim", { "Base44-State": "a=b; c%20d" }, { "base44-state": "a=b; c%20d" }],
    ["no state", {}, { "base44-state": undefined }],
    ["data environment dev", { "X-Data-Env": "dev" }, { "x-data-env": "dev" }],
    ["data environment prod", { "X-Data-Env": "prod" }, { "x-data-env": "prod" }],
    ["no other data environment", { "X-Data-Env": "Prod" }, { "x-data-env": undefined }],
    ["no unrelated headers", { Cookie: "c=1", "X-Other": "1" }, { cookie: undefined, "x-other": undefined }],
  ])("%s", async (_claim, headers, expected) => {
    const { url, seen } = await startServer();
    const from = request({ ...app, "Base44-Api-Url": url, "Base44-Service-Authorization": "Bearer s1", ...headers });
    await createClientFromRequest(from).asServiceRole.connectors.getConnection("slack");
    expect(seen).toMatchObject([{ url: "/api/apps/app-1/external-auth/tokens/slack" }]);
    for (const [name, value] of Object.entries(expected)) expect(seen[0]?.headers[name]).toBe(value);
  });

  it("acts as the user on the user half", async () => {
    const { url, seen } = await startServer({ status: 204 });
    const from = request({ ...app, "Base44-Api-Url": url, Authorization: "Bearer u1", "Base44-State": "st" });
    const client = createClientFromRequest(from);
    await client.connectors.disconnectAppUser("c1");
    expect(seen[0]?.headers).toMatchObject({ authorization: "Bearer u1", "base44-state": "st" });
    expect(() => client.asServiceRole).toThrow("asServiceRole needs a service token");
  });

  it("prefers the function's own serverUrl and fetch", async () => {
    const { url, seen } = await startServer({ status: 204 });
    const from = request({ ...app, "Base44-Api-Url": "https://other.example" });
    const requested: string[] = [];
    const client = createClientFromRequest(from, {
      serverUrl: url,
      fetch: (address, init) => {
        requested.push(address);
        return fetch(address, init);
      },
    });
    await client.connectors.disconnectAppUser("c1");
    expect(requested).toEqual([`${url}/api/apps/app-1/app-user-auth/connectors/c1`]);
    expect(seen).toHaveLength(1);
  });
});

describe("a malformed request is rejected immediately, without quoting a possible token", () => {
  const url = { "Base44-Api-Url": "http://127.0.0.1:9" };
  it("without an app id", () => {
    expect(() => createClientFromRequest(request(url))).toThrow("has no Base44-App-Id header");
  });

  it("without an address: no default server gets the tokens", () => {
    expect(() => createClientFromRequest(request(app))).toThrow(/no Base44-Api-Url header.*or pass \{ serverUrl \}/);
  });

  it("with an invalid address", () => {
    const from = request({ ...app, "Base44-Api-Url": "holdfast" });
    expect(() => createClientFromRequest(from)).toThrow("serverUrl must be an http or https address");
  });

  const malformed = [
    "",
    "Bearer",
    "Bearer ",
    "bearer secret",
    "BEARER secret",
    "Basic secret",
    "secret",
    "Bearer  secret",
  ];
  malformed.push("Bearer secret more", "Bearer\tsecret", "Bearer secret\tmore", "Bearer secret, Bearer secret");
  describe.each(["Authorization", "Base44-Service-Authorization"])("%s", (name) => {
    it.each(malformed)("is %j", (value) => {
      const create = () => createClientFromRequest(request({ ...app, ...url, [name]: value }));
      expect(create).toThrow(`The request's ${name} header must be exactly "Bearer <token>"`);
      expect(create).not.toThrow("secret");
    });
  });
});
