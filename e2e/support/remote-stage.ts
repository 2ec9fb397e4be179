/**
 * A running server with an app, and the home of another machine from which commands reach it over
 * the network.
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import { createApp, prepareSite, startSimulated, type App, type Site } from "./server.ts";
import { createBuilder, type Builder } from "./builder.ts";
import { startInteractive } from "./holdfast.ts";

export interface RemoteStage {
  readonly site: Site;
  readonly app: App;
  readonly builder: Builder;
  /** The other machine's home. */
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
}

export async function startRemoteStage(): Promise<RemoteStage> {
  const { url } = await startSimulated();
  const site = await prepareSite(url);
  const server = await site.start();
  const builder = createBuilder(site.server_url);
  await builder.setUp(server.ready.text("setup_url"));
  const app = await createApp(site);
  const env = { HOLDFAST_SERVER_URL: site.server_url, HOLDFAST_API_KEY: app.api_key };
  return { site, app, builder, home: join(site.home, "remote"), env };
}

/** Returns the stage with a login instead of the key. */
export async function withLogin(stage: RemoteStage): Promise<RemoteStage> {
  const { site, home, builder } = stage;
  const login = await startInteractive(["login", "--server", site.server_url], { home });
  let code: string | undefined;
  while (code === undefined) {
    await delay(50);
    code = /enter the code {2}(\S+)/.exec(login.output.stderr)?.[1];
  }
  await builder.decide(`${site.server_url}/device`, code, "approved");
  expect(await login.ended()).toBe(0);
  return { ...stage, env: {} };
}
