import { describe, expect, it } from "vitest";
import { startTestServer } from "../support/server.ts";
import { textOf } from "../support/browser.ts";
import { asList } from "../support/http.ts";

const ADA = { name: "Grace", email: "Grace@Example.com", password: "correct horse battery" };

describe("the whole trip", () => {
  it("goes from the setup link to an account, a sign-in, a workspace, an app, a key and a connector", async () => {
    const holdfast = await startTestServer();
    const { accounts } = holdfast.installation;
    const person = holdfast.browser();
    await person.signIn(await accounts.createSetupLink(), ADA);
    const home = await person.get("/");
    expect([home.status, textOf(home.text)]).toEqual([200, expect.stringContaining("grace@example.com")]);

    const other = holdfast.browser();
    const refused = await other.post("/sign-in", { email: ADA.email, password: "wrong wrong wrong" });
    expect(refused.status).toBe(401);
    const entered = await other.post("/sign-in", { email: ADA.email, password: ADA.password, next: "/account" });
    expect([entered.status, entered.headers.get("location")]).toEqual([303, `${holdfast.config.public_url}/account`]);
    expect((await other.get("/account")).status).toBe(200);

    const cookie = [...other.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const own = { cookie, origin: holdfast.config.public_url };
    const call = (method: string, path: string, json?: unknown, headers: Record<string, string> = own) =>
      holdfast.request(method, path, { headers, ...(json === undefined ? {} : { json }) });
    const made = await call("POST", "/api/management/workspaces", { name: "Team" });
    expect(made.json).toMatchObject({ name: "Team", plan: "builder", role: "owner" });
    const workspace_id = String(made.json["id"]);
    const app = await call("POST", "/api/management/apps", { name: "shop", workspace_id });
    expect(app.status).toBe(200);
    const key = await call("POST", `/api/management/workspaces/${workspace_id}/keys`, { name: "ci", scope: "write" });
    expect(key.status).toBe(200);
    const list = await call("GET", `/api/apps/${String(app.json["app_id"])}/external-auth/list`, undefined, {
      api_key: String(key.json["api_key"]),
    });
    expect(list.json).toEqual({ integrations: [] });
    expect(asList((await call("GET", "/api/management/workspaces")).json["workspaces"])).toHaveLength(2);
  });
});
