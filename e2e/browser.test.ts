/**
 * The connect flow in a real browser, with the real content security policy. Server and provider
 * are on two sites (`localhost` and `127.0.0.1`). Ports alone do not separate sites, so our cookies
 * would be sent to both.
 */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canSkipBrowser, launchChromium, openPage } from "./support/browser.ts";
import {
  createApp,
  getConnection,
  initiate,
  prepareSite,
  setClient,
  startSimulated,
  type App,
  type Site,
} from "./support/server.ts";
import type { Simulator } from "@holdfast/simulator";

const MARKUP = `<img src=x onerror="alert('app')">`;

describe.skipIf(canSkipBrowser)(`in Chromium${canSkipBrowser ? " (skipped: none is installed)" : ""}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  it("signs in, connects, and finds the account connected, without any violation of the policy", async () => {
    const { site, app, simulator, setup_url } = await start("My Shop");
    const { page, problems, screenshot } = await openPage(browser);

    await page.goto(setup_url);
    await screenshot("setup");
    await fillIn(page);
    await page.waitForURL(`${site.server_url}/`);
    await screenshot("apps-empty");

    const connect_url = await initiate(site, app, "slack");
    await page.goto(connect_url);
    await expectHeading(page, "Connect Slack User");
    await screenshot("confirm");
    await page.getByRole("button", { name: "Connect" }).click();
    await expectHeading(page, "Simulated Slack");
    await disableRedirect(page);
    await page.goto(`${connect_url}/go`);
    await expectHeading(page, "Taking you to Slack User");
    await screenshot("go");
    await page.getByRole("link", { name: /continue to/ }).click();
    await screenshot("consent");
    await page.getByRole("button", { name: "Approve" }).click();
    await expectHeading(page, "Slack User is connected");
    await screenshot("result");
    expect(new URL(page.url()).search).toBe("");

    await page.goto(site.server_url);
    await screenshot("apps");
    expect((await getConnection(site, app, "slack")).status).toBe(200);
    expect(problems).toEqual([]);
    expectNothingLeaked(simulator);

    await page.getByRole("button", { name: "Sign out" }).click();
    await expectHeading(page, "Signed out");
    await page.goto(`${site.server_url}/`);
    await expectHeading(page, "You are not signed in");
    await screenshot("signed-out");
    expect(await page.context().cookies()).not.toContainEqual(expect.objectContaining({ name: "holdfast-session" }));
  });

  it("continues without a click when the provider redirects to another host first", { tags: "all" }, async () => {
    const { site, app, setup_url } = await start("My Shop", "sim-hop");
    const { page, problems } = await openPage(browser);
    await signIn(page, setup_url);
    await page.goto(`${site.server_url}/apps/${app.app_id}/connect/slack`);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByRole("button", { name: "Approve" }).click();
    await expectHeading(page, "Slack User is connected");
    expect(problems).toEqual([]);
  });

  it("shows a denial and every error as text, for any markup from an app or a provider", { tags: "all" }, async () => {
    const { site, app, simulator, setup_url } = await start(MARKUP);
    const { page, problems, screenshot } = await openPage(browser);
    await signIn(page, setup_url);
    await page.goto(await initiate(site, app, "slack"));
    await page.getByText(MARKUP).waitFor();
    await page.getByRole("button", { name: "Connect" }).click();
    const description = encodeURIComponent(`<script>alert("provider")</script>${MARKUP}`);
    // The provider's own response, with a text of its choice.
    await page.route(/external-auth\/callback/, (route) =>
      route.continue({ url: `${route.request().url()}&error_description=${description}` }),
    );
    await page.getByRole("button", { name: "Deny" }).click();
    await expectHeading(page, "Slack User was not connected");
    await screenshot("denied");
    await page.getByRole("link", { name: "Start again" }).click();
    await expectHeading(page, "Connect Slack User");
    await page.getByText(MARKUP).waitFor();
    await screenshot("start-again");
    await page.goto(`${site.server_url}/`);
    await page.getByText(MARKUP).waitFor();
    expect(problems).toEqual([]);

    // Error pages have an error status, which Chromium reports. It must report nothing else.
    await page.goto(`${site.server_url}/api/external-auth/callback/slack?state=x&error=${description}`);
    await expectHeading(page, /./);
    await screenshot("error");
    await page.goto(`${site.server_url}/setup/${"A".repeat(43)}`);
    await screenshot("setup-used");
    await page.goto(`${site.server_url}/nowhere/${description}`);
    await screenshot("not-found");
    expect(problems.filter((text) => !/status of 40[04]/.test(text))).toEqual([]);
    expectNothingLeaked(simulator);
    expect((await getConnection(site, app, "slack")).status).toBe(404);
  });

  it("fits a phone screen and a dark color scheme", { tags: "all" }, async () => {
    const { site, app, setup_url } = await start("My Shop");
    const { page, problems, screenshot } = await openPage(browser, { dark: true, width: 360 });
    await signIn(page, setup_url);
    await page.goto(await initiate(site, app, "slack"));
    await screenshot("confirm-small-dark");
    const width = await page.evaluate("document.documentElement.scrollWidth");
    expect(width).toBeLessThanOrEqual(360);
    await page.goto(`${site.server_url}/`);
    await screenshot("apps-small-dark");
    expect(problems).toEqual([]);
  });
});

async function start(
  app_name: string,
  client_id = "sim-ok",
): Promise<{ site: Site; app: App; simulator: Simulator; setup_url: string }> {
  const simulator = await startSimulated();
  const site = await prepareSite(simulator.url);
  const server = await site.start();
  const app = await createApp(site, app_name);
  await setClient(site, app, "slack", client_id);
  return { site, app, simulator, setup_url: server.ready.text("setup_url") };
}

async function signIn(page: Page, setup_url: string): Promise<void> {
  await page.goto(setup_url);
  await fillIn(page);
}

async function fillIn(page: Page): Promise<void> {
  await page.getByLabel("Name").fill("Ada");
  await page.getByLabel("Email address").fill("ada@example.com");
  await page.getByLabel("Password").fill("correct horse battery staple");
  await page.getByRole("button", { name: "Continue" }).click();
}

const expectHeading = (page: Page, name: string | RegExp): Promise<void> =>
  page.getByRole("heading", { level: 1, name, exact: true }).waitFor({ timeout: 10_000 });

/**
 * Removes the page's automatic redirect, like a browser that does not follow it and needs the link.
 */
const disableRedirect = (page: Page): Promise<unknown> =>
  page.route("**/go", async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replace(/<meta http-equiv="refresh"[^>]*>/, "");
    await route.fulfill({ response, body });
  });

function expectNothingLeaked(simulator: Simulator): void {
  const { cookies_seen, query_secrets_seen } = simulator.ledger();
  expect({ cookies_seen, query_secrets_seen }).toEqual({ cookies_seen: [], query_secrets_seen: [] });
}
