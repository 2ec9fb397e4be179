import { describe, expect, it } from "vitest";
import { CodedError } from "../../src/core/errors.ts";
import type { Scope } from "../../src/core/roles.ts";
import type { UserId, WorkspaceId } from "../../src/core/types.ts";
import { SECOND, until } from "../support/clock.ts";
import { asObject, type Reply } from "../support/http.ts";
import { addAccount, secretPart, startTestServer, type TestServer, type TestServerOptions } from "../support/server.ts";

async function connected(options: TestServerOptions = {}): Promise<TestServer> {
  const holdfast = await startTestServer(options);
  await holdfast.connect("googlecalendar");
  await holdfast.installation.audit.flush();
  return holdfast;
}

/** Makes writes to the trail fail. Returns the function that repairs it. */
function breakTrail({ installation }: TestServer): () => void {
  const { store } = installation;
  const append = store.appendAudit;
  const fail = () => Promise.reject(new CodedError("database_unavailable"));
  Object.assign(store, { appendAudit: fail });
  return () => void Object.assign(store, { appendAudit: append });
}

const exported = (holdfast: TestServer, query = ""): Promise<Reply> =>
  holdfast.manage("GET", `/api/management/audit${query}`);
const linesOf = (reply: Reply) =>
  reply.text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => asObject(JSON.parse(line)));

describe("with HOLDFAST_AUDIT_RELEASE=before", () => {
  it("stores the event before the token is served", async () => {
    const holdfast = await connected({ config: { audit_release: "before" } });
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    // No time has passed, and nothing has been flushed.
    const events = await holdfast.installation.store.listAudit(holdfast.app.app_id, 50);
    expect(events.map(({ action }) => action)).toContain("token.released");
  });

  it("serves no token while the trail cannot be written, and serves again when it can", async () => {
    const holdfast = await connected({ config: { audit_release: "before" } });
    const repair = breakTrail(holdfast);
    const reply = await holdfast.token("googlecalendar");
    expect([reply.status, reply.code, reply.headers.get("retry-after")]).toEqual([503, "audit_unavailable", "1"]);
    expect(reply.text).not.toContain("access_token");
    repair();
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
  });
});

describe("the buffer", () => {
  it("loses nothing silently: events that do not fit are counted and logged", async () => {
    const holdfast = await connected({ limits: { audit_buffer_events: 3 } });
    const repair = breakTrail(holdfast);
    for (let n = 0; n < 5; n += 1) expect((await holdfast.token("googlecalendar")).status).toBe(200);
    await holdfast.installation.audit.flush();
    repair();
    await holdfast.clock.advance(SECOND);
    await until("the rest is written", async () =>
      (await holdfast.installation.store.listAudit(holdfast.app.app_id, 50)).some(
        ({ action }) => action === "token.released",
      ),
    );
    const released = (await holdfast.installation.store.listAudit(holdfast.app.app_id, 50)).filter(
      ({ action }) => action === "token.released",
    );
    expect(released).toHaveLength(3);
    expect(holdfast.log).toContainEqual(expect.objectContaining({ event: "audit_lost", count: 2 }));
  });

  it("logs what it had to drop when the server stops", async () => {
    const holdfast = await connected();
    breakTrail(holdfast);
    await holdfast.token("googlecalendar");
    await holdfast.token("googlecalendar");
    await holdfast.close();
    expect(holdfast.log).toContainEqual(expect.objectContaining({ event: "audit_lost", count: 2 }));
  });
});

describe("the export", () => {
  it("shows who did what to which app and service, from which address, in which request", async () => {
    const holdfast = await connected();
    await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/googlecalendar`, {
      headers: { "x-request-id": "the-one" },
    });
    const reply = await exported(holdfast, `?app=${holdfast.app.app_id}`);
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toContain("application/x-ndjson");
    const event = linesOf(reply).find(({ action }) => action === "connector.disconnect");
    expect(event).toMatchObject({
      app_id: holdfast.app.app_id,
      target: "googlecalendar",
      address: "127.0.0.1",
      request_id: "the-one",
      at: holdfast.clock.now(),
    });
    expect(String(event?.["actor"])).not.toBe("");
  });

  it("has pages that together contain each event once", async () => {
    const holdfast = await connected({ limits: { audit_page: 2 } });
    for (let n = 0; n < 5; n += 1) await holdfast.token("googlecalendar");
    const ids: unknown[] = [];
    let query = `?app=${holdfast.app.app_id}`;
    for (;;) {
      const reply = await exported(holdfast, query);
      ids.push(...linesOf(reply).map(({ id }) => id));
      const next = reply.headers.get("x-next-cursor");
      if (next === null) break;
      query = `?app=${holdfast.app.app_id}&cursor=${next}`;
    }
    expect(ids.length).toBeGreaterThanOrEqual(6);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("accepts times in milliseconds and as dates, and refuses other values", async () => {
    const holdfast = await connected();
    const now = holdfast.clock.now();
    const later = new Date(now + SECOND).toISOString();
    expect(linesOf(await exported(holdfast, `?since=${now + 1}`))).toEqual([]);
    expect(linesOf(await exported(holdfast, `?until=${later}`)).length).toBeGreaterThan(0);
    expect(linesOf(await exported(holdfast, `?since=${later}`))).toEqual([]);
    for (const wrong of ["?since=yesterday", "?cursor=x", "?until=-1"])
      expect((await exported(holdfast, wrong)).code).toBe("invalid_field");
    expect((await exported(holdfast, "?apps=x")).code).toBe("unknown_field");
    expect((await holdfast.request("GET", "/api/management/audit")).status).toBe(401);
  });

  it("contains no secret", async () => {
    const holdfast = await connected();
    const access_token = await holdfast.accessToken("googlecalendar");
    const created = await holdfast.manage("POST", `/api/management/apps/${holdfast.app.app_id}/tokens`, {
      json: { name: "second" },
    });
    await holdfast.request(
      "GET",
      `/api/apps/${holdfast.app.app_id}/external-auth/list?api_key=${holdfast.app.api_key}`,
    );
    const { text } = await exported(holdfast);
    expect(text).toContain("token.released");
    expect(text).toContain("token_in_url");
    const secrets = [access_token, holdfast.app.api_key, holdfast.app.service_token, created.json["service_token"]];
    for (const secret of secrets) expect(text).not.toContain(String(secret));
    for (const credential of secrets.slice(1)) expect(text).not.toContain(secretPart(String(credential)));
  });

  it("is for admins, and only for their own workspaces", async () => {
    const holdfast = await connected();
    const { store, workspaces, apps, apiKeys, audit } = holdfast.installation;
    const { workspace_id } = holdfast.builder;
    const stranger = await addAccount(store, { name: "Eve", email: "eve@example.com", workspace_id, role: "editor" });
    const own = await workspaces.create("Eve's", stranger);
    const key = async (id: WorkspaceId, user_id: UserId, scope: Scope) => {
      const made = { name: `${user_id} ${scope}`, workspace_id: id, user_id, scope, expires_at: null };
      return (await apiKeys.create(made)).api_key.expose();
    };
    audit.record({ workspace_id: own.id, actor: "x", action: "own.action" });
    audit.record({ actor: "x", action: "installation.action" });
    const asked = (api_key: string, query = "") =>
      holdfast.request("GET", `/api/management/audit${query}`, { headers: { api_key } });

    const foreign = await key(own.id, stranger, "admin");
    expect(linesOf(await asked(foreign)).map(({ action }) => action)).toEqual(["own.action"]);
    for (const query of [`?app=${holdfast.app.app_id}`, `?workspace=${workspace_id}`])
      expect((await asked(foreign, query)).code).toBe("not_found");
    const editor = await key(workspace_id, stranger, "admin");
    for (const query of ["", `?app=${holdfast.app.app_id}`, `?workspace=${workspace_id}`])
      expect((await asked(editor, query)).code).toBe("insufficient_role");
    const weak = await key(workspace_id, holdfast.builder.user_id, "write");
    expect((await asked(weak)).code).toBe("insufficient_role");
    const actions = linesOf(await exported(holdfast)).map(({ action }) => action);
    expect(actions).toContain("installation.action");
    expect(actions).not.toContain("own.action");

    await apps.remove(holdfast.app.app_id);
    const after = linesOf(await asked(await key(workspace_id, holdfast.builder.user_id, "admin")));
    expect(after.filter(({ app_id }) => app_id === holdfast.app.app_id).length).toBeGreaterThan(0);
  });

  it("contains the receipts of tokens that were revoked after their app was deleted", async () => {
    const holdfast = await connected();
    const { app_id } = holdfast.app;
    const { workspace_id } = holdfast.builder;
    const keeper = await holdfast.createApp("keeper");
    expect((await holdfast.manage("DELETE", `/api/management/apps/${app_id}`)).status).toBe(200);
    await holdfast.server.sweeper.tick();
    const reply = await holdfast.request("GET", `/api/management/audit?workspace=${workspace_id}`, {
      headers: { api_key: keeper.api_key },
    });
    const receipts = linesOf(reply).filter(({ action }) => String(action).startsWith("revocation."));
    expect(receipts).toEqual([
      expect.objectContaining({ app_id, workspace_id, action: "revocation.revoked", target: "googlecalendar" }),
    ]);
  });

  it("names a user the same way for every action", async () => {
    const holdfast = await connected();
    const browser = await holdfast.signedIn(holdfast.builder.user_id);
    await holdfast.connect("googlecalendar", { browser });
    const consents = linesOf(await exported(holdfast)).filter(({ action }) => String(action).startsWith("consent."));
    expect(consents.length).toBeGreaterThan(0);
    expect(new Set(consents.map(({ actor }) => actor))).toEqual(new Set([`user:${holdfast.builder.user_id}`]));
  });

  it("reads a trail that the store can only append to and read", async () => {
    const { installation } = await startTestServer();
    const operations = Object.keys(installation.store).filter((name) => /audit/i.test(name));
    expect(operations.toSorted()).toEqual(["appendAudit", "exportAudit", "listAudit"]);
  });
});
