/**
 * Every page of this server: one layout, one style sheet, no scripts, and headers that let a browser run nothing else.
 * `form-action 'self'` holds for every redirect that follows a form, too: that is why the way to a provider leads over a page
 * of ours instead of a redirect.
 */
import type { FastifyReply } from "fastify";
import type { Config } from "../../config.ts";
import { html, type Html } from "./html.ts";
import { ICON_PATH, STYLE_PATH } from "./style.ts";

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
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
  /** How something that was begun has ended. */
  readonly mark?: "good" | "bad";
  /** Leads on by itself, after a moment: an address of ours or a provider's. */
  readonly next?: string;
}

/** Headers of everything a browser may show. `no-referrer` would make a browser send `Origin: null` with our own forms. */
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
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        ${page.next === undefined ? null : html`<meta http-equiv="refresh" content="0; url=${page.next}" />`}
        <title>${page.title} · Holdfast</title>
        <link rel="icon" type="image/svg+xml" href="${ICON_PATH}" />
        <link rel="stylesheet" href="${STYLE_PATH}" />
      </head>
      <body>
        <header>
          <a href="/"><img src="${ICON_PATH}" alt="" />Holdfast</a>
        </header>
        ${config.provider_gateway === null ? null : html`<p class="banner">Simulation: all services are simulated at ${config.provider_gateway}. Nothing reaches a real provider.</p>`}
        <main>
          ${page.mark === undefined ? null : html`<div class="mark ${page.mark}">${page.mark === "good" ? "✓" : "!"}</div>`}
          <h1>${page.title}</h1>
          ${page.body}
        </main>
      </body>
    </html> `;
  // Kept where a route has set it: an error page of the callback stands at an address with code and state.
  const secret = page.next !== undefined || reply.getHeader("referrer-policy") === "no-referrer";
  return pageHeaders(reply, config, secret ? "no-referrer" : "same-origin")
    .code(page.status ?? 200)
    .type("text/html; charset=utf-8")
    .send(document.text);
}
