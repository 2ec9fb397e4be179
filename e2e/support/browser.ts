/** A real Chromium, driven by playwright-core, that notes every complaint about our pages. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { onTestFinished } from "vitest";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const chromiumPath: string | null = PLACES.find((path) => existsSync(path)) ?? null;

/** A browser is part of the tests; only a developer's machine may be without one. */
export const mayBeSkipped = chromiumPath === null && process.env["CI"] === undefined;

export interface Visitor {
  readonly page: Page;
  /** Violations of a content security policy, script errors, dialogs and refused requests, on any page so far. */
  readonly complaints: readonly string[];
  /** Into the directory E2E_SCREENSHOTS, when that is set. */
  picture(name: string): Promise<void>;
}

export function launchChromium(): Promise<Browser> {
  if (chromiumPath === null)
    throw new Error(`There is no Chromium at ${PLACES.join(", ")}. On Debian: apt-get install chromium`);
  return chromium.launch({ executablePath: chromiumPath, args: FLAGS });
}

export async function visit(browser: Browser, options: { dark?: boolean; width?: number } = {}): Promise<Visitor> {
  const { dark = false, width = 900 } = options;
  const context = await browser.newContext({
    viewport: { width, height: 760 },
    colorScheme: dark ? "dark" : "light",
  });
  onTestFinished(() => context.close());
  const complaints: string[] = [];
  // The page's own event as well as the console: a report-only policy or a blocked navigation shows up in one of the two.
  await context.exposeFunction("complain", (text: string) => void complaints.push(text));
  await context.addInitScript({
    content: `document.addEventListener("securitypolicyviolation", (event) =>
      complain(\`violates \${event.violatedDirective}: \${event.blockedURI}\`));`,
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" || message.text().includes("Content Security Policy"))
      complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return {
    page,
    complaints,
    async picture(name) {
      const directory = process.env["E2E_SCREENSHOTS"];
      if (directory !== undefined) await page.screenshot({ path: join(directory, `${name}.png`) });
    },
  };
}
