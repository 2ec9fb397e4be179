import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { plus } from "../../src/core/types.ts";
import { openInstallation } from "../../src/installation.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { DAY, MINUTE, SECOND, until } from "../support/clock.ts";
import { openBridge } from "../support/bridge.ts";
import { readReply, type Reply } from "../support/http.ts";
import { secretPart, startTestServer, type TestServer } from "../support/server.ts";

const tokenPath = ({ app }: TestServer, type = "googlecalendar") =>
  `/api/apps/${app.app_id}/external-auth/tokens/${type}`;

/** Requests the token route with this Authorization header. */
const withHeader = (holdfast: TestServer, authorization: string, path = tokenPath(holdfast)) =>
  holdfast.request("GET", path, { headers: { authorization } });

const brief = ({ status, code, json }: Reply) => [status, code, json["detail"]];

async function connected() {
  const holdfast = await startTestServer();
  await holdfast.connect("googlecalendar");
  return holdfast;
}

describe("the token route", () => {
  it("replies to the app's own service token, and forbids caches to store the reply", async () => {
    const holdfast = await connected();
    const reply = await holdfast.token("googlecalendar");
    expect(reply.json).toEqual({
      access_token: expect.stringMatching(/^ya29/),
      integration_type: "googlecalendar",
      connection_config: null,
    });
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(reply.headers.has("etag")).toBe(false);
  });

  it("sends another app's token the same bytes as for an app that does not exist", async () => {
    const holdfast = await connected();
    const other = await holdfast.createApp("other");
    const ask = async (path: string) => {
      const headers = { authorization: `Bearer ${other.service_token}`, "x-request-id": "same" };
      const reply = await holdfast.request("GET", path, { headers });
      const kept = [...reply.headers].filter(([name]) => name !== "date");
      return { status: reply.status, text: reply.text, headers: kept };
    };
    const foreign = await ask(tokenPath(holdfast));
    const missing = await ask("/api/apps/app_00000000000000000000/external-auth/tokens/googlecalendar");
    expect(foreign).toEqual(missing);
    expect(foreign.status).toBe(404);
  });

  it("refuses a builder's key with the message that clients know: service tokens only", async () => {
    const holdfast = await connected();
    const text = "This endpoint is only accessible to service tokens";
    for (const headers of [{ authorization: `Bearer ${holdfast.app.api_key}` }, { api_key: holdfast.app.api_key }]) {
      const reply = await holdfast.request("GET", tokenPath(holdfast), { headers });
      expect(brief(reply)).toEqual([403, "service_token_required", text]);
    }
  });

  it("replies Unauthorized to unknown tokens, without the reason", async () => {
    const holdfast = await connected();
    const { service_token } = holdfast.app;
    const [prefix = "", id = "", ...rest] = service_token.split("_");
    const wrong_secret = (await holdfast.createApp("other")).service_token.split("_").slice(2);
    const unknown = [
      "x",
      "hfs_",
      service_token.slice(0, -1),
      `${service_token}0`,
      service_token.toUpperCase(),
      [prefix, id.split("").toReversed().join(""), ...rest].join("_"),
      [prefix, id, ...wrong_secret].join("_"),
      "hff_e30.e30",
      "hff_",
      "b44k_nothing",
      "eyJhbGciOiJIUzI1NiJ9.e30.x",
    ];
    for (const token of unknown) {
      const reply = await withHeader(holdfast, `Bearer ${token}`);
      expect(brief(reply)).toEqual([401, "invalid_token", "Unauthorized"]);
      expect(reply.headers.get("www-authenticate")).toBe('Bearer realm="holdfast", error="invalid_token"');
    }
  });

  it("reports a missing token when none was sent", async () => {
    const holdfast = await connected();
    const reply = await holdfast.request("GET", tokenPath(holdfast));
    expect([reply.status, reply.code]).toEqual([401, "missing_token"]);
    expect(reply.headers.get("www-authenticate")).toBe('Bearer realm="holdfast"');
  });

  it("accepts exactly one header of exactly one form", async () => {
    const holdfast = await connected();
    const { service_token } = holdfast.app;
    const basic = `Basic ${Buffer.from(`x:${service_token}`).toString("base64")}`;
    for (const header of [
      basic,
      "Bearer",
      "Bearer ",
      `bearer ${service_token}`,
      `Bearer  ${service_token}`,
      `Bearer ${service_token} ${service_token}`,
      `Bearer ${service_token}, Bearer ${service_token}`,
      `Token ${service_token}`,
      service_token,
      `Bearer ${"x".repeat(8193)}`,
    ]) {
      const reply = await withHeader(holdfast, header);
      expect([reply.status, reply.code]).toEqual([401, "malformed_token"]);
    }
    expect(await twoHeaders(holdfast, `Bearer ${service_token}`)).toMatchObject({
      status: 401,
      code: "malformed_token",
    });
  });

  it.for(["access_token", "token", "api_key", "service_token"])(
    "refuses a token in the address (%s), even with a good header, and records it",
    async (name) => {
      const holdfast = await connected();
      const path = `${tokenPath(holdfast)}?${name}=${holdfast.app.service_token}`;
      for (const headers of [{}, { authorization: `Bearer ${holdfast.app.service_token}` }]) {
        const reply = await holdfast.request("GET", path, { headers });
        expect([reply.status, reply.code]).toEqual([401, "token_in_url"]);
        expect(reply.text).not.toContain(holdfast.app.service_token);
      }
      await holdfast.installation.audit.flush();
      const events = (await holdfast.installation.store.listAudit("", 10)).filter(
        ({ action }) => action !== "account.sign_in",
      );
      expect(events.map(({ action }) => action)).toEqual(["token_in_url", "token_in_url"]);
      expect(JSON.stringify([events, holdfast.log])).not.toContain(holdfast.app.service_token);
    },
  );

  it("ignores tokens in cookies", async () => {
    const holdfast = await connected();
    const cookie = `access_token=${holdfast.app.service_token}; holdfast-session=${holdfast.app.service_token}`;
    const reply = await holdfast.request("GET", tokenPath(holdfast), { headers: { cookie } });
    expect(reply.code).toBe("missing_token");
  });
});

describe("tokens that stop working", () => {
  const tokens = ({ app }: TestServer) => `/api/management/apps/${app.app_id}/tokens`;

  it("are refused at once after a revocation here, with the reason for callers who know the secret", async () => {
    const holdfast = await connected();
    const made = await holdfast.manage("POST", tokens(holdfast), { json: { name: "second" } });
    const second = String(made.json["service_token"]);
    expect((await withHeader(holdfast, `Bearer ${second}`)).status).toBe(200);
    await holdfast.manage("DELETE", `${tokens(holdfast)}/${String(made.json["id"])}`);
    const refused = await withHeader(holdfast, `Bearer ${second}`);
    expect([refused.status, refused.code]).toEqual([401, "token_revoked"]);
    const wrong_secret = [...second.split("_").slice(0, 2), ...holdfast.app.service_token.split("_").slice(2)].join(
      "_",
    );
    expect((await withHeader(holdfast, `Bearer ${wrong_secret}`)).code).toBe("invalid_token");
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
  });

  it("are refused within a second after another process revoked them", async () => {
    const holdfast = await connected();
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    const command = await commandBeside(holdfast);
    const [first] = await command.apps.listTokens(holdfast.app.app_id);
    await command.apps.revokeToken(holdfast.app.app_id, first?.id ?? "");
    await holdfast.clock.advance(SECOND);
    expect((await holdfast.token("googlecalendar")).code).toBe("token_revoked");
    await command.close();
  });

  it("expire on time", async () => {
    const holdfast = await connected();
    const made = await holdfast.manage("POST", tokens(holdfast), { json: { name: "short", expires_in_s: 60 } });
    const header = `Bearer ${String(made.json["service_token"])}`;
    await holdfast.clock.jump(MINUTE - 1);
    expect((await withHeader(holdfast, header)).status).toBe(200);
    await holdfast.clock.jump(1);
    expect(brief(await withHeader(holdfast, header)).slice(0, 2)).toEqual([401, "token_expired"]);
  });

  it("are at most two at a time, so that they can be rotated", async () => {
    const holdfast = await connected();
    const make = () => holdfast.manage("POST", tokens(holdfast), { json: { name: "next" } });
    expect((await make()).status).toBe(200);
    const third = await make();
    expect([third.status, third.code]).toEqual([409, "too_many_tokens"]);
    const list = await holdfast.manage("GET", tokens(holdfast));
    expect(list.text).not.toContain(secretPart(holdfast.app.service_token));
    expect(Object.keys(Object(list.json["tokens"])[0])).toEqual([
      "id",
      "name",
      "created_at",
      "expires_at",
      "revoked_at",
      "last_used_at",
    ]);
  });

  it("show when they were last used", async () => {
    const holdfast = await connected();
    await holdfast.token("googlecalendar");
    const used_at = holdfast.clock.now();
    await holdfast.clock.advance(10 * SECOND);
    const lastUse = async () => (await holdfast.installation.apps.listTokens(holdfast.app.app_id))[0]?.last_used_at;
    expect(await until("it is written", lastUse)).toBe(used_at);
  });

  it("of functions work during their invocation, for their app only, and only over their process's bridge", async () => {
    const holdfast = await connected();
    const other = await holdfast.createApp("other");
    const { functionTokens } = holdfast.installation;
    const mint = (invocation_id: string, app_id: string = holdfast.app.app_id) =>
      functionTokens.mint({
        app_id,
        function_name: "hello",
        invocation_id,
        process_id: "prc_1",
        expires_at: plus(holdfast.clock.now(), MINUTE),
      });
    const [ended, late, foreign] = [mint("inv_1"), mint("inv_2"), mint("inv_3", other.app_id)];
    const own = await openBridge(holdfast, "prc_1");
    const another = await openBridge(holdfast, "prc_2");
    const call = async (token: string, url = own) =>
      readReply(await fetch(`${url}${tokenPath(holdfast)}`, { headers: { authorization: `Bearer ${token}` } }));
    expect((await call(ended)).status).toBe(200);
    expect(brief(await call(ended, another))).toEqual([401, "invalid_token", "Unauthorized"]);
    expect(brief(await call(ended, holdfast.url))).toEqual([401, "invalid_token", "Unauthorized"]);
    functionTokens.end("inv_1");
    expect(brief(await call(ended))).toEqual([401, "invalid_token", "Unauthorized"]);
    expect((await call(foreign)).status).toBe(404);
    const list = `/api/apps/${holdfast.app.app_id}/external-auth/list`;
    expect((await withHeader(holdfast, `Bearer ${late}`, list)).code).toBe("builder_required");
    const secret = late.split(".")[1] ?? "";
    for (const forged of [`hff_inv_3.${secret}`, `${late}.x`, `hff_inv_2`, `hff_inv_2.`, `hff_.${secret}`, "hff_"])
      expect((await call(forged)).code).toBe("invalid_token");
    await holdfast.clock.jump(MINUTE);
    expect((await call(late)).code).toBe("invalid_token");
  });

  it("of a deleted app do not work", async () => {
    const holdfast = await connected();
    await holdfast.manage("DELETE", `/api/management/apps/${holdfast.app.app_id}`);
    expect((await holdfast.token("googlecalendar")).code).toBe("invalid_token");
  });
});

describe("the builder's routes", () => {
  const routes = ({ app }: TestServer): readonly (readonly [string, string, unknown?])[] => [
    ["GET", `/api/apps/${app.app_id}/external-auth/available-integrations`],
    ["GET", `/api/apps/${app.app_id}/external-auth/list`],
    ["GET", `/api/apps/${app.app_id}/external-auth/status?integration_type=slack&connection_id=x`],
    ["PUT", `/api/apps/${app.app_id}/external-auth/integrations/slack`, { scopes: [] }],
    ["DELETE", `/api/apps/${app.app_id}/external-auth/integrations/slack`],
    ["DELETE", `/api/apps/${app.app_id}/external-auth/integrations/slack/remove`],
    ["GET", "/api/management/apps"],
    ["POST", "/api/management/apps", { name: "another" }],
    ["DELETE", `/api/management/apps/${app.app_id}`],
    ["GET", `/api/management/apps/${app.app_id}/tokens`],
    ["POST", `/api/management/apps/${app.app_id}/tokens`, { name: "one" }],
    ["DELETE", `/api/management/apps/${app.app_id}/tokens/x`],
    ["GET", "/api/management/clients"],
    ["PUT", "/api/management/clients/slack", { client_id: "x", client_secret: "y" }],
    ["DELETE", "/api/management/clients/slack"],
  ];

  it("refuse service tokens, unknown keys and missing credentials, each with its own error", async () => {
    const holdfast = await startTestServer();
    await holdfast.setClient("slack");
    const { app } = holdfast;
    const forged = `${app.api_key.slice(0, -1)}${app.api_key.endsWith("0") ? "1" : "0"}`;
    for (const [method, path, json] of routes(holdfast)) {
      const call = async (headers: Record<string, string>) => {
        const { status, code } = await holdfast.request(method, path, {
          headers,
          ...(json === undefined ? {} : { json }),
        });
        return [method, path, status, code];
      };
      const expected = (status: number, code: string) => [method, path, status, code];
      expect(await call({ authorization: `Bearer ${app.service_token}` })).toEqual(expected(403, "builder_required"));
      expect(await call({ api_key: app.service_token })).toEqual(expected(403, "builder_required"));
      expect(await call({ api_key: forged })).toEqual(expected(401, "invalid_token"));
      expect(await call({ authorization: `Bearer ${forged}` })).toEqual(expected(401, "invalid_token"));
      expect(await call({ authorization: "Basic eDp5" })).toEqual(expected(401, "malformed_token"));
      expect(await call({})).toEqual(expected(401, "missing_token"));
    }
    expect(await holdfast.installation.apps.list()).toHaveLength(1);
    expect(await holdfast.installation.clients.list()).toHaveLength(1);
  });

  it("accept an API key in its own header and as a bearer token", async () => {
    const holdfast = await startTestServer();
    const path = `/api/apps/${holdfast.app.app_id}/external-auth/list`;
    for (const headers of [
      { api_key: holdfast.app.api_key },
      { api_key: ` ${holdfast.app.api_key} ` },
      { authorization: `Bearer ${holdfast.app.api_key}` },
    ])
      expect((await holdfast.request("GET", path, { headers })).json).toEqual({ integrations: [] });
  });

  it("report an unknown app as not found, and nothing else", async () => {
    const holdfast = await startTestServer();
    const reply = await holdfast.manage("GET", "/api/apps/app_00000000000000000000/external-auth/list");
    expect([reply.status, reply.code]).toEqual([404, "not_found"]);
  });
});

describe("a released token", () => {
  it("is in the audit trail within a second, with its caller, service and request", async () => {
    const holdfast = await connected();
    await holdfast.request("GET", tokenPath(holdfast), {
      headers: { authorization: `Bearer ${holdfast.app.service_token}`, "x-request-id": "the-one" },
    });
    await holdfast.clock.advance(SECOND);
    const [, id = ""] = holdfast.app.service_token.split("_");
    const found = await until("it is written", async () => {
      const events = await holdfast.installation.store.listAudit(holdfast.app.app_id, 10);
      return events.find(({ action }) => action === "token.released");
    });
    expect(found).toMatchObject({ actor: `service_token:${id}`, target: "googlecalendar", request_id: "the-one" });
  });

  it("is recorded in memory while the trail cannot be written, and is not lost", async () => {
    const holdfast = await connected();
    const { store, audit } = holdfast.installation;
    await audit.flush();
    const append = store.appendAudit;
    Object.assign(store, { appendAudit: () => Promise.reject(new Error("away")) });
    await holdfast.token("googlecalendar");
    await audit.flush();
    Object.assign(store, { appendAudit: append });
    await audit.flush();
    const events = await store.listAudit(holdfast.app.app_id, 10);
    expect(events.filter(({ action }) => action === "token.released")).toHaveLength(1);
    expect(holdfast.log).toContainEqual(expect.objectContaining({ event: "audit_delayed" }));
  });
});

describe("sessions", () => {
  it("are deleted once they can no longer sign in", async () => {
    const holdfast = await connected();
    await holdfast.signedIn();
    await holdfast.clock.jump(8 * DAY);
    await holdfast.server.sweeper.tick();
    const left = await holdfast.installation.store.transaction(async (tx) => {
      return await tx.db.selectFrom("auth_session").select("id").execute();
    });
    expect(left).toEqual([]);
  });
});

/** Opens the installation as a command on the server's machine does, while the server runs. */
function commandBeside({ config, clock }: TestServer) {
  return openInstallation({ config: { ...config, data_dir: join(config.data_dir) }, clock, log: silentLog }, "command");
}

/** fetch joins two headers of one name. A raw client can send both. */
function twoHeaders(holdfast: TestServer, value: string): Promise<{ status: number; code: unknown }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${holdfast.url}${tokenPath(holdfast)}`, {
      headers: ["host", "x", "authorization", value, "authorization", value],
    });
    sent.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, code: Object(JSON.parse(text)).code }));
    });
    sent.on("error", reject).end();
  });
}
