/**
 * Calls of functions. A function is public and checks its callers itself, so these routes require
 * no credential.
 */
import { CodedError } from "../../core/errors.ts";
import type { AppId } from "../../core/types.ts";
import type { FastifyRequest } from "fastify";
import type { FunctionRequest } from "../../runner/functions.ts";
import { userBearerOf } from "../auth.ts";
import { bridgeOf } from "../bridge.ts";
import { clientAddress } from "../client-address.ts";
import type { HttpServer } from "../fastify.ts";
import type { HttpContext } from "../context.ts";

/** Without TRACE, which would echo credentials, and CONNECT, which is for proxies. */
const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY"] as const;

export function functionRoutes(server: HttpServer, context: HttpContext): void {
  void server.register((plugin, _options, done) => {
    // Pass bodies on unparsed. The function interprets them.
    plugin.removeAllContentTypeParsers();
    plugin.addContentTypeParser(
      "*",
      { parseAs: "buffer", bodyLimit: context.config.limits.function_body_bytes },
      (_request, body, parsed) => parsed(null, body),
    );
    plugin.route<{ Params: { app: AppId; "*": string }; Body: Buffer | undefined }>({
      method: [...METHODS],
      url: "/api/apps/:app/functions/*",
      config: { bridge: true },
      handler: async (request, reply) => {
        if (context.functions === null) throw new CodedError("functions_not_served");
        const { id: app_id, functions_enabled } = await context.apps.get(request.params.app);
        if (!functions_enabled) throw new CodedError("functions_disabled");
        const response = await context.functions.invoke({
          app_id,
          function_name: request.params["*"],
          method: request.method,
          ...addressOf(context, request),
          headers: request.headers,
          body: request.body ?? Buffer.alloc(0),
          user_authorization: await userBearerOf(context, request, app_id),
        });
        for (const [name, value] of Object.entries(response.headers)) void reply.header(name, value);
        return await reply.code(response.status).send(response.body);
      },
    });
    done();
  });
}

/** Returns the public address of a call, and its caller's. */
function addressOf(
  { config }: HttpContext,
  request: FastifyRequest,
): Pick<FunctionRequest, "url" | "prefix" | "client_address"> {
  const path = request.raw.url ?? "";
  const [prefix = ""] = path.split("?", 1);
  const client_address = bridgeOf(request) === null ? clientAddress(request) : null;
  return { url: config.public_url + path, prefix, client_address };
}
