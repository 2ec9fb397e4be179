/** Workspaces over the management API: invitations, members, names, API keys. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openInstallation } from "../../src/installation.ts";
import { asAppId } from "../../src/core/ids.ts";
import type { Role } from "../../src/core/roles.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { DAY, HOUR, SECOND, until } from "../support/clock.ts";
import { fieldsOf, textOf } from "../support/browser.ts";
import { asList } from "../support/http.ts";
import { addAccount, secretPart, startTestServer, type TestServer } from "../support/server.ts";
import { api, withKey } from "./stage.ts";

const member = ({ installation, builder }: TestServer, role: Role, name: string = role) =>
  addAccount(installation.store, {
    name,
    email: `${name}@example.com`,
    workspace_id: builder.workspace_id,
    role,
  });

describe("invitations", () => {
  async function invited(role: Role = "editor") {
    const holdfast = await startTestServer();
    const call = api(holdfast, await holdfast.signedIn());
    const base = `/workspaces/${holdfast.builder.workspace_id}/invitations`;
    const made = await call("POST", base, { email: "New@Example.com", role });
    return { holdfast, call, base, made, link: String(made.json["invitation_url"]) };
  }

  it("create an account with the invited address, not the form's, and the role", async () => {
    const { holdfast, link, made } = await invited();
    expect(made.headers.get("cache-control")).toBe("no-store");
    const person = holdfast.browser();
    const page = await person.get(link);
    expect(textOf(page.text)).toContain("new@example.com");
    const form = { name: "New", email: "other@example.com", password: "correct horse battery" };
    expect((await person.post(link, { ...fieldsOf(page.text), ...form })).status).toBe(303);
    const workspaces = await api(holdfast, person)("GET", "/workspaces");
    expect(asList(workspaces.json["workspaces"])).toMatchObject([{ role: "editor" }]);
    expect(await holdfast.installation.store.findUser("new@example.com")).not.toBeNull();
    expect(await holdfast.installation.store.findUser("other@example.com")).toBeNull();
    expect((await holdfast.browser().get(link)).status).toBe(400);
  });

  it("let a signed-in user join at the press of a button", async () => {
    const { holdfast, link } = await invited("viewer");
    const { accounts } = holdfast.installation;
    const person = holdfast.browser();
    const { user_id } = await accounts.createDemoBuilder();
    await holdfast.installation.store.setRole(holdfast.builder.workspace_id, user_id, null, "owner");
    await person.signIn(await accounts.createSetupLink(user_id));
    const page = await person.get(link);
    expect(asList((await api(holdfast, person)("GET", "/workspaces")).json["workspaces"])).toEqual([]);
    expect((await person.post(link, {})).status).toBe(403);
    expect((await person.post(link, fieldsOf(page.text))).status).toBe(303);
    expect(asList((await api(holdfast, person)("GET", "/workspaces")).json["workspaces"])).toMatchObject([
      { role: "viewer" },
    ]);
  });

  it("expire after seven days or when revoked, and are stored as a hash", async () => {
    const { holdfast, call, base, link, made } = await invited();
    const rows = await holdfast.installation.store.transaction(async (tx) => {
      return await tx.db.selectFrom("invitations").selectAll().execute();
    });
    expect(JSON.stringify(rows)).not.toContain(link.split("/").at(-1));
    expect(asList((await call("GET", base)).json["invitations"])).toMatchObject([{ email: "new@example.com" }]);
    expect((await call("DELETE", `${base}/${String(made.json["id"])}`)).status).toBe(200);
    expect((await holdfast.browser().get(link)).status).toBe(400);
    const second = await call("POST", base, { email: "new@example.com", role: "viewer" });
    await holdfast.clock.jump(7 * DAY);
    expect((await holdfast.browser().get(String(second.json["invitation_url"]))).status).toBe(400);
  });

  it("grant no role above the inviter's", async () => {
    const { holdfast, base } = await invited();
    const admin = api(holdfast, await holdfast.signedIn(await member(holdfast, "admin")));
    expect((await admin("POST", base, { email: "x@example.com", role: "owner" })).code).toBe("insufficient_role");
    expect((await admin("POST", base, { email: "x@example.com", role: "admin" })).status).toBe(200);
    expect((await admin("POST", base, { email: "x", role: "viewer" })).code).toBe("invalid_email");
  });
});

describe("members", () => {
  it("are promoted, demoted and removed, except for the last owner", async () => {
    const holdfast = await startTestServer();
    const call = api(holdfast, await holdfast.signedIn());
    const base = `/workspaces/${holdfast.builder.workspace_id}/members`;
    const bob = await member(holdfast, "viewer", "bob");
    expect((await call("PATCH", `${base}/${bob}`, { role: "admin" })).status).toBe(200);
    const asBob = api(holdfast, await holdfast.signedIn(bob));
    expect((await asBob("PATCH", `${base}/${holdfast.builder.user_id}`, { role: "viewer" })).code).toBe(
      "insufficient_role",
    );
    expect((await asBob("PATCH", `${base}/${bob}`, { role: "owner" })).code).toBe("insufficient_role");
    expect((await call("DELETE", `${base}/${holdfast.builder.user_id}`)).code).toBe("last_owner");
    expect((await call("PATCH", `${base}/${holdfast.builder.user_id}`, { role: "admin" })).code).toBe("last_owner");
    expect((await call("DELETE", `${base}/${bob}`)).status).toBe(200);
    expect((await asBob("GET", base)).code).toBe("not_found");
    expect((await call("DELETE", `${base}/${bob}`)).code).toBe("not_found");
  });

  it("see their workspace transferred: the new owner owns it, the old one becomes an admin", async () => {
    const holdfast = await startTestServer();
    const call = api(holdfast, await holdfast.signedIn());
    const base = `/workspaces/${holdfast.builder.workspace_id}`;
    const bob = await member(holdfast, "viewer", "bob");
    expect((await call("POST", `${base}/transfer`, { user_id: "usr_nobody" })).code).toBe("not_found");
    expect((await call("POST", `${base}/transfer`, { user_id: bob })).status).toBe(200);
    const members = asList((await call("GET", `${base}/members`)).json["members"]);
    const roles = members.map(({ name, role }) => `${String(name)} ${String(role)}`);
    expect(roles.toSorted()).toEqual(["Ada admin", "bob owner"]);
    expect((await call("DELETE", base)).code).toBe("insufficient_role");
  });
});

describe("workspaces", () => {
  it("are renamed and deleted, with their apps only on request", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    const { store } = holdfast.installation;
    const call = api(holdfast, await holdfast.signedIn());
    const base = `/workspaces/${holdfast.builder.workspace_id}`;
    expect((await call("PATCH", base, { name: "  The Team " })).json).toMatchObject({ name: "The Team" });
    expect(await store.currentDataKey(holdfast.app.app_id)).not.toBeNull();
    expect((await call("DELETE", base)).code).toBe("workspace_not_empty");
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect((await call("DELETE", `${base}?with_apps=true`)).status).toBe(200);
    expect((await holdfast.token("googlecalendar")).code).toBe("invalid_token");
    expect(await store.currentDataKey(holdfast.app.app_id)).toBeNull();
    expect((await withKey(holdfast, holdfast.app.api_key)).code).toBe("invalid_token");
    expect(asList((await call("GET", "/workspaces")).json["workspaces"])).toEqual([]);
    // The grants are revoked at the provider.
    await holdfast.server.sweeper.tick();
    const revoked = holdfast.simulator.ledger().requests.filter(({ kind }) => kind === "revoke");
    expect(revoked).toHaveLength(1);
  });

  it("have unique names for their apps, which can change", async () => {
    const holdfast = await startTestServer();
    await holdfast.createApp("other");
    const path = `/api/management/apps/${holdfast.app.app_id}`;
    expect((await holdfast.manage("PATCH", path, { json: { name: "other" } })).code).toBe("already_exists");
    expect((await holdfast.manage("PATCH", path, { json: { name: "new" } })).json).toMatchObject({ name: "new" });
    expect((await holdfast.manage("PATCH", path, { json: { name: "" } })).code).toBe("invalid_name");
  });
});

describe("API keys", () => {
  const keys = ({ builder }: TestServer) => `/workspaces/${builder.workspace_id}/keys`;

  it("are shown once, listed without their secret, and refused at once when revoked", async () => {
    const holdfast = await startTestServer();
    const call = api(holdfast, await holdfast.signedIn());
    const made = await call("POST", keys(holdfast), { name: "ci", scope: "read" });
    const api_key = String(made.json["api_key"]);
    expect([made.headers.get("cache-control"), api_key]).toEqual(["no-store", expect.stringMatching(/^b44k_/)]);
    expect((await withKey(holdfast, api_key)).status).toBe(200);
    const list = await call("GET", keys(holdfast));
    expect(list.text).not.toContain(secretPart(api_key));
    expect(asList(list.json["keys"])).toContainEqual(
      expect.objectContaining({ name: "ci", scope: "read", user_id: holdfast.builder.user_id, revoked_at: null }),
    );
    const id = String(made.json["id"]);
    expect((await call("DELETE", `${keys(holdfast)}/${id}`)).status).toBe(200);
    expect((await withKey(holdfast, api_key)).code).toBe("token_revoked");
    expect((await call("DELETE", `${keys(holdfast)}/${id}`)).code).toBe("not_found");
  });

  it("are refused within a second after another process revoked them", async () => {
    const holdfast = await startTestServer();
    expect((await withKey(holdfast, holdfast.app.api_key)).status).toBe(200);
    const { config, clock, builder } = holdfast;
    const command = await openInstallation(
      { config: { ...config, data_dir: join(config.data_dir) }, clock, log: silentLog },
      "command",
    );
    for (const { id } of await command.apiKeys.list(builder.workspace_id))
      await command.apiKeys.revoke(builder.workspace_id, id);
    await clock.advance(SECOND);
    expect((await withKey(holdfast, holdfast.app.api_key)).code).toBe("token_revoked");
    await command.close();
  });

  it("expire on time, and show when they were last used", async () => {
    const holdfast = await startTestServer();
    const call = api(holdfast, await holdfast.signedIn());
    const made = await call("POST", keys(holdfast), { name: "short", expires_in_s: 3_600 });
    const api_key = String(made.json["api_key"]);
    const used_at = holdfast.clock.now();
    expect((await withKey(holdfast, api_key)).status).toBe(200);
    await holdfast.clock.advance(10 * SECOND);
    const lastUse = async () =>
      asList((await call("GET", keys(holdfast))).json["keys"]).find(({ name }) => name === "short")?.["last_used_at"];
    expect(await until("it is written", lastUse)).toBe(used_at);
    await holdfast.clock.jump(HOUR);
    expect((await withKey(holdfast, api_key)).code).toBe("token_expired");
  });

  it("can be limited in number", async () => {
    const holdfast = await startTestServer({ limits: { live_api_keys_per_workspace: 2 } });
    const make = () => holdfast.manage("POST", `/api/management${keys(holdfast)}`, { json: { name: "next" } });
    expect((await make()).status).toBe(200);
    expect((await make()).code).toBe("limit_reached");
    // An app is useful without a new key: its creator has a key or a session.
    const app = await holdfast.manage("POST", "/api/management/apps", { json: { name: "next" } });
    expect(app).toMatchObject({ status: 200, json: { api_key: null } });
    const [app_id, service_token] = [String(app.json["app_id"]), String(app.json["service_token"])];
    const own = { ...holdfast.app, app_id: asAppId(app_id), service_token };
    expect((await holdfast.token("slack", { app: own })).code).toBe("not_connected");
  });
});
