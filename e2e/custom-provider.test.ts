/** A service that the operator defines in a JSON file, without any change to Holdfast's code. */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { simulatedClientId } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { holdfast } from "./support/holdfast.ts";
import { parseJson } from "./support/json.ts";
import {
  asBuilder,
  createApp,
  deployFunction,
  getConnection,
  prepareSite,
  setClient,
  signIn,
  startSimulated,
} from "./support/server.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const EXAMPLE = fileURLToPath(new URL("../examples/providers/myservice.json", import.meta.url));

const FUNCTION = `
import { createClientFromRequest } from "npm:@base44/sdk";
Deno.serve(async (request) => {
  const { connectors } = createClientFromRequest(request).asServiceRole;
  const { accessToken, connectionConfig } = await connectors.getConnection("myservice");
  const reply = await fetch(\`https://\${connectionConfig.subdomain}.example.com/api/v1/data\`, {
    headers: { Authorization: \`Bearer \${accessToken}\` },
  });
  return Response.json({ status: reply.status, subdomain: connectionConfig.subdomain, data: await reply.json() });
});
`;

describe("a service from a JSON file", () => {
  it("connects, refreshes, and serves a function that calls the connection's own host", async () => {
    const simulator = await startSimulated();
    const site = await prepareSite(simulator.url);
    const providers = join(site.home, "providers");
    mkdirSync(providers);
    cpSync(EXAMPLE, join(providers, "myservice.json"));
    const server = await site.start({ HOLDFAST_PROVIDERS: providers });
    const app = await createApp(site);
    await deployFunction(site, app, "read-data", FUNCTION);
    const builder = await signIn(site, server.ready.text("setup_url"));
    await setClient(site, app, "myservice", simulatedClientId(["rotate"]));
    const path = `/api/apps/${app.app_id}/external-auth/integrations/myservice`;
    const initiated = await asBuilder(site, app, "PUT", path, { scopes: [], connection_config: { subdomain: "acme" } });
    await builder.connect(initiated.text("redirect_url"));

    const first = await getConnection(site, app, "myservice");
    expect(first.body.get("connection_config").value).toEqual({ subdomain: "acme" });
    const reply = await fetch(`${site.server_url}/api/apps/${app.app_id}/functions/read-data`, { method: "POST" });
    expect([reply.status, await reply.json()]).toMatchObject([200, { status: 200, subdomain: "acme" }]);

    const hash = createHash("sha256")
      .update(first.access_token ?? "")
      .digest("hex");
    const second = await getConnection(site, app, "myservice", hash);
    expect(second.status).toBe(200);
    expect(second.access_token).not.toBe(first.access_token);
    expect(simulator.ledger().families_revoked).toEqual([]);
  });

  it("is rejected, with the file, the field and the rule, before the server starts", async () => {
    const home = temporaryDirectory();
    writeFileSync(join(home, "broken.json"), JSON.stringify({ id: "has blanks", token_url: "http://plain.example" }));
    const env = { HOLDFAST_PROVIDERS: home };
    const served = await holdfast(["serve", "--data-dir", join(home, "data"), "--port", "0", "--json"], { home, env });
    expect(existsSync(join(home, "data"))).toBe(false);
    expect(served.exit_code).toBe(78);
    const error = parseJson(served.stdout).get("error");
    expect(error.text("code")).toBe("configuration");
    expect(error.text("message")).toContain("broken.json/id");

    const validated = await holdfast(["providers", "validate", join(home, "broken.json"), "--json"], { home });
    expect(validated.exit_code).toBe(78);
    expect((await holdfast(["providers", "validate", EXAMPLE], { home })).exit_code).toBe(0);
    expect((await holdfast(["providers", "validate", join(home, "absent.json")], { home })).exit_code).toBe(4);
  });
});
