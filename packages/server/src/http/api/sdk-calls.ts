/**
 * Calls that the SDK makes for every app when it starts in a browser, beyond connectors. The server
 * knows no app users and stores no analytics. These replies only let the SDK continue.
 */
import { CodedError } from "../../core/errors.ts";
import type { HttpServer } from "../fastify.ts";
import { AppParams } from "../../wire/fields.ts";
import { UserReply } from "../../wire/platform.ts";

const NO_USER = { id: null, email: null, full_name: null, role: null };

export function sdkCallRoutes(server: HttpServer): void {
  server.get(
    "/api/apps/:app/entities/User/me",
    { schema: { params: AppParams, response: { 200: UserReply } } },
    (request, reply) => {
      // Without a token no user is signed in. After any refusal, an app that needs a user opens
      // its login.
      if (request.headers.authorization === undefined) throw new CodedError("missing_token");
      void reply.header("cache-control", "no-store");
      return NO_USER;
    },
  );

  void server.register((plugin, _options, done) => {
    // A closing page sends its events as text or as a blob. Neither is read.
    plugin.removeAllContentTypeParsers();
    plugin.addContentTypeParser("*", { parseAs: "buffer" }, (_request, _body, parsed) => parsed(null));
    plugin.post("/api/apps/:app/analytics/track/batch", (_request, reply) => reply.code(204).send());
    done();
  });
}
