/**
 * A workspace's OAuth clients and the installation's: which one is used, and what a change ends.
 */
import { clientSecretOf, simulatedClientId } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import type { UserId, WorkspaceId } from "../../src/core/types.ts";
import { SHARING_RISK } from "../../src/service/accounts/workspaces.ts";
import { asObject, type Reply } from "../support/http.ts";
import { addAccount, exposed, startTestServer, type TestApp, type TestServer } from "../support/server.ts";

async function setFor({ installation }: TestServer, scope: "workspace" | "installation", label: string) {
  const client_id = simulatedClientId([], label);
  return installation.clients.set({
    workspace_id: scope === "workspace" ? await installation.apps.workspace() : null,
    integration_type: "slack",
    client_id,
    client_secret: new Secret(clientSecretOf(client_id)),
    shared_callback: false,
  });
}

describe("OAuth clients", () => {
  it("of the workspace take precedence over the installation's, whose connections stay", async () => {
    const holdfast = await startTestServer();
    const shared = await setFor(holdfast, "installation", "shared");
    await holdfast.connect("slack");
    const own = await setFor(holdfast, "workspace", "own");
    expect(await holdfast.row("slack")).toMatchObject({ status: "active", oauth_client_id: shared.id });
    await holdfast.connect("slack");
    expect(await holdfast.row("slack")).toMatchObject({ status: "active", oauth_client_id: own.id });
  });

  it("with another client id end the previous one's connections, with another secret none", async () => {
    const holdfast = await startTestServer();
    const before = await setFor(holdfast, "workspace", "one");
    await holdfast.connect("slack");
    expect(await setFor(holdfast, "workspace", "one")).toMatchObject({ id: before.id });
    expect((await holdfast.row("slack")).status).toBe("active");
    await setFor(holdfast, "installation", "shared");
    expect((await holdfast.row("slack")).status).toBe("active");
    await setFor(holdfast, "workspace", "two");
    expect(await holdfast.row("slack")).toMatchObject({ status: "expired", reason: "client_changed" });
    expect((await holdfast.token("slack")).code).toBe("connection_expired");
  });

  it("are listed by workspace, removed by workspace, and never show a secret", async () => {
    const holdfast = await startTestServer();
    const { clients, apps } = holdfast.installation;
    const workspace_id = await apps.workspace();
    const [shared, own] = [await setFor(holdfast, "installation", "a"), await setFor(holdfast, "workspace", "b")];
    expect(await clients.list(null)).toEqual([shared]);
    expect(await clients.list(workspace_id)).toEqual([own]);
    expect(await clients.list()).toHaveLength(2);
    expect(JSON.stringify(await clients.list())).not.toContain(clientSecretOf(own.client_id));
    await clients.remove("slack", workspace_id);
    expect(await clients.list()).toEqual([shared]);
    await expect(clients.remove("slack", workspace_id)).rejects.toMatchObject({ code: "not_found" });
  });
});

interface OtherWorkspace {
  readonly id: WorkspaceId;
  readonly owner: UserId;
  readonly app: TestApp;
  /** Sends a request with an API key of that workspace. */
  ask(method: string, path: string, json?: unknown): Promise<Reply>;
}

/** Creates a workspace as the installation's owner, and makes another user its only owner. */
async function otherWorkspace(holdfast: TestServer): Promise<OtherWorkspace> {
  const { accounts, apps, store } = holdfast.installation;
  const { user_id } = holdfast.builder;
  const id = await accounts.createWorkspace("elsewhere", user_id);
  const bob = { name: "Bob", email: "bob@example.com", workspace_id: id, role: "owner" } as const;
  const owner = await addAccount(store, bob);
  await store.setRole(id, user_id, null, "owner");
  const app = exposed(await apps.create("shop", { workspace_id: id, user_id: owner }));
  const headers = { api_key: app.api_key };
  const ask: OtherWorkspace["ask"] = (method, path, json) =>
    holdfast.request(method, path, { headers, ...(json === undefined ? {} : { json }) });
  return { id, owner, app, ask };
}

describe("the installation's OAuth clients", () => {
  const registration = (label: string) => {
    const client_id = simulatedClientId([], label);
    return { client_id, client_secret: clientSecretOf(client_id) };
  };
  const begin = (holdfast: TestServer, { app }: OtherWorkspace) => holdfast.initiate("slack", { scopes: [] }, app);

  it("serve every workspace of the installation's owners without a permission", async () => {
    const holdfast = await startTestServer();
    const { accounts, apps, workspaces } = holdfast.installation;
    await setFor(holdfast, "installation", "shared");
    const { user_id, workspace_id } = holdfast.builder;
    const id = await accounts.createWorkspace("second", user_id);
    const sharing = { serves: true, allowed: false, same_owners: true };
    expect([await workspaces.clientSharing(workspace_id), await workspaces.clientSharing(id)]).toEqual([
      sharing,
      sharing,
    ]);
    const app = exposed(await apps.create("shop", { workspace_id: id, user_id }));
    await holdfast.connect("slack", { app });
    expect((await holdfast.token("slack", { app })).status).toBe(200);
  });

  it("serve another owner's workspace only if an operator allows it, which returns the risk", async () => {
    const holdfast = await startTestServer();
    const { app: home } = holdfast;
    await setFor(holdfast, "installation", "shared");
    const other = await otherWorkspace(holdfast);
    const path = `/api/management/workspaces/${other.id}`;
    const share = (allowed: boolean, api_key = home.api_key) =>
      holdfast.request("PUT", `${path}/installation-clients`, { headers: { api_key }, json: { allowed } });

    const refused = await begin(holdfast, other);
    expect([refused.status, refused.code]).toEqual([409, "oauth_client_missing"]);
    expect(refused.extra).toMatchObject({ reason: "installation_client_not_shared" });
    expect(refused.json["detail"]).toContain("ask an admin of the installation to share its clients");
    // The workspace that would benefit cannot decide it.
    expect((await share(true, other.app.api_key)).code).toBe("insufficient_role");
    expect((await begin(holdfast, other)).code).toBe("oauth_client_missing");

    const allowed = await share(true);
    expect(allowed.json).toEqual({
      installation_clients: { serves: true, allowed: true, same_owners: false },
      risk: SHARING_RISK,
    });
    expect((await other.ask("GET", `${path}/clients`)).json).toEqual({
      clients: [],
      installation_clients: { serves: true, allowed: true, same_owners: false },
    });
    const browser = await holdfast.signedIn(other.owner);
    await holdfast.connect("slack", { app: other.app, browser });

    // A withdrawn permission stops every consent that begins later, even from a link that is
    // already open.
    const open = String((await other.ask("PUT", external(other), { scopes: ["chat:write"] })).json["redirect_url"]);
    await share(false);
    await expect(browser.start(open)).rejects.toThrow("Pressing Connect returned 409");
    expect((await begin(holdfast, other)).code).toBeNull();
    expect((await other.ask("PUT", external(other), { scopes: ["users:read"] })).code).toBe("oauth_client_missing");
    expect((await holdfast.token("slack", { app: other.app })).status).toBe(200);
    expect((await share(true, "b44k_x")).status).toBe(401);
    const missing = { headers: { api_key: home.api_key }, json: { allowed: true } };
    const nowhere = "/api/management/workspaces/wsp_00000000000000000000/installation-clients";
    expect((await holdfast.request("PUT", nowhere, missing)).code).toBe("not_found");
  });

  const external = ({ app }: OtherWorkspace) => `/api/apps/${app.app_id}/external-auth/integrations/slack`;

  it("are not needed if the workspace has its own, which it alone sees, changes and removes", async () => {
    const holdfast = await startTestServer();
    const { app: home, builder } = holdfast;
    const shared = await setFor(holdfast, "installation", "shared");
    const other = await otherWorkspace(holdfast);
    const at = (id: WorkspaceId) => `/api/management/workspaces/${id}/clients`;
    const set = await other.ask("PUT", `${at(other.id)}/slack`, registration("own"));
    expect(set.json).toMatchObject({ workspace_id: other.id, integration_type: "slack" });
    expect(set.text).not.toContain(registration("own").client_secret);
    await holdfast.connect("slack", { app: other.app, browser: await holdfast.signedIn(other.owner) });
    expect(await holdfast.row("slack", other.app)).toMatchObject({ oauth_client_id: set.json["id"] });

    const idsOf = ({ json }: Reply) => [json["clients"]].flat().map((client) => asObject(client)["id"]);
    const installation = "/api/management/clients";
    expect(idsOf(await other.ask("GET", at(other.id)))).toEqual([set.json["id"]]);
    expect(idsOf(await holdfast.manage("GET", installation))).toEqual([shared.id]);
    expect(idsOf(await holdfast.manage("GET", at(builder.workspace_id)))).toEqual([]);
    for (const [method, json] of [["PUT", registration("x")], ["DELETE"]] as const) {
      expect((await other.ask(method, `${installation}/slack`, json)).code).toBe("insufficient_role");
      expect((await other.ask(method, `${at(builder.workspace_id)}/slack`, json)).status).toBe(404);
      const headers = { api_key: home.api_key };
      const refused = await holdfast.request(method, `${at(other.id)}/slack`, {
        headers,
        ...(json === undefined ? {} : { json }),
      });
      expect(refused.status).toBe(404);
    }

    expect((await other.ask("DELETE", `${at(other.id)}/slack`)).status).toBe(200);
    expect(await holdfast.row("slack", other.app)).toMatchObject({ status: "expired", reason: "client_changed" });
    expect(idsOf(await holdfast.manage("GET", installation))).toEqual([shared.id]);
    await holdfast.installation.audit.flush();
    expect(await audited(holdfast, other.id)).toEqual(["oauth_client.remove slack", "oauth_client.set slack"]);
  });

  const audited = async ({ installation }: TestServer, workspace_id: WorkspaceId): Promise<readonly string[]> =>
    (await installation.store.listAudit("", 50))
      .filter((event) => event.workspace_id === workspace_id && event.action.startsWith("oauth_client"))
      .map(({ action, target }) => `${action} ${target}`)
      .toSorted();
});
