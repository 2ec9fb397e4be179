/**
 * The redirect URI, to which providers send the browser back (RFC 6749 §3.1.2). Replies with a
 * redirect instead of a page, because this address contains the code and the state.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { sessionOf } from "../auth.ts";
import type { HttpContext } from "../context.ts";
import { readCookie } from "../cookies.ts";
import type { HttpServer } from "../fastify.ts";
import { pageHeaders } from "./page.ts";

export function callbackRoutes(server: HttpServer, context: HttpContext): void {
  server.get("/api/external-auth/callback", (request, reply) => handleCallback(context, request, reply, null));

  server.get<{ Params: { vendor: string } }>("/api/external-auth/callback/:vendor", (request, reply) =>
    handleCallback(context, request, reply, request.params.vendor),
  );
}

async function handleCallback(
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  vendor: string | null,
): Promise<FastifyReply> {
  const { callback, config, urls } = context;
  pageHeaders(reply, config, "no-referrer");
  const query = request.raw.url?.split("?", 2)[1] ?? "";
  const visitor = await sessionOf(context, request);
  const flow_id = await callback.handle({
    parameters: new URLSearchParams(query),
    vendor,
    browser: readCookie(request, config, "flow"),
    principal: visitor?.user.user_id ?? null,
  });
  return await reply.code(303).header("location", urls.result(flow_id)).send();
}
