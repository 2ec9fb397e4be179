/**
 * Every page of this server: one layout, one style sheet, and headers that let a browser run
 * nothing else. Owns the look and the headers of pages. Each page has a routes file and a views
 * file, and the views are pure functions from data to HTML.
 *
 * Must not know the store, the vault or a provider's protocol: pages call services, like the API.
 * The redirect that follows a form must stay on this server (`form-action 'self'`), so one of our
 * pages leads to the provider.
 */
import type { FastifyReply } from "fastify";
import type { Config } from "../../config.ts";
import { ICON_PATH, STYLE_PATH } from "./assets.ts";
import { html, type Html } from "./html.ts";

/** Without scripts: pages have none, and functions answer on the same origin. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

export interface Page {
  readonly title: string;
  readonly body: Html;
  readonly status?: number;
  /** The icon above the title: success or failure. */
  readonly mark?: "good" | "bad";
  /** Where the browser continues at once: one of our addresses or a provider's. */
  readonly next?: string;
}

/**
 * Sets the headers of pages and of the callback's redirect. Pages with forms need `same-origin`:
 * after `no-referrer` a browser sends them with `Origin: null`.
 */
export function pageHeaders(
  reply: FastifyReply,
  config: Config,
  referrer: "same-origin" | "no-referrer",
): FastifyReply {
  if (config.public_url.startsWith("https:")) void reply.header("strict-transport-security", "max-age=31536000");
  return reply
    .header("content-security-policy", CONTENT_SECURITY_POLICY)
    .header("cross-origin-opener-policy", "same-origin")
    .header("x-content-type-options", "nosniff")
    .header("referrer-policy", referrer)
    .header("cache-control", "no-store");
}

export function sendPage(reply: FastifyReply, config: Config, page: Page): FastifyReply {
  // Keep a policy that a route has set: the callback's error page has code and state in its
  // address.
  const is_secret = page.next !== undefined || reply.getHeader("referrer-policy") === "no-referrer";
  return pageHeaders(reply, config, is_secret ? "no-referrer" : "same-origin")
    .code(page.status ?? 200)
    .type("text/html; charset=utf-8")
    .send(documentOf(config, page).text);
}

function documentOf({ provider_gateway }: Config, { title, body, mark, next }: Page): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        ${next === undefined ? null : html`<meta http-equiv="refresh" content="0; url=${next}" />`}
        <title>${title} · Holdfast</title>
        <link rel="icon" type="image/svg+xml" href="${ICON_PATH}" />
        <link rel="stylesheet" href="${STYLE_PATH}" />
      </head>
      <body>
        <header>
          <a href="/"><img src="${ICON_PATH}" alt="" />Holdfast</a>
        </header>
        ${provider_gateway === null ? null : html`<p class="banner">Simulation: all services are simulated at ${provider_gateway}. Nothing reaches a real provider.</p>`}
        <main>
          ${mark === undefined ? null : html`<div class="mark ${mark}">${mark === "good" ? "✓" : "!"}</div>`}
          <h1>${title}</h1>
          ${body}
        </main>
      </body>
    </html> `;
}
