/**
 * Every page of this server: one layout, one style sheet, no scripts, and headers that let a browser run nothing else (R55).
 * `form-action 'self'` holds for every redirect that follows a form, too: that is why the way to a provider leads over a page
 * of ours instead of a redirect (R56).
 */
import type { FastifyReply } from "fastify";
import type { Config } from "../config.ts";
import { html, type Html } from "./html.ts";

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

export const STYLE_PATH = "/assets/holdfast.css";

export const STYLE = `:root{color-scheme:light dark;--line:#d5d9e0;--soft:#5b6472;--accent:#1f5fd6;--warn:#8a5a00}
@media(prefers-color-scheme:dark){:root{--line:#3a4150;--soft:#a3adbd;--accent:#8ab4ff;--warn:#e6b450}}
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;margin:0;padding:2rem 1rem}
main{max-width:36rem;margin:0 auto}h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem}
header{max-width:36rem;margin:0 auto 2rem;color:var(--soft);font-weight:600}
p.soft,dd,li small{color:var(--soft)}dt{font-weight:600;margin-top:.75rem}dd{margin:0;overflow-wrap:anywhere}
ul{padding-left:1.25rem}code{overflow-wrap:anywhere}
label{display:block;font-weight:600;margin-top:1rem}label small{display:block;font-weight:400;color:var(--soft)}
input{font:inherit;width:100%;padding:.5rem;margin-top:.25rem;border:1px solid var(--line);border-radius:.375rem}
button,a.button{display:inline-block;font:inherit;font-weight:600;margin-top:1.5rem;padding:.6rem 1.25rem;border:0;border-radius:.375rem;background:var(--accent);color:Canvas;text-decoration:none;cursor:pointer}
p.notice{border-left:3px solid var(--warn);padding-left:.75rem}footer{max-width:36rem;margin:3rem auto 0;color:var(--soft);font-size:.875rem}
`;

export interface Page {
  readonly title: string;
  readonly body: Html;
  readonly status?: number;
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
        <link rel="stylesheet" href="${STYLE_PATH}" />
      </head>
      <body>
        <header>Holdfast</header>
        <main>
          <h1>${page.title}</h1>
          ${page.body}
        </main>
        ${config.provider_gateway === null ? null : html`<footer>Simulation: all services here are simulated at ${config.provider_gateway}. Nothing reaches a real provider.</footer>`}
      </body>
    </html> `;
  return pageHeaders(reply, config, page.next === undefined ? "same-origin" : "no-referrer")
    .code(page.status ?? 200)
    .type("text/html; charset=utf-8")
    .send(document.text);
}
