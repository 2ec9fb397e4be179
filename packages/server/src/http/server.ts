/**
 * The HTTP server: limits before parsing, one way of parsing, one way of failing, routes by noun. Only http/ knows Fastify.
 */
import cookie from "@fastify/cookie";
import formbody from "@fastify/formbody";
import { fastify, type FastifyError, type FastifyRequest } from "fastify";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { ApiError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import type { HttpServer } from "./fastify.ts";
import { clientAddress, trustProxy } from "./client-address.ts";
import type { HttpContext } from "./context.ts";
import { openToOrigins } from "./cors.ts";
import { handleErrors, sendError, toApiError } from "./errors.ts";
import { parseJsonBodies } from "./json-body.ts";
import { collectRoutes } from "./route-table.ts";
import { limitRequests } from "./rate-limit.ts";
import { accountPages } from "./pages/account.ts";
import { assetRoutes } from "./pages/assets.ts";
import { auditRoutes } from "./api/audit.ts";
import { callbackRoutes } from "./pages/callback.ts";
import { connectPages } from "./pages/connect.ts";
import { connectorRoutes } from "./api/connectors.ts";
import { devicePages } from "./pages/device.ts";
import { functionRoutes } from "./api/functions.ts";
import { governanceRoutes } from "./api/governance.ts";
import { healthRoutes } from "./api/health.ts";
import { managementRoutes } from "./api/management.ts";
import { oauthRoutes } from "./api/oauth.ts";
import { platformRoutes } from "./api/platform.ts";
import { sdkCallRoutes } from "./api/sdk-calls.ts";
import { signInPages } from "./pages/sign-in.ts";
import { tokenRoutes } from "./api/tokens.ts";
import { workspacePages } from "./pages/workspace.ts";
import { workspaceRoutes } from "./api/workspaces.ts";

const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;
/** Longest path parameter that routing looks at; names that are too long get their own error further on. */
const MAX_PARAM_LENGTH = 512;

const NO_TUNNEL =
  "HTTP/1.1 405 Method Not Allowed\r\nallow: GET, POST\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

export async function createHttpServer(context: HttpContext): Promise<HttpServer> {
  const { config, log } = context;
  const { limits } = config;
  const isTooLong = ({ raw }: FastifyRequest): boolean => (raw.url ?? "").length > limits.url_bytes;
  const app: HttpServer = fastify({
    logger: false,
    bodyLimit: limits.body_bytes,
    requestTimeout: limits.request_timeout_ms,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    trustProxy: trustProxy(config),
    http: { maxHeaderSize: limits.headers_bytes, headersTimeout: limits.headers_timeout_ms },
    genReqId: (request) => {
      const given = request.headers["x-request-id"];
      return typeof given === "string" && REQUEST_ID.test(given) ? given : newId("req");
    },
    // Errors of the router come before any hook.
    frameworkErrors: (error, request, reply) => {
      const refused = isTooLong(request) ? new ApiError("url_too_long") : error;
      void handleErrors(config, log)(refused, request, reply.header("x-request-id", request.id));
    },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: true } },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.maxConnections = limits.connections;
  // Never becomes a request: without a listener the connection would end without a word.
  app.server.on("connect", (_request, socket) => socket.end(NO_TUNNEL));

  const methodsOf = collectRoutes(app);
  await app.register(cookie);
  parseJsonBodies(app);

  app.addHook("onRequest", (request, reply, done) => {
    void reply.header("x-request-id", request.id);
    done(isTooLong(request) ? new ApiError("url_too_long") : undefined);
  });
  // A connection that is kept alive after the last answer would hold up the shutdown until its client lets go.
  let closing = false;
  app.addHook("preClose", (done) => {
    closing = true;
    done();
  });
  app.addHook("onSend", (_request, reply, payload, done) => {
    if (closing) void reply.header("connection", "close");
    done(null, payload);
  });
  app.addHook("onResponse", (request, reply, done) => {
    // The pattern, not the address: addresses carry state, codes and links.
    log.debug("request", {
      request_id: request.id,
      method: request.method,
      route: request.routeOptions.url ?? "",
      status: reply.statusCode,
      duration_ms: Math.round(reply.elapsedTime),
    });
    done();
  });
  const limited = await limitRequests(app, context);
  // After the body was read: what its stream calls back knows nothing of the request.
  app.addHook("preHandler", (request, _reply, done) =>
    context.audit.from({ address: clientAddress(request), request_id: request.id }, done),
  );
  const fail = handleErrors(config, log);
  app.setErrorHandler(async (thrown: FastifyError | Error, request, reply) =>
    fail(await limited(toApiError(thrown), request), request, reply),
  );
  app.setNotFoundHandler((request, reply) => {
    const allowed = methodsOf((request.raw.url ?? "").split("?", 1)[0] ?? "");
    const error =
      allowed.length === 0
        ? new ApiError("route_not_found")
        : new ApiError("method_not_allowed", { headers: { allow: allowed.join(", ") } });
    return sendError(request, reply, config, error);
  });

  healthRoutes(app, context);
  // What the SDK calls, also from browsers and other origins. No session opens any of these.
  await app.register(async (sdk: HttpServer) => {
    openToOrigins(sdk);
    tokenRoutes(sdk, context);
    sdkCallRoutes(sdk);
    functionRoutes(sdk, context);
  });
  connectorRoutes(app, context);
  governanceRoutes(app, context);
  platformRoutes(app, context);
  managementRoutes(app, context);
  workspaceRoutes(app, context);
  callbackRoutes(app, context);
  await app.register(async (pages: HttpServer) => {
    // Forms are for pages. On the API a form's body is an unsupported media type, whatever site it comes from.
    await pages.register(formbody, { bodyLimit: limits.body_bytes });
    connectPages(pages, context);
    accountPages(pages, context);
    signInPages(pages, context);
    devicePages(pages, context);
    workspacePages(pages, context);
  });
  await oauthRoutes(app, context);
  auditRoutes(app, context);
  assetRoutes(app);
  return app;
}
