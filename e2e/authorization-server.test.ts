/**
 * Against an independent, strict authorization server: PKCE, `iss`, rotation with reuse detection,
 * revocation.
 */
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { startServer } from "../packages/server/src/app.ts";
import { createSimulatedUser } from "../packages/server/src/cli/demo/simulated-user.ts";
import { loadConfig } from "../packages/server/src/config.ts";
import { systemClock } from "../packages/server/src/core/clock.ts";
import { Secret, sha256Hex } from "../packages/server/src/core/secret.ts";
import { createCatalog } from "../packages/server/src/providers/index.ts";
import { silentLog } from "../packages/server/src/telemetry/log.ts";
import { startAuthorizationServer, strictProvider, type AuthorizationServer } from "./support/authorization-server.ts";
import { getConnection } from "./support/server.ts";
import { openStored } from "./support/stored.ts";
import { freePort } from "../packages/server/test/support/port.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const REFRESHES = 3;

it("connects, refreshes with rotation, and revokes, and the server never receives a used token again", async () => {
  const { as, app, site, connect, stored, installation } = await start();
  await connect();
  expect((await installation.connections.list(app.app_id))[0]).toMatchObject({
    status: "active",
    account: { id: "ada", label: "Person ada", email: "ada@example.test" },
    missing_scopes: [],
  });

  const used: string[] = [];
  for (let round = 0; round < REFRESHES; round += 1) {
    const before = await stored();
    const { access_token } = await getConnection(site, app, "example");
    expect(access_token).toBe(before.access_token);
    // Ten concurrent callers whose token the API rejected: one refresh.
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => getConnection(site, app, "example", sha256Hex(access_token ?? ""))),
    );
    const after = await stored();
    expect(new Set(replies.map((reply) => reply.access_token))).toEqual(new Set([after.access_token]));
    expect(after.access_token).not.toBe(before.access_token);
    expect(after.refresh_token).not.toBe(before.refresh_token);
    used.push(before.refresh_token);
  }
  expect(as.events).toEqual(["grant.success", ...used.map(() => "grant.success")]);
  const current = await stored();
  expect(await as.provider.AccessToken.find(current.access_token)).toBeDefined();
  for (const token of used)
    expect(await as.provider.RefreshToken.find(token)).toMatchObject({ consumed: expect.any(Number) as unknown });

  await installation.connections.disconnect(app.app_id, "example");
  await vi.waitFor(
    async () => expect(await as.provider.RefreshToken.find(current.refresh_token)).toBeUndefined(),
    10_000,
  );
  expect(await getConnection(site, app, "example")).toMatchObject({ status: 409 });
});

it("detects a revoked grant: reuse detection is on, and the refusal becomes the connection's reason", async () => {
  const { as, app, site, connect, stored } = await start();
  await connect();
  const first = await stored();
  await getConnection(site, app, "example", sha256Hex(first.access_token));
  const second = await stored();

  // A thief, or a backup restored on another machine, sends the used token.
  expect(await refreshOutside(as, first.refresh_token)).toMatchObject({ error: "invalid_grant" });
  expect(as.events).toContain("grant.revoked");

  const reply = await getConnection(site, app, "example", sha256Hex(second.access_token));
  expect([reply.status, reply.body.text("code"), reply.body.get("extra_data").text("reason")]).toEqual([
    409,
    "connection_expired",
    "revoked",
  ]);

  await connect();
  expect((await getConnection(site, app, "example")).status).toBe(200);
});

const CLIENT = { client_id: "holdfast", client_secret: "a/secret+that=needs encoding" };

async function start() {
  const port = await freePort();
  const server_url = `http://localhost:${port}`;
  const as = await startAuthorizationServer({
    ...CLIENT,
    redirect_uri: `${server_url}/api/external-auth/callback/example`,
  });
  const data_dir = join(temporaryDirectory(), "data");
  const config = loadConfig(
    { dataDir: data_dir, port: String(port), publicUrl: server_url, providerGateway: as.gateway },
    { HOLDFAST_FORCED_REFRESH_INTERVAL_MS: "1", HOLDFAST_SWEEP_INTERVAL_MS: "200" },
  );
  const server = await startServer({
    config,
    clock: systemClock,
    log: silentLog,
    catalog: createCatalog([strictProvider]),
  });
  onTestFinished(() => server.close());
  const { installation } = server;
  await installation.clients.set({
    integration_type: "example",
    client_id: CLIENT.client_id,
    client_secret: new Secret(CLIENT.client_secret),
    shared_callback: false,
  });
  const { user_id } = await installation.accounts.createDemoBuilder();
  const created = await installation.apps.create("shop");
  const builder = createSimulatedUser(server_url);
  await builder.signIn(await installation.accounts.createSetupLink(user_id));

  return {
    as,
    installation,
    site: { server_url },
    app: { app_id: created.app_id, service_token: created.service_token.expose() },
    connect: async (): Promise<void> => {
      const { redirect_url } = await installation.connect.initiate({
        app_id: created.app_id,
        integration_type: "example",
        scopes: [],
        config: null,
        initiator: user_id,
        return_to: null,
      });
      await builder.connect(redirect_url ?? "", as.approve);
    },
    stored: async (): Promise<{ access_token: string; refresh_token: string }> => {
      const [row] = await openStored(data_dir);
      if (row?.access_token == null || row.refresh_token === null) throw new Error("No tokens are stored.");
      return { access_token: row.access_token, refresh_token: row.refresh_token };
    },
  };
}

async function refreshOutside({ gateway }: AuthorizationServer, refresh_token: string): Promise<unknown> {
  const credentials = [CLIENT.client_id, CLIENT.client_secret].map(encodeURIComponent).join(":");
  const reply = await fetch(`${gateway}/as.example.test/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(credentials)}` },
    body: new URLSearchParams({ grant_type: "refresh_token", refresh_token }),
  });
  return reply.json();
}
