/**
 * The files that pages link to, read once at start. They hold no user data, so any cache can keep
 * them.
 */
import { readFileSync } from "node:fs";
import type { HttpServer } from "../fastify.ts";

export const STYLE_PATH = "/assets/holdfast.css";
export const ICON_PATH = "/assets/holdfast.svg";

/** `build-assets.ts` copies the files beside the compiled code. */
const STYLE = readFileSync(new URL("holdfast.css", import.meta.url), "utf8");
const ICON = readFileSync(new URL("holdfast.svg", import.meta.url), "utf8");

const CACHE_HEADERS = { "cache-control": "public, max-age=3600", "x-content-type-options": "nosniff" };

export function assetRoutes(server: HttpServer): void {
  server.get(STYLE_PATH, (_request, reply) => reply.type("text/css; charset=utf-8").headers(CACHE_HEADERS).send(STYLE));
  server.get(ICON_PATH, (_request, reply) =>
    // An SVG opened as a page of its own can contain scripts. This policy blocks them.
    reply
      .type("image/svg+xml")
      .headers(CACHE_HEADERS)
      .header("content-security-policy", "default-src 'none'")
      .send(ICON),
  );
}
