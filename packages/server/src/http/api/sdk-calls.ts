/**
 * Calls that the SDK makes for every app when it starts in a browser, beyond connectors. The server
 * stores no analytics. That reply only lets the SDK continue.
 */
import { CodedError } from "../../core/errors.ts";
import type { HttpServer } from "../fastify.ts";
import { AppParams } from "../../wire/fields.ts";
import { bearerOf } from "../auth.ts";

export function sdkCallRoutes(server: HttpServer): void {
  // The usual guard of a function is `auth.me()` or `auth.isAuthenticated()`. Any 2xx lets the
  // caller in. No bearer can be verified as an app user's yet, and an unknown app gets the same
  // reply, so callers cannot discover which apps exist.
  server.get(
    "/api/apps/:app/entities/User/me",
    { config: { bridge: true }, schema: { params: AppParams } },
    (request) => {
      throw new CodedError(bearerOf(request) === null ? "missing_token" : "invalid_token");
    },
  );

  void server.register((plugin, _options, done) => {
    // A closing page sends its events as text or as a blob. Neither is read.
    plugin.removeAllContentTypeParsers();
    plugin.addContentTypeParser("*", { parseAs: "buffer" }, (_request, _body, parsed) => parsed(null));
    plugin.post("/api/apps/:app/analytics/track/batch", { config: { bridge: true } }, (_request, reply) =>
      reply.code(204).send(),
    );
    done();
  });
}
