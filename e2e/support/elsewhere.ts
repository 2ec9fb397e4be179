/** A running server with an app, and another machine from which commands talk to it: nothing of the server lies there. */
import { join } from "node:path";
import { createApp, prepareSite, startSimulated, type App, type Site } from "./server.ts";
import { createVisitor, type Visitor } from "./visitor.ts";

export interface Elsewhere {
  readonly site: Site;
  readonly app: App;
  readonly person: Visitor;
  /** The other machine's home. */
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
}

export async function startElsewhere(): Promise<Elsewhere> {
  const { url } = await startSimulated();
  const site = await prepareSite(url);
  const server = await site.start();
  const person = createVisitor(site.server_url);
  await person.setUp(server.ready.text("setup_url"));
  const app = await createApp(site);
  const env = { HOLDFAST_SERVER_URL: site.server_url, HOLDFAST_API_KEY: app.api_key };
  return { site, app, person, home: join(site.home, "elsewhere"), env };
}
