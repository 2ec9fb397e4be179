import { describe, expect, it } from "vitest";
import { ROLES, SCOPES, capped, roleReaches, type Role, type Scope } from "../../src/core/roles.ts";
import { plus, type UserId } from "../../src/core/types.ts";
import { ACTIONS, type Action } from "../../src/service/access/actions.ts";
import { COMMAND, type BuilderPrincipal } from "../../src/service/access/principals.ts";
import { openBridge } from "../support/bridge.ts";
import { readReply } from "../support/http.ts";
import { addAccount, exposed, startTestServer, type TestServer } from "../support/server.ts";

/** The table of roles. Each role also allows the actions of the roles before it. */
const ALLOWED: Readonly<Record<Role, readonly Action[]>> = {
  viewer: [
    "app_issuer.read",
    "secret.read",
    "function.read",
    "workspace.read",
    "member.read",
    "governance.read",
    "oauth_client.read",
    "app.read",
    "connector.read",
    "service_token.read",
    "workspace.leave",
  ],
  editor: [
    "app.create",
    "app.rename",
    "connector.connect",
    "connector.disconnect",
    "function.deploy",
    "function.logs",
    "service_token.manage",
    "secret.manage",
    "app_user.read",
    "app_user.token",
  ],
  admin: [
    "app_issuer.manage",
    "app_user.manage",
    "workspace.rename",
    "workspace.plan",
    "member.manage",
    "api_key.manage",
    "audit.export",
    "governance.manage",
    "oauth_client.manage",
    "app.functions",
    "app.delete",
  ],
  owner: ["workspace.delete", "workspace.transfer"],
};

const as = (user_id: UserId | null, change: Partial<BuilderPrincipal> = {}): BuilderPrincipal => ({
  kind: "builder",
  user_id,
  actor: "test",
  workspace_id: null,
  scope: null,
  ...change,
});

const member = ({ installation, builder }: TestServer, role: Role) =>
  addAccount(installation.store, {
    name: role,
    email: `${role}@example.com`,
    workspace_id: builder.workspace_id,
    role,
  });

describe("roles", () => {
  it("allow what the table says: every action has one least role", () => {
    const expected = Object.fromEntries(ROLES.flatMap((role) => ALLOWED[role].map((action) => [action, role])));
    expect(ACTIONS).toEqual(expected);
  });

  it("are looked up at each use, so that a change takes effect at once", async () => {
    const holdfast = await startTestServer();
    const { authorization, store } = holdfast.installation;
    const { workspace_id } = holdfast.builder;
    const user_id = await member(holdfast, "viewer");
    await expect(authorization.require(as(user_id), workspace_id, "app.create")).rejects.toMatchObject({
      code: "insufficient_role",
      message: expect.stringContaining("needs the editor role"),
    });
    await store.setRole(workspace_id, user_id, "editor", "owner");
    expect(await authorization.require(as(user_id), workspace_id, "app.create")).toBe("editor");
    await store.setRole(workspace_id, user_id, null, "owner");
    await expect(authorization.require(as(user_id), workspace_id, "app.read")).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

describe("keys", () => {
  it("have the rights of their scope, capped by their creator's role", async () => {
    const holdfast = await startTestServer();
    const { authorization, store } = holdfast.installation;
    const { workspace_id } = holdfast.builder;
    const user_id = await member(holdfast, "viewer");
    const least = { read: "viewer", write: "editor", admin: "admin" } as const satisfies Record<Scope, Role>;
    for (const role of ROLES) {
      await store.setRole(workspace_id, user_id, role, "owner");
      for (const scope of SCOPES) {
        const found = await authorization.roleIn(as(user_id, { workspace_id, scope }), workspace_id);
        expect(found).toBe(roleReaches(role, least[scope]) ? least[scope] : role);
        expect(found).toBe(capped(role, scope));
      }
    }
  });

  it("open one workspace, even if their creator is in more", async () => {
    const holdfast = await startTestServer();
    const { authorization, accounts } = holdfast.installation;
    const { user_id, workspace_id } = holdfast.builder;
    await holdfast.clock.jump(60_000);
    const second = await accounts.createWorkspace("second", user_id);
    const key = as(user_id, { workspace_id, scope: "admin" });
    expect(await authorization.roleIn(key, second)).toBeNull();
    expect((await authorization.workspaces(key)).map(({ id, role }) => [id, role])).toEqual([[workspace_id, "admin"]]);
    expect((await authorization.workspaces(as(user_id))).map(({ id }) => id)).toEqual([workspace_id, second]);
  });

  it("of a member work, and are refused after the member is removed", async () => {
    const holdfast = await startTestServer();
    const { apiKeys, store } = holdfast.installation;
    const { workspace_id } = holdfast.builder;
    const user_id = await member(holdfast, "admin");
    const key = { workspace_id, user_id, name: "ci", scope: "admin" as const, expires_at: null };
    const api_key = (await apiKeys.create(key)).api_key.expose();
    const list = async () => {
      const path = `/api/apps/${holdfast.app.app_id}/external-auth/list`;
      return (await holdfast.request("GET", path, { headers: { api_key } })).status;
    };
    expect(await list()).toBe(200);
    await store.setRole(workspace_id, user_id, null, "owner");
    expect(await list()).toBe(404);
  });

  it("that were created before the first account go to the first admin", async () => {
    const holdfast = await startTestServer();
    const { apps, accounts, store } = holdfast.installation;
    // As in an installation of an older version.
    await store.transaction(async (tx) => {
      await tx.db.updateTable("api_keys").set({ user_id: null }).execute();
      await tx.db.deleteFrom("auth_member").execute();
      await tx.db.deleteFrom("auth_user").execute();
    });
    const { api_key } = exposed(await apps.create("early"));
    const initiate = () =>
      holdfast.request("PUT", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/slack`, {
        headers: { api_key },
        json: { scopes: [] },
      });
    await holdfast.setClient("slack");
    expect((await initiate()).code).toBe("no_account");
    const { user_id } = await accounts.createDemoBuilder();
    const begun = await initiate();
    expect(begun.status).toBe(200);
    const person = await holdfast.signedIn(user_id);
    expect((await person.get(String(begun.json["redirect_url"]))).status).toBe(200);
  });
});

describe("an action on the whole installation", () => {
  it("needs a role in the first workspace, and in no other one after that is deleted", async () => {
    const holdfast = await startTestServer();
    const { authorization, accounts, apps, store } = holdfast.installation;
    const { user_id, workspace_id } = holdfast.builder;
    // In the same millisecond.
    const second = await accounts.createWorkspace("second", user_id);
    expect(await store.findDefaultWorkspace()).toBe(workspace_id);
    await authorization.installation(as(user_id), "oauth_client.manage");
    await apps.removeWorkspace(workspace_id, true);
    expect(await store.roleOf(user_id, second)).toBe("owner");
    await expect(authorization.installation(as(user_id), "oauth_client.manage")).rejects.toMatchObject({
      code: "insufficient_role",
    });
    expect(await apps.workspace()).not.toBe(second);
  });
});

describe("commands on the server's machine", () => {
  it("are allowed everything, as the installation", async () => {
    const holdfast = await startTestServer();
    const { authorization } = holdfast.installation;
    for (const action of ALLOWED.owner)
      expect(await authorization.require(COMMAND, holdfast.builder.workspace_id, action)).toBe("owner");
    expect((await authorization.workspaces(COMMAND)).map(({ role }) => role)).toEqual(["owner"]);
  });
});

describe("plans and switches", () => {
  const token = async (holdfast: TestServer) => {
    const { status, code, json } = await holdfast.token("googlecalendar");
    return [status, code, json["detail"]];
  };
  const connected = async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    return holdfast;
  };
  const workspace = ({ builder }: TestServer) => `/api/management/workspaces/${builder.workspace_id}`;

  it("below builder refuse connectors at once and name the plan, and a higher one restores them", async () => {
    const holdfast = await connected();
    const list = () => holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`);
    for (const plan of ["free", "starter"]) {
      expect((await holdfast.manage("PATCH", workspace(holdfast), { json: { plan } })).status).toBe(200);
      expect(await token(holdfast)).toEqual([
        403,
        "plan_upgrade_required",
        expect.stringContaining(`the ${plan} plan.`),
      ]);
      expect((await list()).code).toBe("plan_upgrade_required");
      const page = await (await holdfast.signedIn()).get(`/apps/${holdfast.app.app_id}/connect/googlecalendar`);
      expect(page.status).toBe(403);
    }
    for (const plan of ["builder", "enterprise"]) {
      await holdfast.manage("PATCH", workspace(holdfast), { json: { plan } });
      expect((await holdfast.token("googlecalendar")).status).toBe(200);
      expect((await list()).status).toBe(200);
    }
  });

  it("below builder refuse every connector route with the same code, except those that end one", async () => {
    const holdfast = await connected();
    const app = `/api/apps/${holdfast.app.app_id}`;
    const auth = `${app}/external-auth`;
    const { connection_id } = (await holdfast.initiate("googlecalendar", { scopes: ["openid"] })).json;
    const status = `${auth}/status?integration_type=googlecalendar&connection_id=${String(connection_id)}`;
    const closed: readonly (readonly [string, string, unknown?])[] = [
      ["GET", `${auth}/available-integrations`],
      ["GET", `${auth}/list`],
      ["GET", status],
      ["GET", `${auth}/connection-config/googlecalendar`],
      ["PUT", `${auth}/integrations/googlecalendar`, { scopes: [] }],
      ["POST", `${auth}/initiate`, { integration_type: "googlecalendar" }],
      ["GET", `${app}/payments/stripe/status`],
    ];
    const ask = ([method, path, json]: (typeof closed)[number]) =>
      holdfast.manage(method, path, json === undefined ? {} : { json });
    const change = (plan: string) => holdfast.manage("PATCH", workspace(holdfast), { json: { plan } });

    await change("starter");
    for (const route of closed) {
      const { status: refused, code, json } = await ask(route);
      expect([route[1], refused, code]).toEqual([route[1], 403, "plan_upgrade_required"]);
      expect(json["message"]).toContain("the starter plan.");
    }
    // Other routes of the app do not need the plan.
    expect((await holdfast.manage("GET", app)).status).toBe(200);
    await change("builder");
    for (const route of closed) expect([route[1], (await ask(route)).status]).toEqual([route[1], 200]);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
  });

  it.each([
    ["disconnected", ""],
    ["removed", "/remove"],
  ])("below builder let a connection be %s, and the provider is notified", async (status, path) => {
    const holdfast = await connected();
    await holdfast.manage("PATCH", workspace(holdfast), { json: { plan: "free" } });
    const connection = `/api/apps/${holdfast.app.app_id}/external-auth/integrations/googlecalendar`;
    const ended = await holdfast.manage("DELETE", `${connection}${path}`);
    expect([ended.status, ended.json]).toEqual([200, { status, integration_type: "googlecalendar" }]);
    expect((await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/payments/stripe`)).status).toBe(200);
    await holdfast.server.sweeper.tick();
    expect(holdfast.simulator.ledger().requests.filter(({ kind }) => kind === "revoke")).toHaveLength(1);
    await holdfast.manage("PATCH", workspace(holdfast), { json: { plan: "builder" } });
    const code = status === "removed" ? "not_connected" : "connection_disconnected";
    expect((await holdfast.token("googlecalendar")).code).toBe(code);
  });

  it("with functions off refuse only the backend's tokens, not the command line", async () => {
    const holdfast = await connected();
    const { app_id } = holdfast.app;
    await holdfast.manage("PATCH", `/api/management/apps/${app_id}`, { json: { functions_enabled: false } });
    const auth = `/api/apps/${app_id}/external-auth`;
    expect((await holdfast.manage("GET", `${auth}/list`)).status).toBe(200);
    expect((await holdfast.initiate("googlecalendar")).status).toBe(200);
    expect((await holdfast.manage("DELETE", `${auth}/integrations/googlecalendar`)).status).toBe(200);
    expect((await token(holdfast)).slice(0, 2)).toEqual([403, "functions_disabled"]);
    // The app's own switch is reported before its workspace's plan.
    await holdfast.manage("PATCH", workspace(holdfast), { json: { plan: "free" } });
    expect((await token(holdfast)).slice(0, 2)).toEqual([403, "functions_disabled"]);
    await holdfast.manage("PATCH", `/api/management/apps/${app_id}`, { json: { functions_enabled: true } });
    expect((await token(holdfast)).slice(0, 2)).toEqual([403, "plan_upgrade_required"]);
  });

  it("refuse service tokens and function tokens of an app whose functions are off, and recover", async () => {
    const holdfast = await connected();
    const { functionTokens } = holdfast.installation;
    const { app_id } = holdfast.app;
    const minted = functionTokens.mint({
      app_id,
      function_name: "hello",
      invocation_id: "inv_1",
      process_id: "prc_1",
      expires_at: plus(holdfast.clock.now(), 60_000),
    });
    const bridge = await openBridge(holdfast, "prc_1");
    const byFunction = async () => {
      const path = `/api/apps/${app_id}/external-auth/tokens/googlecalendar`;
      return (await readReply(await fetch(`${bridge}${path}`, { headers: { authorization: `Bearer ${minted}` } })))
        .code;
    };
    expect(await byFunction()).toBeNull();
    const change = (functions_enabled: boolean) =>
      holdfast.manage("PATCH", `/api/management/apps/${app_id}`, { json: { functions_enabled } });
    expect((await change(false)).json).toMatchObject({ functions_enabled: false });
    expect((await token(holdfast)).slice(0, 2)).toEqual([403, "functions_disabled"]);
    expect(await byFunction()).toBe("functions_disabled");
    await change(true);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect(await byFunction()).toBeNull();
  });

  it("cost the token route no query: the cache decides", async () => {
    const holdfast = await connected();
    const { store } = holdfast.installation;
    const asked: string[] = [];
    for (const name of ["getServiceToken", "getApp", "getWorkspace", "roleOf", "findConnection"] as const) {
      const real = store[name];
      Object.assign(store, {
        [name]: (...rest: never[]) => {
          asked.push(name);
          return Reflect.apply(real, store, rest);
        },
      });
    }
    for (let time = 0; time < 5; time += 1) expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect(asked).toEqual([]);
  });

  it("of new workspaces are the operator's choice", async () => {
    const holdfast = await startTestServer({ config: { default_plan: "free" } });
    const { accounts, store } = holdfast.installation;
    const made = await accounts.createWorkspace("new", holdfast.builder.user_id);
    expect(await store.getWorkspace(made)).toMatchObject({ plan: "free", name: "new" });
  });
});
