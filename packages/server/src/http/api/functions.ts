/** Calling functions. A function is public: it decides by itself whom it answers, so no credential is asked for here. */
import { ApiError } from "../../core/errors.ts";
import type { AppId } from "../../core/types.ts";
import type { HttpServer } from "../fastify.ts";
import type { HttpContext } from "../context.ts";

/** Not TRACE, which is there to send back what came in, credentials and all, nor CONNECT, which is for proxies. */
const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY"] as const;

export function functionRoutes(server: HttpServer, context: HttpContext): void {
  void server.register((plugin, _options, done) => {
    // Bodies go through as they came: what they mean is the function's affair.
    plugin.removeAllContentTypeParsers();
    plugin.addContentTypeParser(
      "*",
      { parseAs: "buffer", bodyLimit: context.config.limits.function_body_bytes },
      (_request, body, parsed) => parsed(null, body),
    );
    plugin.route<{ Params: { app: AppId; "*": string }; Body: Buffer | undefined }>({
      method: [...METHODS],
      url: "/api/apps/:app/functions/*",
      handler: async (request, reply) => {
        if (context.functions === null) throw new ApiError("functions_not_served");
        const { id: app_id, functions_enabled } = await context.apps.get(request.params.app);
        if (!functions_enabled) throw new ApiError("functions_disabled");
        const answer = await context.functions.invoke({
          app_id,
          function_name: request.params["*"],
          method: request.method,
          path: queryOf(request.raw.url ?? ""),
          headers: request.headers,
          body: request.body ?? Buffer.alloc(0),
          user_authorization: null,
        });
        for (const [name, value] of Object.entries(answer.headers)) void reply.header(name, value);
        return reply.code(answer.status).send(answer.body);
      },
    });
    done();
  });
}

/** What follows the name: a function that is called by its name has no path of its own, only a query. */
function queryOf(url: string): string {
  const query = url.indexOf("?");
  return query === -1 ? "/" : `/${url.slice(query)}`;
}
