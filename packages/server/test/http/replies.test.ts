import { readFileSync } from "node:fs";
import { join } from "node:path";
import { approveConsent, clientSecretOf } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { sealContext } from "../../src/service/grants/grant.ts";
import { sealedFromStorage } from "../../src/vault/seal.ts";
import type { Reply } from "../support/http.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const TYPES = ["googlecalendar", "slack", "slackbot", "github", "notion", "salesforce"] as const;

/** The secrets that must never leave the server, in every encoding that could leak. */
async function canaries({ installation, app, config }: TestServer, type: string): Promise<readonly string[]> {
  const { vault, store } = installation;
  const row = await store.findConnection(app.app_id, type);
  const client = await store.installationClient(type);
  if (row === null || client === null) throw new Error(`${type} is not connected.`);
  const refresh_token =
    row.sealed_refresh === null
      ? []
      : [(await vault.open(sealContext(row, "refresh"), sealedFromStorage(row.sealed_refresh))).expose()];
  const sealed = [row.sealed_access, row.sealed_refresh, client.sealed_secret].flatMap((bytes) =>
    bytes === null
      ? []
      : [Buffer.from(bytes).toString("base64").slice(0, 40), Buffer.from(bytes).toString("hex").slice(0, 40)],
  );
  return [
    ...refresh_token,
    ...sealed,
    ...(row.rt_fp === null ? [] : [row.rt_fp]),
    clientSecretOf(client.client_id),
    client.id,
    readFileSync(join(config.data_dir, "master.key"), "utf8").trim(),
  ];
}

/** Every JSON route and page about a connection. */
function everyReply(holdfast: TestServer, type: string): readonly (() => Promise<Reply>)[] {
  const { app } = holdfast;
  const external = `/api/apps/${app.app_id}/external-auth`;
  const get = (path: string) => () => holdfast.manage("GET", path);
  return [
    () => holdfast.token(type),
    () => holdfast.initiate(type),
    () => holdfast.initiate(type, { scopes: ["other"] }),
    get(`${external}/available-integrations`),
    get(`${external}/list`),
    get(`${external}/status?integration_type=${type}&connection_id=x`),
    get("/api/management/apps"),
    get(`/api/management/apps/${app.app_id}/tokens`),
    get("/nowhere"),
    get("/healthz"),
    get("/readyz"),
  ];
}

describe("replies", () => {
  it.for(TYPES)("about %s contain no refresh token, no client secret, no ciphertext, no key", async (type) => {
    const holdfast = await startTestServer();
    await holdfast.setClient(type, ["rotate"], "canary");
    await holdfast.connect(type);
    const secrets = await canaries(holdfast, type);
    const person = await holdfast.signedIn();
    const pages = ["/", `/apps/${holdfast.app.app_id}/connect/${type}`, "/nowhere"].map(
      (address) => () => person.get(address),
    );
    for (const call of [...everyReply(holdfast, type), ...pages]) {
      const { text, headers } = await call();
      const sent = `${text}${JSON.stringify([...headers])}`;
      for (const secret of secrets) expect(sent).not.toContain(secret);
    }
  });

  it.for(TYPES)("return a token of %s as exactly three fields", async (type) => {
    const holdfast = await startTestServer();
    await holdfast.connect(type);
    const { json } = await holdfast.token(type);
    expect(Object.keys(json).toSorted()).toEqual(["access_token", "connection_config", "integration_type"]);
    expect(json["access_token"]).toEqual(expect.stringMatching(/^\S+$/));
    const values: readonly unknown[] = Object.values(Object(json["connection_config"]));
    expect(values.filter((value) => typeof value !== "string")).toEqual([]);
  });

  it("contain only what a schema declares, even when a service returns more", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("slack");
    const { connections } = holdfast.installation;
    const list = connections.list;
    Object.assign(connections, {
      list: async (...parameters: Parameters<typeof list>) =>
        (await list(...parameters)).map((one) => ({ ...one, sealed_access: "leak", refresh_token: "leak" })),
    });
    const reply = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`);
    expect(reply.status).toBe(200);
    expect(reply.text).not.toContain("leak");
    expect(Object.keys(Object(Object(reply.json["integrations"])[0])).toSorted()).toEqual([
      "account_label",
      "integration_type",
      "missing_scopes",
      "reason",
      "scopes",
      "status",
    ]);
  });

  it("show a client's id and never its secret", async () => {
    const holdfast = await startTestServer();
    const set = await holdfast.manage("PUT", "/api/management/clients/slack", {
      json: { client_id: "the id", client_secret: "canary-secret" },
    });
    expect([set.status, set.code]).toEqual([400, "invalid_field"]);
    const good = await holdfast.manage("PUT", "/api/management/clients/slack", {
      json: { client_id: "the-id", client_secret: "canary-secret" },
    });
    const list = await holdfast.manage("GET", "/api/management/clients");
    for (const reply of [set, good, list]) expect(reply.text).not.toContain("canary-secret");
    expect(list.json["clients"]).toEqual([good.json]);
    expect(Object.keys(good.json)).toEqual([
      "id",
      "workspace_id",
      "integration_type",
      "client_id",
      "shared_callback",
      "redirect_uri",
      "created_at",
      "updated_at",
    ]);
  });

  it("forbid storing pages, running scripts in them, and framing them", async () => {
    const holdfast = await startTestServer();
    await holdfast.setClient("slack");
    const person = await holdfast.signedIn();
    const link = String((await holdfast.initiate("slack")).json["redirect_url"]);
    const result = await person.finish(await approveConsent(await person.start(link)));
    const reconnect = `/apps/${holdfast.app.app_id}/connect/slack`;
    const pages = [result, await person.get("/"), await person.get(reconnect), await holdfast.browser().get("/")];
    for (const { headers, text } of pages) {
      expect(headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
      expect(headers.get("content-security-policy")).toContain("form-action 'self'");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(text).not.toMatch(/<script|\son\w+=|style=/i);
      expect(text).not.toMatch(/(?:src|href)="(?:https?:)?\/\/(?!localhost)/);
    }
  });

  it("escape what users typed", async () => {
    const holdfast = await startTestServer();
    const name = `<img src=x onerror=alert(1)> "&' </title>`;
    const app = await holdfast.createApp(name);
    await holdfast.setClient("slack");
    const person = await holdfast.signedIn();
    const link = String((await holdfast.initiate("slack", { scopes: ["<b>x</b>"] }, app)).json["redirect_url"]);
    for (const address of ["/", link, `/apps/${app.app_id}/connect/slack`]) {
      const { text } = await person.get(address);
      expect(text).toContain("&lt;img src=x onerror=alert(1)&gt; &quot;&amp;&#39; &lt;/title&gt;");
      expect(text).not.toMatch(/<img src=x|<b>x<\/b>/);
    }
  });
});
