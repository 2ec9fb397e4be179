/**
 * The public `@base44/sdk` and this SDK against one server: they must be interchangeable on the
 * wire.
 */
import * as base44 from "@base44/sdk";
import * as holdfast from "@holdfast/sdk";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { rejection, type Reply, type Seen, startServer } from "./support/server.ts";

// The public SDK prints each error that it maps.
beforeEach(() => void vi.spyOn(console, "error").mockReturnValue());
afterEach(() => void vi.restoreAllMocks());

/**
 * The interface that both clients share. Both are assigned to it, so the compiler compares their
 * types as well.
 */
interface Client {
  connectors: Pick<holdfast.UserConnectorsModule, "connectAppUser" | "disconnectAppUser">;
  asServiceRole: { connectors: Omit<holdfast.ConnectorsModule, "callApi"> & { callApi: CallApi } };
}
type CallApi = (type: string, request: { path: string; method?: "POST"; body?: unknown }) => Promise<unknown>;

const headers = {
  "Base44-App-Id": "app-1",
  "Base44-Service-Authorization": "Bearer s1",
  Authorization: "Bearer u1",
  "Base44-State": "state=1",
  "X-Data-Env": "dev",
};
const COMPARED = "authorization on-behalf-of x-app-id accept content-type content-length base44-state x-data-env".split(
  " ",
);
const comparable = ({ method, url, headers: sent, body }: Seen) => ({
  request: `${method} ${url}`,
  headers: COMPARED.map((name) => `${name}: ${String(sent[name])}`),
  body: body === "" ? null : (JSON.parse(body) as unknown),
});

async function both(reply: Reply, call: (client: Client) => Promise<unknown>) {
  const { url, seen } = await startServer(reply);
  const request = new Request("http://function.example/", { headers: { ...headers, "Base44-Api-Url": url } });
  const clients: Client[] = [holdfast.createClientFromRequest(request), base44.createClientFromRequest(request)];
  const outcomes: unknown[] = [];
  for (const client of clients) outcomes.push(await call(client).catch((error: unknown) => error));
  return { outcomes, sent: seen.map(comparable) };
}

const token: Reply = {
  body: { access_token: "at-1", integration_type: "jira", connection_config: { subdomain: "a" } },
};
const proxied: Reply = {
  body: { success: true, phase: "responded", status_code: 200, data: [1], credits_charged: 0.5 },
};
const calls: [string, Reply, (client: Client) => Promise<unknown>][] = [
  ["getConnection", token, (client) => client.asServiceRole.connectors.getConnection("../evil route")],
  ["getAccessToken", token, (client) => client.asServiceRole.connectors.getAccessToken("jira")],
  ["getWorkspaceConnection", token, (client) => client.asServiceRole.connectors.getWorkspaceConnection("c 1")],
  [
    "getCurrentAppUserConnection",
    token,
    (client) => client.asServiceRole.connectors.getCurrentAppUserConnection("c/1"),
  ],
  ["callApi", proxied, (client) => client.asServiceRole.connectors.callApi("x", { path: "/" })],
  [
    "callApi with a body",
    proxied,
    (client) => client.asServiceRole.connectors.callApi("x", { method: "POST", path: "/a?b", body: { deep: ["é"] } }),
  ],
  [
    "connectAppUser",
    { body: { redirect_url: "https://h.example/" } },
    (client) => client.connectors.connectAppUser("c1"),
  ],
  ["disconnectAppUser", { status: 204 }, (client) => client.connectors.disconnectAppUser("c1")],
];

it.each(calls)("%s sends the same request and returns the same result", async (_name, reply, call) => {
  const { outcomes, sent } = await both(reply, call);
  expect(sent).toHaveLength(2);
  expect(sent[0]).toEqual(sent[1]);
  expect(outcomes[0]).toEqual(outcomes[1]);
});

describe("an error has the same status, message, code and data", () => {
  const header = { "x-base44-connector-error": "HEADER" };
  it.each<Reply>([
    { body: { error: { message: "nested", code: "N" }, message: "m", detail: "d", code: "C" }, headers: header },
    { body: { error: {}, message: "m", detail: "d", code: "C" }, headers: header },
    { body: { error: "text", detail: "d" }, headers: header },
    { body: { message: "", detail: "d" }, headers: header },
    { body: { detail: "d" } },
  ])("%j", async (reply) => {
    const { outcomes } = await both({ status: 403, ...reply }, ({ asServiceRole }) =>
      asServiceRole.connectors.getConnection("x"),
    );
    const [ours, theirs] = outcomes.map((error) => {
      if (!(error instanceof holdfast.HoldfastError || error instanceof base44.Base44Error)) throw error;
      return { status: error.status, message: error.message, code: error.code, data: error.data };
    });
    expect(ours).toEqual(theirs);
  });
});

it.each(["", "Bearer", "bearer t", "Basic t", "Bearer  t", "Bearer t u"])(
  "both reject Authorization %j",
  async (value) => {
    const { url } = await startServer();
    const request = new Request(url, { headers: { ...headers, "Base44-Api-Url": url, Authorization: value } });
    const clients = [holdfast, base44].map(async (sdk) => sdk.createClientFromRequest(request));
    for (const error of await Promise.all(clients.map(rejection))) expect(error).toBeInstanceOf(Error);
  },
);
