/** The functions' own origins: which host is whose, and what answers there. */
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { createClient } from "@base44/sdk";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { CodedError } from "../../src/core/errors.ts";
import { functionsHost, functionsOrigin, parseFunctionsUrl } from "../../src/core/functions/functions-url.ts";
import { appWithFunctions, serverWithFunctions } from "../support/functions.ts";
import { readReply, type Reply } from "../support/http.ts";
import type { TestApp, TestServer, TestServerOptions } from "../support/server.ts";
import { MATRIX } from "./matrix.ts";

const PUBLIC = "https://connect.example.com";
const ID = "0123456789abcdefghij";

describe("the template of the functions' origins", () => {
  it.each([
    ["https://{app}.fn.example.com", `https://app-${ID}.fn.example.com`],
    ["https://{app}.fn.example.com/", `https://app-${ID}.fn.example.com`],
    ["https://{app}.FN.example.com:8443", `https://app-${ID}.fn.example.com:8443`],
    ["https://fn-{app}.example.com", `https://fn-app-${ID}.example.com`],
    ["https://{app}-fn.example.com", `https://app-${ID}-fn.example.com`],
    ["http://{app}.localhost:4180", `http://app-${ID}.localhost:4180`],
    ["https://fn.example.com", "https://fn.example.com"],
  ])("%s gives %s", (template, expected) => {
    const parsed = parseFunctionsUrl(template, PUBLIC);
    expect(parsed === null ? null : functionsOrigin(parsed, `app_${ID}`)).toBe(expected);
  });

  it.each([
    "{app}",
    "https://{app}",
    "https://{app}.",
    "https://{app}:443",
    "https://example.com/{app}",
    "https://example.com?{app}",
    "https://example.com#{app}",
    "https://{app}@example.com",
    "https://user:{app}@fn.example.com",
    "https://fn.{app}.example.com",
    "https://{app}.{app}.example.com",
    "https://{app}.fn.example.com/path",
    "https://{app}.fn.example.com?x",
    "https://{APP}.fn.example.com",
    "https://{ app }.fn.example.com",
    "https://{app}.fn.example.com:{app}",
    "http://{app}.fn.example.com",
    "http://fn.example.com",
    "ftp://{app}.fn.example.com",
    "javascript:{app}",
    "fn.example.com",
    "https://connect.example.com",
    "https://connect.example.com:8443",
    "https://{app}.example.com",
  ])("%s is refused", (template) => {
    expect(() => parseFunctionsUrl(template, PUBLIC)).toThrow(CodedError);
    expect(() => parseFunctionsUrl(template, PUBLIC)).toThrow("HOLDFAST_FUNCTIONS_URL must");
  });

  it("is a setting and a flag", () => {
    const variables = { HOLDFAST_FUNCTIONS_URL: "https://{app}.fn.example.com", HOLDFAST_PUBLIC_URL: PUBLIC };
    expect(loadConfig({}, variables).functions_url?.template).toBe("https://{app}.fn.example.com");
    expect(loadConfig({ functionsUrl: "https://fn.example.com" }, variables).functions_url?.is_per_app).toBe(false);
    expect(loadConfig({}, {}).functions_url).toBeNull();
  });

  it.each([
    [`app-${ID}.fn.example.com`, { kind: "app", app_id: `app_${ID}` }],
    ["fn.example.com", null],
    ["connect.example.com", null],
    ["evilfn.example.com", null],
    [`app-${ID}.fn.example.com.evil.example`, null],
    [`app_${ID}.fn.example.com`, { kind: "unknown" }],
    [`app-${ID}x.fn.example.com`, { kind: "unknown" }],
    [`x.app-${ID}.fn.example.com`, { kind: "unknown" }],
    ["connect.fn.example.com", { kind: "unknown" }],
    [".fn.example.com", { kind: "unknown" }],
  ])("makes %s %o", (hostname, expected) => {
    const parsed = parseFunctionsUrl("https://{app}.fn.example.com", PUBLIC);
    expect(parsed === null ? null : functionsHost(parsed, hostname)).toEqual(expected);
  });
});

const FUNCTIONS = {
  echo: `Deno.serve(async (request) => Response.json({
    url: request.url, method: request.method, body: await request.text(),
    app: request.headers.get("base44-app-id"), user: request.headers.get("authorization"),
    for: request.headers.get("x-forwarded-for"), host: request.headers.get("x-forwarded-host"),
    proto: request.headers.get("x-forwarded-proto"), prefix: request.headers.get("x-forwarded-prefix"),
  }, { headers: { vary: "accept", location: "/there" } }));`,
  relay: `import { createClientFromRequest } from "npm:@base44/sdk";
    export default async (request) => (await createClientFromRequest(request).functions.fetch("/echo/deep?x=1", { method: "PUT", body: "relayed" }));`,
} as const;

const TEMPLATE = "https://{app}.fn.example";

function ready(options: TestServerOptions = {}, template: string | null = TEMPLATE): Promise<TestServer> {
  const functions_url = template === null ? null : parseFunctionsUrl(template, PUBLIC);
  return serverWithFunctions(FUNCTIONS, { ...options, config: { functions_url, ...options.config } });
}

/** Creates a second app with the same function. */
const otherApp = (holdfast: TestServer): Promise<TestApp> =>
  appWithFunctions(holdfast, "other", { echo: FUNCTIONS.echo });

const hostOf = (app_id: string): string => `${app_id.replace("_", "-")}.fn.example`;

/** Sends a request with any Host header, which fetch does not allow. */
async function call(
  { url }: TestServer,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
): Promise<Reply> {
  const sent = request(`${url}/`, { method, path, headers, agent: false });
  sent.end();
  const [reply]: IncomingMessage[] = await once(sent, "response");
  if (reply === undefined) throw new Error("no reply");
  const fields = Object.entries(reply.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const body = await text(reply);
  return await readReply(new Response(body === "" ? null : body, { status: reply.statusCode ?? 0, headers: fields }));
}

describe("an app's own origin", () => {
  it("serves that app's functions at both paths, and passes them their URL there", async () => {
    const holdfast = await ready();
    const { app_id } = holdfast.app;
    const host = hostOf(app_id);
    for (const prefix of ["/api/functions/echo", `/api/apps/${app_id}/functions/echo`]) {
      const { status, json, headers } = await call(holdfast, `${prefix}?a=%20b`, { host });
      expect([status, json]).toEqual([
        200,
        {
          url: `https://${host}${prefix}?a=%20b`,
          method: "GET",
          body: "",
          app: app_id,
          user: null,
          for: "127.0.0.1",
          host,
          proto: "https",
          prefix,
        },
      ]);
      expect(headers.get("location")).toBe(`https://${host}/there`);
    }
    expect((await call(holdfast, "/api/functions/echo/deep/er?x", { host })).json["url"]).toBe(
      `https://${host}/api/functions/echo/deep/er?x`,
    );
  });

  it("serves no page, no file and no other route, not even to an owner", async () => {
    const holdfast = await ready();
    const { app_id, api_key } = holdfast.app;
    const host = hostOf(app_id);
    const person = await holdfast.signedIn();
    const cookie = [...person.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    for (const route of [...Object.keys(MATRIX), "GET /assets/holdfast.css", "GET /healthz", "GET /nothing"]) {
      if (route.includes("/functions/")) continue;
      const [method = "", pattern = ""] = route.split(" ");
      const path = pattern.replace(":app", app_id).replaceAll(/:\w+|\*/g, "x");
      const reply = await call(holdfast, path, { host, api_key, cookie, accept: "text/html" }, method);
      expect([route, reply.status, reply.headers.get("content-type")?.split(";")[0]]).toEqual([
        route,
        404,
        "application/json",
      ]);
    }
    expect((await call(holdfast, "/%zz", { host, accept: "text/html" })).headers.get("content-type")).not.toContain(
      "html",
    );
  });

  it("knows no other app: its id gets the reply of an app that does not exist", async () => {
    const holdfast = await ready();
    const other = await otherApp(holdfast);
    const host = hostOf(holdfast.app.app_id);
    const strip = ({ status, text: body }: Reply) => [status, body.replace(/req_[a-z0-9]+/, "req")];
    const path = (app_id: string) => `/api/apps/${app_id}/functions/echo`;
    const refused = await call(holdfast, path(other.app_id), { host });
    expect(strip(refused)).toEqual(strip(await call(holdfast, path(`app_${ID}`), { host })));
    expect(refused.status).toBe(404);
    expect((await call(holdfast, path(other.app_id), { host: hostOf(other.app_id) })).status).toBe(200);
    expect((await call(holdfast, "/api/functions/echo", { host: hostOf(`app_${ID}`) })).status).toBe(404);
  });

  it("is the only one where its functions answer: a host that is no app's serves none", async () => {
    const holdfast = await ready();
    const { app_id } = holdfast.app;
    const host = hostOf(app_id);
    for (const other of ["shared.fn.example", "app-x.fn.example", `x.${host}`, `x@${host}`, `${host}, ${host}`])
      for (const path of ["/api/functions/echo", `/api/apps/${app_id}/functions/echo`]) {
        const { status, code } = await call(holdfast, path, { host: other });
        expect([other, path, status, code]).toEqual([other, path, 404, "route_not_found"]);
      }
  });

  it("is recognized in each form of its name, and nothing else is", async () => {
    const holdfast = await ready();
    const host = hostOf(holdfast.app.app_id);
    const status = async (sent: string) => (await call(holdfast, "/sign-in", { host: sent })).status;
    for (const form of [host, host.toUpperCase(), `${host}.`, `${host}:8443`, `${host}:`, `${host}.:443`])
      expect([form, await status(form)]).toEqual([form, 404]);
    for (const form of ["localhost", "127.0.0.1:4180", "[::1]:4180", "fn.example", "holdfast_internal:80"])
      expect([form, await status(form)]).toEqual([form, 200]);
    // A malformed host is no app's, so nothing answers there.
    for (const form of [
      `user@${host}`,
      `localhost@${host}`,
      `${host}@localhost`,
      `localhost, ${host}`,
      `${host}:80:80`,
      `${host}:port`,
      `${host}..`,
      `[::1`,
      `[::1]x`,
      `localhost/${host}`,
      `localhost\\${host}`,
      `localhost?${host}`,
      `local host`,
    ])
      expect([form, await status(form)]).toEqual([form, 404]);
  });

  it("is that of the target or of one Host header, and of a proxy's header only if the proxy is trusted", async () => {
    const holdfast = await ready();
    const host = hostOf(holdfast.app.app_id);
    const raw = async (head: string): Promise<string> => {
      const socket = connect(Number(new URL(holdfast.url).port), "127.0.0.1");
      socket.write(`${head}\r\nConnection: close\r\n\r\n`);
      return (await text(socket)).split(" ", 2)[1] ?? "";
    };
    expect(await raw(`GET /sign-in HTTP/1.1\r\nHost: localhost`)).toBe("200");
    expect(await raw(`GET http://${host}/sign-in HTTP/1.1\r\nHost: localhost`)).toBe("404");
    expect(await raw(`GET http://localhost/sign-in HTTP/1.1\r\nHost: ${host}`)).toBe("200");
    expect(await raw(`GET /sign-in HTTP/1.1\r\nHost: localhost\r\nHost: ${host}`)).toBe("404");
    expect(await raw(`GET http://${host}/api/functions/echo HTTP/1.1\r\nHost: localhost`)).toBe("200");
    const forwarded = { "x-forwarded-host": host };
    expect((await call(holdfast, "/sign-in", forwarded)).status).toBe(200);
    const behind = await holdfast.restart({ config: { ...holdfast.config, trusted_proxies: ["127.0.0.1"] } });
    expect((await call(behind, "/sign-in", forwarded)).status).toBe(404);
    const reply = await call(behind, "/api/functions/echo", {
      ...forwarded,
      "x-forwarded-for": "1.2.3.4, 203.0.113.9",
    });
    expect([reply.json["for"], reply.json["host"]]).toEqual(["203.0.113.9", host]);
  });
});

describe("the API's origin", () => {
  it("also serves both paths, with its own URL, and never redirects", async () => {
    const holdfast = await ready();
    const { app_id } = holdfast.app;
    for (const path of ["/api/functions/echo", `/api/apps/${app_id}/functions/echo`]) {
      const { status, json } = await call(holdfast, path, {
        "x-forwarded-host": "evil.example",
        forwarded: "host=evil",
      });
      expect([status, json["url"], json["host"]]).toEqual([
        200,
        holdfast.config.public_url + path,
        new URL(holdfast.config.public_url).host,
      ]);
    }
  });

  it("finds the app of a path without one by the user's token, then by being the only app", async () => {
    const holdfast = await ready();
    const { app_id } = holdfast.app;
    expect((await call(holdfast, "/api/functions/echo")).json["app"]).toBe(app_id);
    const other = await otherApp(holdfast);
    const refused = await call(holdfast, "/api/functions/echo");
    expect([refused.status, refused.code]).toEqual([400, "app_ambiguous"]);
    const user_token = (
      await holdfast.installation.appUsers.issueToken(other.app_id, holdfast.builder.user_id)
    ).expose();
    const authorization = `Bearer ${user_token}`;
    const called = await call(holdfast, "/api/functions/echo", { authorization });
    expect([called.json["app"], called.json["user"]]).toEqual([other.app_id, authorization]);
    // A cache must not give one app's reply to another's user.
    expect(called.headers.get("vary")).toBe("authorization, accept");
    // The host decides first, and the token of another app's user is none.
    const own = await call(holdfast, "/api/functions/echo", { authorization, host: hostOf(app_id) });
    expect([own.json["app"], own.json["user"]]).toEqual([app_id, null]);
    expect((await call(holdfast, "/api/functions/echo", { authorization: "Bearer x" })).code).toBe("app_ambiguous");
    expect((await call(holdfast, "/api/functions/echo", { "x-app-id": app_id })).code).toBe("app_ambiguous");
  });

  it("refuses a path that a URL parser would shorten", async () => {
    const holdfast = await ready();
    for (const rest of [
      "echo/../x",
      "echo/%2e%2e/x",
      "echo/./x",
      "echo/..",
      "../functions/echo",
      "echo/..\\x",
      "echo\\..\\x",
    ]) {
      const { status, code } = await call(holdfast, `/api/functions/${rest}`);
      expect([rest, status, code]).toEqual([rest, 404, "function_not_found"]);
    }
  });

  it("serves the public SDK: invoke, fetch, and fetch from inside a function", async () => {
    const holdfast = await ready();
    const { app_id } = holdfast.app;
    const client = createClient({ serverUrl: holdfast.url, appId: app_id });
    const invoked = await client.functions.invoke("echo", { a: 1 });
    expect(invoked.data).toMatchObject({ method: "POST", body: '{"a":1}', app: app_id });
    const fetched = await client.functions.fetch("/echo/sub?y=2", { method: "PATCH", body: "raw" });
    expect(await fetched.json()).toMatchObject({
      url: `${holdfast.config.public_url}/api/functions/echo/sub?y=2`,
      method: "PATCH",
      body: "raw",
    });
    await holdfast.createApp("other");
    // Its own app, although the installation has two.
    const relayed = await client.functions.invoke("relay", {});
    expect(relayed.data).toMatchObject({ method: "PUT", body: "relayed", app: app_id, for: null });
  });
});

describe("one origin for all functions", () => {
  it("serves every app's functions while there is one workspace, and refuses a second workspace", async () => {
    const holdfast = await ready({}, "https://fn.example");
    const other = await otherApp(holdfast);
    const path = `/api/apps/${other.app_id}/functions/echo`;
    const host = "fn.example";
    expect((await call(holdfast, path, { host })).json["url"]).toBe(`https://fn.example${path}`);
    expect((await call(holdfast, "/sign-in", { host })).status).toBe(404);
    const person = await holdfast.signedIn();
    const create = () =>
      holdfast.installation.workspaces.create("second", holdfast.builder.user_id).then(
        () => "created",
        (error: unknown) => (error instanceof CodedError ? error.code : "other"),
      );
    expect(person.cookies.size).toBeGreaterThan(0);
    expect(await create()).toBe("functions_url_shared");
    const own = await holdfast.restart({
      config: { ...holdfast.config, functions_url: parseFunctionsUrl(TEMPLATE, PUBLIC) },
    });
    await own.installation.workspaces.create("second", holdfast.builder.user_id);
    await expect(own.restart({ config: holdfast.config })).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringContaining("several workspaces"),
    });
  });
});
