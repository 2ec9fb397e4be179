import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ERRORS } from "../../src/core/errors.ts";
import type { Reply } from "../support/http.ts";
import { openTestServer, startTestServer, type TestServer } from "../support/server.ts";

let holdfast: TestServer;
beforeAll(async () => {
  holdfast = await openTestServer();
  await holdfast.setClient("googlecalendar");
  await holdfast.connect("slack");
});
afterAll(() => holdfast.close());

const put = (body: string | Uint8Array<ArrayBuffer>, type = "application/json", path = integration()) =>
  holdfast.manage("PUT", path, { body, headers: { "content-type": type } });
const integration = () => `/api/apps/${holdfast.app.app_id}/external-auth/integrations/googlecalendar`;
const createApp = (json: unknown) => holdfast.manage("POST", "/api/management/apps", { json });

/** Returns what tests compare of an error: the parts that both public clients read. */
function errorOf({ status, code, json, extra, headers }: Reply) {
  const { message, detail, retryable, request_id } = json;
  return {
    status,
    code,
    has_message: typeof message === "string" && message !== "" && detail === message,
    retryable,
    who_must_act: extra["who_must_act"],
    same_request_id: request_id === headers.get("x-request-id"),
    cache_control: headers.get("cache-control"),
    content_type: headers.get("content-type"),
  };
}

function refusal(status: number, code: keyof typeof ERRORS): ReturnType<typeof errorOf> {
  return {
    status,
    code,
    has_message: true,
    retryable: ERRORS[code].retryable,
    who_must_act: ERRORS[code].who_must_act,
    same_request_id: true,
    cache_control: "no-store",
    content_type: "application/json; charset=utf-8",
  };
}

describe("addresses and methods", () => {
  it("replies 404 to an unknown address", async () => {
    for (const path of ["/nowhere", "/api", "//", "/api/apps/x/external-auth/tokens", "/.git/config"])
      expect(errorOf(await holdfast.manage("GET", path))).toEqual(refusal(404, "route_not_found"));
  });

  it("replies 405 with the allowed methods", async () => {
    for (const [method, path, allow] of [
      ["POST", `/api/apps/${holdfast.app.app_id}/external-auth/tokens/slack`, "GET, HEAD, OPTIONS"],
      ["PATCH", integration(), "DELETE, PUT"],
      ["DELETE", "/api/management/apps", "GET, HEAD, POST"],
      ["POST", "/api/external-auth/callback/google", "GET, HEAD"],
      ["PUT", "/healthz", "GET, HEAD"],
    ] as const) {
      const reply = await holdfast.manage(method, path);
      expect(errorOf(reply)).toEqual(refusal(405, "method_not_allowed"));
      expect(reply.headers.get("allow")).toBe(allow);
    }
  });

  it("replies 414 to an address of more than 8 KiB, in the path and in the query", async () => {
    const long = "x".repeat(9 * 1024);
    for (const path of [`/${long}`, `/api/apps/${long}/external-auth/list`, `/healthz?${long}`, `/connect/${long}`])
      expect(errorOf(await holdfast.manage("GET", path))).toEqual(refusal(414, "url_too_long"));
  });

  it("replies 400 to broken percent-encoding", async () => {
    expect(errorOf(await holdfast.manage("GET", "/api/apps/%zz/external-auth/list"))).toEqual(
      refusal(400, "bad_request"),
    );
  });

  it("refuses headers of more than 16 KiB in total", async () => {
    expect(await raw(`GET /healthz HTTP/1.1\r\nhost: x\r\na: ${"x".repeat(17_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 /,
    );
  });

  it("is not a proxy: CONNECT gets 405", async () => {
    expect(await raw("CONNECT internal:443 HTTP/1.1\r\nhost: internal\r\n\r\n")).toMatch(
      /^HTTP\/1.1 405 .*allow: GET/s,
    );
  });

  it.for([
    "GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /api/management/apps HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    "GET /healthz HTTP/1.1\r\nhost: x\r\na: b\r\n folded\r\n\r\n",
    "GET /healthz HTTP/1.1\nhost: x\n\n",
    "GARBAGE\r\n\r\n",
  ])("closes a connection with an ambiguous request: %j", async (request) => {
    const answer = await raw(request);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).not.toContain("200 OK");
  });

  it("returns the caller's request id when it is valid, and a new one otherwise", async () => {
    const asked = (id: string) => holdfast.request("GET", "/healthz", { headers: { "x-request-id": id } });
    expect((await asked("abc-123_X")).headers.get("x-request-id")).toBe("abc-123_X");
    for (const id of ["", "x".repeat(65), "a b", "<script>"])
      expect((await asked(id)).headers.get("x-request-id")).toMatch(/^req_[a-z0-9]{20}$/);
  });
});

describe("bodies", () => {
  it("accepts JSON only", async () => {
    for (const type of [
      "text/plain",
      "application/xml",
      "multipart/form-data; boundary=x",
      "application/x-www-form-urlencoded",
    ])
      expect(errorOf(await put('{"scopes":[]}', type))).toEqual(refusal(415, "unsupported_media_type"));
    expect((await put('{"scopes":[]}', "application/json; charset=utf-8")).status).toBe(200);
  });

  it.for(["{", "[1,2", '{"scopes":[]} x', "{'scopes':[]}", "\u0000", "NaN", '{"scopes":[],}', "undefined"])(
    "rejects %j as invalid JSON",
    async (body) => {
      expect(errorOf(await put(body))).toEqual(refusal(400, "invalid_json"));
    },
  );

  it("reports bytes that are not UTF-8 as invalid JSON", async () => {
    expect(errorOf(await put(new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])))).toEqual(
      refusal(400, "invalid_json"),
    );
    expect(errorOf(await put(new Uint8Array(Buffer.from('{"scopes":[]}', "utf16le"))))).toEqual(
      refusal(400, "invalid_json"),
    );
  });

  it.for([
    '{"__proto__":{"a":1}}',
    '{"scopes":[],"constructor":{"prototype":{"a":1}}}',
    '{"x":{"__proto__":1}}',
    '{"scopes":[{"prototype":1}]}',
    '{"\\u005f_proto__":1}',
  ])("refuses the forbidden key in %s", async (body) => {
    expect(errorOf(await put(body))).toEqual(refusal(400, "forbidden_key"));
    expect(Object.hasOwn(Object.prototype, "a")).toBe(false);
  });

  it("refuses a body that is nested too deeply", async () => {
    const nested = (depth: number) => `{"x":${"[".repeat(depth)}${"]".repeat(depth)},"scopes":[]}`;
    expect((await put(nested(31))).status).toBe(200);
    for (const depth of [32, 1_000, 100_000])
      expect(errorOf(await put(nested(depth)))).toEqual(refusal(400, "invalid_json"));
  });

  it("refuses 300 KB, with and without a content length", async () => {
    expect(errorOf(await put(JSON.stringify({ scopes: ["x".repeat(300_000)] })))).toEqual(
      refusal(413, "body_too_large"),
    );
    const chunked = await raw(
      `PUT ${integration()} HTTP/1.1\r\nhost: x\r\napi_key: ${holdfast.app.api_key}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n49400\r\n${"x".repeat(0x49400)}\r\n0\r\n\r\n`,
    );
    expect(chunked).toMatch(/^HTTP\/1.1 413 /);
  });

  it("treats an empty body as absent, because clients send a JSON content type with it", async () => {
    const reply = await holdfast.manage("DELETE", integration(), { headers: { "content-type": "application/json" } });
    expect(reply.status).toBe(200);
    expect(errorOf(await put(""))).toEqual(refusal(400, "invalid_field"));
  });

  it.for([
    [{}, "/name"],
    [{ name: 5 }, "/name"],
    [{ name: null }, "/name"],
    [{ name: ["x"] }, "/name"],
    [[], "/"],
    ["x", "/"],
    [null, "/"],
  ] as const)("names the wrong field in %j", async ([body, name]) => {
    const reply = await createApp(body);
    expect(errorOf(reply)).toEqual(refusal(400, "invalid_field"));
    expect(reply.extra["errors"]).toMatchObject([{ name, message: expect.any(String) }]);
  });

  it("names all wrong fields in one reply", async () => {
    const reply = await holdfast.manage("PUT", "/api/management/clients/slack", { json: { client_id: 1 } });
    expect(errorOf(reply)).toEqual(refusal(400, "invalid_field"));
    expect(reply.extra["errors"]).toHaveLength(2);
  });

  it.for(["", "   ", "a".repeat(101), "a\u202eb", "a\u200bb", "a\nb", "\u0000", "\ud800"])(
    "rejects %j as a name",
    async (name) => {
      expect(errorOf(await createApp({ name }))).toEqual(refusal(400, "invalid_name"));
    },
  );

  it("refuses unknown fields on its own routes, and never sets a protected field", async () => {
    for (const extra of [{ id: "app_mine" }, { user_id: "x" }, { role: "owner" }, { Name: "x" }]) {
      const reply = await createApp({ name: "one", ...extra });
      expect(errorOf(reply)).toEqual(refusal(400, "unknown_field"));
      expect(reply.extra["errors"]).toMatchObject([{ name: `/${Object.keys(extra)[0]}` }]);
    }
    expect(await holdfast.installation.apps.list()).toHaveLength(1);
  });

  it("ignores unknown fields on routes that public clients call", async () => {
    const reply = await put('{"scopes":[],"status":"active","id":"x","notify_chat_on_success":true}');
    expect(reply.status).toBe(200);
    expect(reply.json["already_authorized"]).toBe(false);
  });

  it.for([
    { scopes: "a" },
    { scopes: [1] },
    { scopes: Array.from({ length: 201 }, (_, index) => `s${index}`) },
    { scopes: ["x".repeat(257)] },
    { connection_config: [] },
    { connection_config: { a: 1 } },
    { connection_config: { a: "x".repeat(1025) } },
    { connection_config: Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`k${index}`, "v"])) },
    { return_to: 7 },
  ])("refuses %j as a request", async (body) => {
    expect(errorOf(await put(JSON.stringify(body)))).toEqual(refusal(400, "invalid_field"));
  });

  it.for(["59", "-0", "1e309", "60.5", '"60"', "null", "{}"])("refuses %s as a lifetime", async (lifetime) => {
    const reply = await holdfast.manage("POST", `/api/management/apps/${holdfast.app.app_id}/tokens`, {
      body: `{"name":"x","expires_in_s":${lifetime}}`,
      headers: { "content-type": "application/json" },
    });
    expect(errorOf(reply)).toEqual(refusal(400, "invalid_field"));
  });

  it.for(["a\nb", "", "x".repeat(4097), "\u00e9", "a\u0000b"])(
    "rejects %j as a client secret",
    async (client_secret) => {
      const reply = await holdfast.manage("PUT", "/api/management/clients/notion", {
        json: { client_id: "x", client_secret },
      });
      expect(errorOf(reply)).toEqual(refusal(400, "invalid_field"));
      expect(reply.text).not.toContain(client_secret === "" ? "secret-of" : client_secret);
    },
  );
});

describe("services that do not exist", () => {
  const everywhere: readonly ((type: string) => Promise<Reply>)[] = [
    (type) => holdfast.token(type),
    (type) => holdfast.initiate(type),
    (type) => holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/${type}`),
    (type) => holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/${type}/remove`),
    (type) =>
      holdfast.manage("PUT", `/api/management/clients/${type}`, { json: { client_id: "x", client_secret: "y" } }),
    (type) =>
      holdfast.manage(
        "GET",
        `/api/apps/${holdfast.app.app_id}/external-auth/status?integration_type=${type}&connection_id=x`,
      ),
  ];

  it.for([
    ["slak", "slack"],
    ["google_calendar", "googlecalendar"],
    ["googlecalender", "googlecalendar"],
    ["slack-bot", "slackbot"],
    ["sales_force", "salesforce"],
  ] as const)("suggests the nearest name: %s, did you mean %s", async ([type, meant]) => {
    for (const call of everywhere) {
      const reply = await call(type);
      expect(errorOf(reply)).toEqual(refusal(404, "unknown_service"));
      expect(reply.json["message"]).toContain(`Did you mean "${meant}"?`);
    }
  });

  it.for(["__proto__", "constructor", "tostring", "hasownproperty", "connectors", "0", "-", "_"])(
    "rejects the unknown service %s",
    async (type) => {
      for (const call of everywhere) expect(errorOf(await call(type))).toEqual(refusal(404, "unknown_service"));
    },
  );

  it.for([
    "Slack",
    "SLACK",
    "%20slack",
    "slack%20",
    "%2e%2e%2fslack",
    "..%2F..",
    "%00",
    "slack%00",
    "sl%D0%B0ck",
    "%F0%9F%92%A9",
    "x".repeat(65),
    "slack%0A",
    "'%20or%201=1%20--",
    "*",
    "slack;",
    "sl,ack",
  ])("refuses %s as the name of a service", async (type) => {
    for (const call of everywhere) expect(errorOf(await call(type))).toEqual(refusal(400, "invalid_service"));
  });

  it("does not let a name escape its route", async () => {
    const before = await holdfast.installation.apps.list();
    const reply = await holdfast.manage(
      "DELETE",
      `/api/apps/${holdfast.app.app_id}/external-auth/integrations/..%2F..%2F..%2F..%2Fmanagement%2Fapps`,
    );
    expect(errorOf(reply)).toEqual(refusal(400, "invalid_service"));
    expect(await holdfast.installation.apps.list()).toEqual(before);
  });

  it("says what to do for a known service without a connection", async () => {
    const reply = await holdfast.token("notion");
    expect(errorOf(reply)).toEqual(refusal(404, "not_connected"));
    expect(reply.extra).toMatchObject({
      reconnect_url: `${holdfast.config.public_url}/apps/${holdfast.app.app_id}/connect/notion`,
    });
  });

  it.for(["x", "A".repeat(64), "a".repeat(63), ""])("checks a rejected token's hash: %j", async (hash) => {
    const reply = await holdfast.request("GET", `/api/apps/${holdfast.app.app_id}/external-auth/tokens/slack`, {
      headers: { authorization: `Bearer ${holdfast.app.service_token}`, "x-holdfast-rejected-token-hash": hash },
    });
    expect(errorOf(reply)).toEqual(refusal(400, "invalid_field"));
  });

  it.for(["x", "flw_%00", "..%2F", "%F0%9F%92%A9", "x".repeat(500)])("finds no consent %s", async (flow) => {
    const person = await holdfast.signedIn();
    for (const address of [`/connect/${flow}`, `/connect/${flow}/go`, `/connect/${flow}/result`])
      expect(errorOf(await person.get(address, { accept: "application/json" }))).toEqual(
        refusal(404, "flow_not_found"),
      );
  });
});

describe("any input", () => {
  const segment = fc.oneof(
    fc.constantFrom(
      "api",
      "apps",
      "external-auth",
      "tokens",
      "integrations",
      "slack",
      "management",
      "clients",
      "connect",
    ),
    fc.constantFrom(
      "callback",
      "google",
      "setup",
      "list",
      "status",
      "remove",
      "go",
      "result",
      "functions",
      "..",
      "%00",
    ),
    fc.string({ maxLength: 12 }).map((text) => encodeURIComponent(text.toWellFormed())),
    fc.constant("APP"),
  );
  const query = fc.oneof(
    fc.constant(""),
    fc.webQueryParameters().map((text) => `?${text}`),
    fc
      .dictionary(
        fc.constantFrom("integration_type", "connection_id", "state", "code", "error", "iss", "__proto__"),
        fc.string({ maxLength: 50 }),
      )
      .map((values) => `?${new URLSearchParams(Object.entries(values)).toString()}`),
  );
  const body = fc.oneof(
    fc.constant(undefined),
    fc.json(),
    fc.string(),
    fc.jsonValue().map((value) => JSON.stringify(value)),
  );
  const known = fc.constantFrom(
    "/api/apps/APP/external-auth/integrations/slack",
    "/api/apps/APP/external-auth/integrations/googlecalendar",
    "/api/management/apps",
    "/api/management/clients/slack",
    "/api/apps/APP/external-auth/status",
    "/api/external-auth/callback/slack",
    "/apps/APP/connect/slack",
    "/api/apps/APP/functions/x",
  );
  const attempt = fc.record({
    method: fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
    path: fc.oneof(
      known,
      fc.array(segment, { maxLength: 8 }).map((parts) => `/${parts.join("/")}`),
    ),
    query,
    body,
    type: fc.constantFrom("application/json", "application/x-www-form-urlencoded", "text/plain", "x/y", ""),
    credential: fc.constantFrom("none", "service", "key", "session", "junk"),
    accept: fc.constantFrom("application/json", "text/html", "*/*"),
  });

  it("never gets a 5xx reply, and the next valid request succeeds", async () => {
    // A separate server, because random requests can delete an app.
    const own = await startTestServer();
    await own.setClient("slack");
    const person = await own.signedIn();
    const cookie = [...person.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const credentials: Readonly<Record<string, Record<string, string>>> = {
      none: {},
      service: { authorization: `Bearer ${own.app.service_token}` },
      key: { api_key: own.app.api_key },
      session: { cookie, origin: own.config.public_url },
      junk: { authorization: "Bearer x", cookie: "holdfast-session=;;=" },
    };
    const property = fc.asyncProperty(attempt, async (one) => {
      const path = `${one.path}${one.query}`.replaceAll("APP", own.app.app_id);
      const reads = one.method === "GET" || one.method === "HEAD";
      const reply = await own.request(one.method, path, {
        headers: {
          ...credentials[one.credential],
          accept: one.accept,
          ...(one.type === "" ? {} : { "content-type": one.type }),
        },
        ...(reads || one.body === undefined ? {} : { body: one.body }),
      });
      expect(reply.status).toBeLessThan(500);
      expect(reply.text).not.toMatch(/\bat .*\.(ts|js):\d+/);
    });
    await fc.assert(property, { numRuns: 500 });
    expect(own.log.filter(({ event }) => event === "internal_error")).toEqual([]);
    expect((await own.request("GET", "/healthz")).status).toBe(200);
  });

  it.for(["/healthz", "/readyz"])("leaves %s open to every caller", async (path) => {
    expect((await holdfast.request("GET", path)).status).toBe(200);
  });
});

/** Sends raw bytes to the server. Returns the response head, or what arrived before the close. */
function raw(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(holdfast.url);
    const socket = connect({ host: hostname, port: Number(port) });
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\r\n\r\n")) socket.destroy();
    });
    socket.on("close", () => resolve(text));
    // A server that refuses early can reset the connection while the client still writes.
    socket.on("error", (error) => (text === "" ? reject(error) : resolve(text)));
    socket.write(request);
  });
}
