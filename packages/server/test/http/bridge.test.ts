/**
 * Bridges: what a running function reaches of this server, and where its token works. The functions
 * are real Deno processes.
 */
import { describe, expect, it } from "vitest";
import { ERRORS } from "../../src/core/errors.ts";
import { openBridge } from "../support/bridge.ts";
import { until } from "../support/clock.ts";
import { functionPath, serverWithFunctions } from "../support/functions.ts";
import { asObject, readReply, type Reply } from "../support/http.ts";
import type { TestServer, TestServerOptions } from "../support/server.ts";
import { MATRIX } from "./matrix.ts";

const FUNCTIONS = {
  // Gives its address and token to its caller, and keeps running until /end is called.
  leak: `
    let end = Promise.withResolvers();
    Deno.serve((request) => {
      if (new URL(request.url).searchParams.has("end")) { end.resolve(); return new Response("ended"); }
      const token = request.headers.get("base44-service-authorization");
      const api = request.headers.get("base44-api-url");
      const text = new TextEncoder().encode(JSON.stringify({ token, api }) + "\\n");
      return new Response(new ReadableStream({
        async start(controller) { controller.enqueue(text); await end.promise; controller.close(); },
      }));
    });`,
  // Calls its API with the token of its own invocation, or with the one in the body.
  use: `
    export default async (request) => {
      const { path, token = request.headers.get("base44-service-authorization"), headers = {} } = await request.json();
      const reply = await fetch(request.headers.get("base44-api-url") + path, { headers: { ...headers, authorization: token } });
      return Response.json({ status: reply.status, text: await reply.text() });
    };`,
} as const;

async function ready(options: TestServerOptions = {}): Promise<TestServer> {
  const holdfast = await serverWithFunctions(FUNCTIONS, options);
  await holdfast.connect("googlecalendar");
  return holdfast;
}

const tokenPath = ({ app }: TestServer): string => `/api/apps/${app.app_id}/external-auth/tokens/googlecalendar`;

/** Starts the function that gives its token away. `end` ends the invocation. */
async function leaked(holdfast: TestServer): Promise<{ token: string; api: string; end: () => Promise<void> }> {
  const response = await fetch(`${holdfast.url}${functionPath(holdfast, "leak")}`);
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  const { token, api } = asObject(JSON.parse(new TextDecoder().decode(value)));
  return {
    token: String(token),
    api: String(api),
    async end() {
      await holdfast.request("POST", `${functionPath(holdfast, "leak")}?end`);
      expect((await reader.read()).done).toBe(true);
    },
  };
}

const get = async (url: string, authorization: string): Promise<Reply> =>
  readReply(await fetch(url, { headers: { authorization } }));

async function used(holdfast: TestServer, json: unknown): Promise<Reply> {
  const reply = await holdfast.request("POST", functionPath(holdfast, "use"), { json });
  expect(reply.status).toBe(200);
  return readReply(new Response(String(reply.json["text"]), { status: Number(reply.json["status"]) }));
}

describe("a function's token", () => {
  it("works over its own process's bridge while its invocation runs, and nowhere else", async () => {
    // Without a sandbox, the only place from which this test can reach the process's bridge.
    const holdfast = await ready({ config: { functions_isolation: "none" } });
    const { token, api, end } = await leaked(holdfast);
    const path = tokenPath(holdfast);
    expect(new URL(api).port).not.toBe(new URL(holdfast.url).port);
    expect((await get(`${api}${path}`, token)).status).toBe(200);
    const invalid = [401, "invalid_token"];
    const refusal = ({ status, code }: Reply) => [status, code];
    expect(refusal(await get(`${holdfast.url}${path}`, token))).toEqual(invalid);
    expect(refusal(await used(holdfast, { path, token }))).toEqual(invalid);
    expect((await used(holdfast, { path })).status).toBe(200);
    await end();
    // Once the process has reported that no work is left.
    const replayed = await until("the invocation has ended", async () => {
      const reply = await get(`${api}${path}`, token);
      return reply.status === 401 && reply;
    });
    expect(refusal(replayed)).toEqual(invalid);
  });

  it("names no app: the app is that of the invocation", async () => {
    const holdfast = await ready();
    const { token } = await leaked(holdfast);
    expect(token).toMatch(/^Bearer hff_inv_[a-z0-9]{20}\.[A-Za-z0-9_-]{43}$/);
    const other = await holdfast.createApp("other");
    const path = tokenPath({ ...holdfast, app: other });
    expect((await used(holdfast, { path })).status).toBe(404);
  });
});

/** What a function can call. Everything else of the server does not exist for it. */
const BRIDGED = [
  "GET /api/apps/:app/external-auth/tokens/:integration_type",
  "GET /api/apps/:app/entities/User/me",
  "POST /api/apps/:app/analytics/track/batch",
  "POST /api/apps/:app/functions/*",
] as const;

describe("a bridge", () => {
  it("hides every other route, even from a caller with a valid API key", async () => {
    const holdfast = await ready();
    const bridge = await openBridge(holdfast, "prc_1");
    const { api_key, app_id } = holdfast.app;
    const isHidden = async (route: string): Promise<boolean> => {
      const [method = "", pattern = ""] = route.split(" ");
      const path = pattern.replace(":app", app_id).replaceAll(/:\w+|\*/g, "x");
      const reply = await readReply(await fetch(`${bridge}${path}`, { method, headers: { api_key } }));
      return reply.status === 404 && reply.text.includes(ERRORS.route_not_found.message);
    };
    const open: string[] = [];
    for (const route of Object.keys(MATRIX)) if (!(await isHidden(route))) open.push(route);
    expect(open.filter((route) => !route.includes("/functions/")).toSorted()).toEqual(
      BRIDGED.filter((route) => !route.includes("/functions/")).toSorted(),
    );
    const page = await fetch(`${bridge}/sign-in`, { headers: { accept: "text/html" } });
    expect([page.status, page.headers.get("content-type")]).toEqual([404, "application/json; charset=utf-8"]);
  });

  it("counts refused tokens of all functions of an app together, despite the addresses they claim", async () => {
    const holdfast = await ready({
      limits: { failed_authentications_per_minute: 2 },
      config: { trusted_proxies: ["127.0.0.1"] },
    });
    const path = tokenPath(holdfast);
    const codes: unknown[] = [];
    for (let n = 0; n < 3; n += 1) {
      const headers = { "x-forwarded-for": `203.0.113.${n}` };
      codes.push((await used(holdfast, { path, token: "Bearer x", headers })).code);
    }
    expect(codes).toEqual(["invalid_token", "invalid_token", "rate_limited"]);
    expect((await used(holdfast, { path })).status).toBe(200);
    expect((await get(`${holdfast.url}${path}`, "Bearer x")).code).toBe("invalid_token");
  });

  it("accepts a limited number of connections from one process", async () => {
    const holdfast = await ready({
      limits: { function_bridge_connections: 1 },
      config: { functions_isolation: "none" },
    });
    const { token, api } = await leaked(holdfast);
    const first = await get(`${api}${tokenPath(holdfast)}`, token);
    // fetch keeps its connection open, so another client's has no room.
    const second = fetch(`${api}${tokenPath(holdfast)}`, { headers: { authorization: token, connection: "close" } });
    expect([
      first.status,
      await second.then(
        ({ status }) => status,
        () => "refused",
      ),
    ]).toEqual([200, "refused"]);
  });
});
