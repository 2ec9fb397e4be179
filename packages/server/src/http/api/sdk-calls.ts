/**
 * What the SDK asks of every app when it starts in a browser, beside what this server is for. Nobody's events are kept, and
 * nobody is known: the answers only keep the SDK going.
 */
import { ApiError } from "../../core/errors.ts";
import type { HttpServer } from "../fastify.ts";
import { AppParams } from "../../wire/fields.ts";
import { UserReply } from "../../wire/platform.ts";

const NOBODY = { id: null, email: null, full_name: null, role: null };

export function sdkCallRoutes(server: HttpServer): void {
  server.get(
    "/api/apps/:app/entities/User/me",
    { schema: { params: AppParams, response: { 200: UserReply } } },
    (request, reply) => {
      // Without a token nobody is signed in; an app that needs a user leads to its login on any refusal.
      if (request.headers.authorization === undefined) throw new ApiError("missing_token");
      void reply.header("cache-control", "no-store");
      return NOBODY;
    },
  );

  void server.register((plugin, _options, done) => {
    // A page that is left sends what it has as text or as a blob: whatever it is, it is not read.
    plugin.removeAllContentTypeParsers();
    plugin.addContentTypeParser("*", { parseAs: "buffer" }, (_request, _body, parsed) => parsed(null));
    plugin.post("/api/apps/:app/analytics/track/batch", (_request, reply) => reply.code(204).send());
    done();
  });
}
