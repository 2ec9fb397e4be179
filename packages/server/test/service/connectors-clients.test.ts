/** OAuth clients of a workspace beside the installation's: which one serves, and what a change ends. */
import { clientSecretOf, simulatedClientId } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

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
  it("of the workspace serve before the installation's, and leave what the other one connected alone", async () => {
    const holdfast = await startTestServer();
    const shared = await setFor(holdfast, "installation", "shared");
    await holdfast.connect("slack");
    const own = await setFor(holdfast, "workspace", "own");
    expect(await holdfast.row("slack")).toMatchObject({ status: "active", oauth_client_id: shared.id });
    await holdfast.connect("slack");
    expect(await holdfast.row("slack")).toMatchObject({ status: "active", oauth_client_id: own.id });
  });

  it("with another client id end the connections of the one before, with another secret none", async () => {
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
