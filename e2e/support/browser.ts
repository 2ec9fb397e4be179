/** A real Chromium, driven by playwright-core, that records every error on our pages. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { onTestFinished } from "vitest";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const chromiumPath: string | null = PATHS.find((path) => existsSync(path)) ?? null;

/** CI requires a browser. Only a developer's machine can run the tests without one. */
export const canSkipBrowser = chromiumPath === null && process.env["CI"] === undefined;

export interface BrowserPage {
  readonly page: Page;
  /**
   * Content security policy violations, script errors, dialogs and refused requests, on any page so
   * far.
   */
  readonly problems: readonly string[];
  /** Saves a picture to the directory E2E_SCREENSHOTS, if that is set. */
  screenshot(name: string): Promise<void>;
}

export function launchChromium(): Promise<Browser> {
  if (chromiumPath === null)
    throw new Error(`There is no Chromium at ${PATHS.join(", ")}. On Debian: apt-get install chromium`);
  return chromium.launch({ executablePath: chromiumPath, args: FLAGS });
}

export async function openPage(
  browser: Browser,
  options: { dark?: boolean; width?: number } = {},
): Promise<BrowserPage> {
  const { dark = false, width = 900 } = options;
  const context = await browser.newContext({
    viewport: { width, height: 760 },
    colorScheme: dark ? "dark" : "light",
  });
  onTestFinished(() => context.close());
  const problems: string[] = [];
  // Both the page's own event and the console: a report-only policy or a blocked navigation appears
  // in only one of them.
  await context.exposeFunction("reportProblem", (text: string) => void problems.push(text));
  await context.addInitScript({
    content: `document.addEventListener("securitypolicyviolation", (event) =>
      reportProblem(\`violates \${event.violatedDirective}: \${event.blockedURI}\`));`,
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" || message.text().includes("Content Security Policy")) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return {
    page,
    problems,
    async screenshot(name) {
      const directory = process.env["E2E_SCREENSHOTS"];
      if (directory !== undefined) await page.screenshot({ path: join(directory, `${name}.png`) });
    },
  };
}
