/** Where providers send the browser back to (RFC 6749 §3.1.2). No page is shown at this address: it carries code and state. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { HttpServer } from "../fastify.ts";
import { sessionPrincipal } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { readCookie } from "../cookies.ts";
import { pageHeaders } from "./page.ts";

export function callbackRoutes(app: HttpServer, context: HttpContext): void {
  const { callback, config, urls } = context;

  const handle = async (request: FastifyRequest, reply: FastifyReply, vendor: string | null): Promise<FastifyReply> => {
    pageHeaders(reply, config, "no-referrer");
    const query = request.raw.url?.split("?", 2)[1] ?? "";
    const flow_id = await callback.handle({
      parameters: new URLSearchParams(query),
      vendor,
      browser: readCookie(request, config, "flow"),
      principal: await sessionPrincipal(context, request),
    });
    return reply.code(303).header("location", urls.result(flow_id)).send();
  };

  app.get("/api/external-auth/callback", (request, reply) => handle(request, reply, null));
  app.get<{ Params: { vendor: string } }>("/api/external-auth/callback/:vendor", (request, reply) =>
    handle(request, reply, request.params.vendor),
  );
}
