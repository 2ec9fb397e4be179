/**
 * Calls of functions. A function is public and checks its callers itself, so these routes require
 * no credential. Bodies pass in both directions as they arrive. The app, its switch and the
 * function are checked before a byte of the body is read.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { errnoOf } from "../../core/errno.ts";
import { CodedError } from "../../core/errors.ts";
import type { AppId } from "../../core/types.ts";
import { tooLarge } from "../../runner/send.ts";
import { userBearerOf } from "../auth.ts";
import { createByteBudget, type ByteBudget } from "../byte-budget.ts";
import type { HttpContext } from "../context.ts";
import { sendContinue } from "../expect.ts";
import type { HttpServer } from "../fastify.ts";
import { leaveBodiesUnread } from "../unread-body.ts";
import { addressOf, matchedTarget, namedTarget, type CallTarget } from "./call-target.ts";

/** Without TRACE, which would echo credentials, and CONNECT, which is for proxies. */
const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY"] as const;
/** Their bodies have no meaning (RFC 9110 §9.3.1). */
const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

interface Calls {
  readonly context: HttpContext;
  readonly budget: ByteBudget;
}

export function functionRoutes(server: HttpServer, context: HttpContext): void {
  const { function_bytes_in_flight: bytes, function_bytes_in_flight_per_app: bytes_per_app } = context.config.limits;
  const calls = { context, budget: createByteBudget({ bytes, bytes_per_app, what: "calls of functions" }) };
  const route = { method: [...METHODS], config: { bridge: true, calls_function: true } };
  void server.register((plugin, _options, done) => {
    leaveBodiesUnread(plugin);
    plugin.setErrorHandler((error) => {
      throw errnoOf(error) === "ECONNRESET" ? brokenReply() : error;
    });
    plugin.route<{ Params: { app: AppId; "*": string } }>({
      ...route,
      url: "/api/apps/:app/functions/*",
      handler: async (request, reply) =>
        await call(calls, request, reply, await namedTarget(context, request, request.params)),
    });
    plugin.route<{ Params: { "*": string } }>({
      ...route,
      url: "/api/functions/*",
      handler: async (request, reply) =>
        await call(calls, request, reply, await matchedTarget(context, request, reply, request.params["*"])),
    });
    done();
  });
}

/** The function's stream failed before its first byte. Later, the reply breaks off instead. */
const brokenReply = (): CodedError =>
  new CodedError("function_error", { message: "The function's response broke off. Its log may say why." });

async function call(
  { context, budget }: Calls,
  request: FastifyRequest,
  reply: FastifyReply,
  target: CallTarget,
): Promise<FastifyReply> {
  const { functionRunner, functions, config } = context;
  const { app, function_name } = target;
  if (functionRunner === null) throw new CodedError("functions_not_served");
  if (request.headers.upgrade?.toLowerCase() === "websocket") throw new CodedError("function_upgrade_refused");
  const live = await functions.live(app.id, function_name);
  const { function_body_bytes, function_window_bytes } = config.limits;
  const length = lengthOf(request);
  if (length > function_body_bytes && length !== Infinity) throw tooLarge(function_body_bytes);
  const release = budget.reserve(app.id, function_window_bytes + Math.min(length, function_window_bytes));
  if (reply.raw.destroyed) {
    release();
    throw new CodedError("bad_request");
  }
  const caller = new AbortController();
  reply.raw.once("close", () => {
    release();
    if (!reply.raw.writableFinished) caller.abort();
  });
  const response = await functionRunner.invoke({
    request_id: request.id,
    function: live,
    method: request.method,
    ...addressOf(context, request, target),
    headers: request.raw.headers,
    body: length === 0 ? null : () => opened(request, reply),
    user_authorization: await userBearerOf(context, request, app.id),
    signal: caller.signal,
  });
  return await reply.code(response.status).headers(withVary(response.headers, reply)).send(response.body);
}

function withVary(headers: Readonly<Record<string, string>>, reply: FastifyReply): Record<string, string> {
  const vary = [reply.getHeader("vary"), headers["vary"]].filter((value) => value !== undefined).join(", ");
  return vary === "" ? headers : { ...headers, vary };
}

/** Returns the body's length, or Infinity if the caller does not declare it. */
function lengthOf({ method, headers }: FastifyRequest): number {
  if (BODILESS.has(method)) return 0;
  return headers["transfer-encoding"] === undefined ? Number(headers["content-length"] ?? 0) : Infinity;
}

function opened(request: FastifyRequest, reply: FastifyReply): FastifyRequest["raw"] {
  sendContinue(request, reply);
  return request.raw;
}
