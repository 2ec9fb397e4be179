/**
 * A running server with an app, and the home of another machine from which commands reach it over
 * the network.
 */
import { join } from "node:path";
import { createApp, prepareSite, startSimulated, type App, type Site } from "./server.ts";
import { createBuilder, type Builder } from "./builder.ts";

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
