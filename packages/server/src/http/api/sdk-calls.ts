/**
 * Calls that the SDK makes when it starts in a browser. The server stores no analytics. The reply
 * only lets the SDK continue.
 */
import type { HttpServer } from "../fastify.ts";

export function sdkCallRoutes(server: HttpServer): void {
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
