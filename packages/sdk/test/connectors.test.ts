import { createHash } from "node:crypto";
import { createClient, type HoldfastClient } from "@holdfast/sdk";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rejection, type Reply, startServer } from "./support/server.ts";

async function setUp(reply?: Reply) {
  const server = await startServer(reply);
  const client = createClient({ serverUrl: server.url, appId: "app-1", token: "u1", serviceToken: "s1" });
  return { ...server, client, connectors: client.asServiceRole.connectors };
}

const token = { body: { access_token: "at-1", integration_type: "jira", connection_config: { subdomain: "acme" } } };
const mapped = { accessToken: "at-1", connectionConfig: { subdomain: "acme" } };

const calls: {
  name: string;
  call: (client: HoldfastClient) => Promise<unknown>;
  reply: Reply;
  sent: string;
  result: unknown;
}[] = [
  {
    name: "getConnection",
    call: (client) => client.asServiceRole.connectors.getConnection("jira"),
    reply: token,
    sent: "GET /api/apps/app-1/external-auth/tokens/jira",
    result: mapped,
  },
  {
    name: "getAccessToken",
    call: (client) => client.asServiceRole.connectors.getAccessToken("jira"),
    reply: token,
    sent: "GET /api/apps/app-1/external-auth/tokens/jira",
    result: "at-1",
  },
  {
    name: "getWorkspaceConnection",
    call: (client) => client.asServiceRole.connectors.getWorkspaceConnection("c1"),
    reply: token,
    sent: "GET /api/apps/app-1/external-auth/tokens/connectors/c1",
    result: mapped,
  },
  {
    name: "getCurrentAppUserConnection",
    call: (client) => client.asServiceRole.connectors.getCurrentAppUserConnection("c1"),
    reply: token,
    sent: "GET /api/apps/app-1/app-user-auth/connectors/c1/token",
    result: mapped,
  },
  {
    name: "connectAppUser",
    call: (client) => client.connectors.connectAppUser("c1"),
    reply: { body: { redirect_url: "https://holdfast.example/connect/f1", connection_id: "f1" } },
    sent: "POST /api/apps/app-1/app-user-auth/connectors/c1/initiate",
    result: "https://holdfast.example/connect/f1",
  },
  {
    name: "disconnectAppUser with a body",
    call: (client) => client.connectors.disconnectAppUser("c1"),
    reply: { body: { status: "disconnected", connector_id: "c1" } },
    sent: "DELETE /api/apps/app-1/app-user-auth/connectors/c1",
    result: undefined,
  },
  {
    name: "disconnectAppUser with 204",
    call: (client) => client.connectors.disconnectAppUser("c1"),
    reply: { status: 204 },
    sent: "DELETE /api/apps/app-1/app-user-auth/connectors/c1",
    result: undefined,
  },
];

describe("each method calls its route, with an empty body, and maps the reply", () => {
  it.each(calls)("$name", async ({ call, reply, sent, result }) => {
    const { client, seen } = await setUp(reply);
    expect(await call(client)).toEqual(result);
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([sent]);
    expect(seen[0]?.body).toBe("");
  });

  it.each([{ access_token: "at-1" }, { access_token: "at-1", connection_config: null }])(
    "connectionConfig is null for %j",
    async (body) => {
      const { connectors } = await setUp({ body });
      expect(await connectors.getConnection("slack")).toEqual({ accessToken: "at-1", connectionConfig: null });
    },
  );

  it("calls the server each time", async () => {
    const { connectors, seen } = await setUp(token);
    await connectors.getConnection("jira");
    await connectors.getConnection("jira");
    expect(seen).toHaveLength(2);
  });
});

describe("rejected", () => {
  it("reports the SHA-256 of a rejected token, and not the token", async () => {
    const { connectors, seen } = await setUp(token);
    const rejected = "xoxp-refusé";
    await connectors.getConnection("jira", { rejected });
    await connectors.getWorkspaceConnection("c1", { rejected });
    await connectors.getCurrentAppUserConnection("c1", { rejected });

    const hash = createHash("sha256").update(rejected).digest("hex");
    expect(seen.map(({ headers }) => headers["x-holdfast-rejected-token-hash"])).toEqual([hash, hash, hash]);
    expect(JSON.stringify(seen)).not.toContain(rejected);
  });

  it("sends no such header otherwise, and does not repeat it in the next call", async () => {
    const { connectors, seen } = await setUp(token);
    await connectors.getConnection("jira", { rejected: "old" });
    await connectors.getConnection("jira");
    expect(seen[1]?.headers).not.toHaveProperty("x-holdfast-rejected-token-hash");
  });

  it("must not be empty", async () => {
    const { connectors, seen } = await setUp(token);
    await expect(connectors.getConnection("jira", { rejected: "" })).rejects.toThrow(
      "Option rejected must be a non-empty string",
    );
    expect(seen).toEqual([]);
  });
});

describe("minValidSeconds", () => {
  it("is sent in the query, beside the other options", async () => {
    const { connectors, seen } = await setUp(token);
    await connectors.getConnection("jira", { minValidSeconds: 900, rejected: "old" });
    await connectors.getConnection("jira");
    expect(seen.map(({ url }) => url?.split("?", 2)[1])).toEqual(["min_valid_seconds=900", undefined]);
  });

  it.each([0, -1, 1.5, Number.NaN, 86_401])("rejects %s before any request", async (minValidSeconds) => {
    const { connectors, seen } = await setUp(token);
    await expect(connectors.getConnection("jira", { minValidSeconds })).rejects.toThrow("from 1 to 86400");
    expect(seen).toEqual([]);
  });
});

/** Every method with an identifier. Untyped callers can pass anything, hence `JSON.parse`. */
const byIdentifier: [string, (client: HoldfastClient, id: string) => Promise<unknown>][] = [
  ["getConnection", (client, id) => client.asServiceRole.connectors.getConnection(id)],
  ["getAccessToken", (client, id) => client.asServiceRole.connectors.getAccessToken(id)],
  ["callApi", (client, id) => client.asServiceRole.connectors.callApi(id, { path: "/" })],
  ["getWorkspaceConnection", (client, id) => client.asServiceRole.connectors.getWorkspaceConnection(id)],
  ["getCurrentAppUserConnection", (client, id) => client.asServiceRole.connectors.getCurrentAppUserConnection(id)],
  ["connectAppUser", (client, id) => client.connectors.connectAppUser(id)],
  ["disconnectAppUser", (client, id) => client.connectors.disconnectAppUser(id)],
];
const unusable = ['""', "null", "7", "{}", '["slack"]', "true", '"."', '".."', String.raw`"\ud800"`];

describe.each(byIdentifier)("the identifier of %s", (_name, call) => {
  it.each(unusable)("is rejected before any request if it is %s", async (json) => {
    const { client, seen } = await setUp();
    const error = await rejection(call(client, JSON.parse(json)));
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toMatch(/(Integration type|Connector ID) must/);
    expect(seen).toEqual([]);
  });

  it("cannot leave its route", async () => {
    const { client, seen } = await setUp({ status: 404 });
    await rejection(call(client, "../evil route"));
    const plain = await setUp({ status: 404 });
    await rejection(call(plain.client, "ID"));
    expect(seen[0]?.url).toBe(plain.seen[0]?.url.replace("ID", "..%2Fevil%20route"));
  });
});

it("any identifier either arrives unchanged as one part of the path, or is rejected unsent", async () => {
  const { connectors, seen } = await setUp(token);
  const troublesome = fc.constantFrom("", ".", "..", "%2e%2e", "a/../b", "?x", "#x", "\\", "\ud800");
  const identifier = fc.oneof(troublesome, fc.string({ unit: "binary" }));
  /** Returns the identifier as the server received it, or `null` if it received nothing. */
  async function arrived(id: string): Promise<string | null> {
    const before = seen.length;
    await connectors.getConnection(id).catch(() => undefined);
    const part = seen[before]?.url.slice("/api/apps/app-1/external-auth/tokens/".length);
    return part === undefined || part.includes("/") ? null : decodeURIComponent(part);
  }
  await fc.assert(
    fc.asyncProperty(identifier, async (id) => {
      const rejected = ["", ".", ".."].includes(id) || !id.isWellFormed();
      expect(await arrived(id)).toBe(rejected ? null : id);
    }),
  );
});

describe("an unexpected 2xx is an error, and the error does not contain its body", () => {
  const tokenBodies: unknown[] = [
    undefined,
    "",
    "<html>secret-1</html>",
    [],
    {},
    { access_token: null, x: "secret-1" },
    { access_token: "" },
    { access_token: 7 },
    { accessToken: "secret-1" },
    { access_token: "secret-1", connection_config: "acme" },
    { access_token: "secret-1", connection_config: { port: 1 } },
  ];
  it.each(tokenBodies.map((body) => [body]))("getConnection: %j", async (body) => {
    const { connectors } = await setUp({ body, headers: { "x-request-id": "r1" } });
    const error = await rejection(connectors.getConnection("slack"));
    expect(error).toMatchObject({ code: "invalid_response", status: 200, requestId: "r1", data: undefined });
    expect(String(error)).toContain("Is serverUrl the address of a Holdfast server?");
    expect(JSON.stringify(error) + String(error)).not.toContain("secret-1");
  });

  it.each([{}, { redirect_url: null }, { redirect_url: "javascript:alert(1)" }, { redirect_url: "/relative" }])(
    "connectAppUser: %j",
    async (body) => {
      const { client } = await setUp({ body });
      expect(await rejection(client.connectors.connectAppUser("c1"))).toMatchObject({ code: "invalid_response" });
    },
  );
});
