/** The files that pages refer to. The same for everybody, so anybody may have and keep them. */
import type { HttpServer } from "../fastify.ts";
import { ICON, ICON_PATH, STYLE, STYLE_PATH } from "./style.ts";

export function assetRoutes(app: HttpServer): void {
  const kept = { "cache-control": "public, max-age=3600", "x-content-type-options": "nosniff" };
  app.get(STYLE_PATH, (_request, reply) => reply.type("text/css; charset=utf-8").headers(kept).send(STYLE));
  app.get(ICON_PATH, (_request, reply) =>
    // An image that is opened as a page of its own may run nothing either.
    reply.type("image/svg+xml").headers(kept).header("content-security-policy", "default-src 'none'").send(ICON),
  );
}
