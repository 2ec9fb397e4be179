/**
 * The HTTP server: limits that apply before parsing, one parser, one error format, and routes by
 * subject. Owns Fastify, which no other room imports. http/api/ has the JSON routes and http/pages/
 * the pages.
 *
 * Must not know the store, the vault or a provider's protocol. A route authenticates the caller,
 * calls a service and formats its result, so no route can skip a check that a service makes.
 */
import cookie from "@fastify/cookie";
import formbody from "@fastify/formbody";
import { fastify, type FastifyError, type FastifyReply, type FastifyRequest } from "fastify";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import { buildSerializer, buildValidator, type HttpServer } from "./fastify.ts";
import { separateFunctions } from "./functions-host.ts";
import { restrictBridges } from "./bridge.ts";
import { clientAddress, trustProxy } from "./client-address.ts";
import type { HttpContext } from "./context.ts";
import { deferContinue } from "./expect.ts";
import { openToOrigins } from "./cors.ts";
import { handleErrors, sendError, toCodedError } from "./errors.ts";
import { parseJsonBodies } from "./json-body.ts";
import { createBodyBudget } from "./body-budget.ts";
import { createMalformed, type Malformed } from "./malformed.ts";
import { collectRoutes } from "./route-table.ts";
import { limitRequests } from "./rate-limit.ts";
import { discardUnreadBodies } from "./unread-body.ts";
import { accountPages } from "./pages/account.ts";
import { assetRoutes } from "./pages/assets.ts";
import { appUserRoutes, signedInUserRoute } from "./api/app-users.ts";
import { auditRoutes } from "./api/audit.ts";
import { backendFunctionRoutes } from "./api/backend-functions.ts";
import { callbackRoutes } from "./pages/callback.ts";
import { connectPages } from "./pages/connect.ts";
import { connectorRoutes } from "./api/connectors.ts";
import { devicePages } from "./pages/device.ts";
import { functionLogRoutes } from "./api/function-logs.ts";
import { functionRoutes } from "./api/functions.ts";
import { governanceRoutes } from "./api/governance.ts";
import { healthRoutes } from "./api/health.ts";
import { managementRoutes } from "./api/management.ts";
import { oauthRoutes } from "./api/oauth.ts";
import { platformRoutes } from "./api/platform.ts";
import { secretRoutes } from "./api/secrets.ts";
import { sdkCallRoutes } from "./api/sdk-calls.ts";
import { signInPages } from "./pages/sign-in.ts";
import { tokenRoutes } from "./api/tokens.ts";
import { workspacePages } from "./pages/workspace.ts";
import { workspaceRoutes } from "./api/workspaces.ts";

const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;
/**
 * Longest path parameter that the router accepts. The routes themselves report names that are too
 * long.
 */
const MAX_PARAM_LENGTH = 512;

export async function createHttpServer(context: HttpContext): Promise<HttpServer> {
  const malformed = createMalformed(context);
  const server = newServer(context, malformed);
  const methodsOf = collectRoutes(server);
  addResponseHooks(server, context);
  malformed.attach(server);
  deferContinue(server);
  discardUnreadBodies(server, context);
  restrictBridges(server);
  separateFunctions(server, context.config);
  await server.register(cookie);
  parseJsonBodies(server);
  const limitRefusals = await limitRequests(server, context);
  // After the body is read: callbacks of its stream lose the audit's async context.
  server.addHook("preHandler", (request, _reply, done) =>
    context.audit.from({ address: clientAddress(request), request_id: request.id }, done),
  );
  const fail = handleErrors(context.config, context.log);
  server.setErrorHandler(
    async (thrown: FastifyError | Error, request, reply) =>
      await fail(await limitRefusals(toCodedError(thrown, request), request), request, reply),
  );
  server.setNotFoundHandler((request, reply) => sendNotFound(context.config, request, reply, methodsOf));
  await registerRoutes(server, context);
  return server;
}

function newServer({ config, log }: HttpContext, { clientErrorHandler }: Malformed): HttpServer {
  const { limits } = config;
  const server: HttpServer = fastify({
    logger: false,
    bodyLimit: limits.body_bytes,
    requestTimeout: limits.request_timeout_ms,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    trustProxy: trustProxy(config),
    http: {
      maxHeaderSize: limits.headers_bytes,
      headersTimeout: limits.headers_timeout_ms,
      // How often Node looks for late requests. The default, 30 s, is long after the limit.
      connectionsCheckingInterval: Math.ceil(limits.headers_timeout_ms / 4),
      // malformed.ts checks it, and replies with a coded error.
      requireHostHeader: false,
    },
    genReqId: (request) => {
      const sent = request.headers["x-request-id"];
      return typeof sent === "string" && REQUEST_ID.test(sent) ? sent : newId("req");
    },
    // A request that arrives during shutdown gets its reply, not a 503 without a code.
    return503OnClosing: false,
    clientErrorHandler,
    // Errors of the router happen before any hook.
    frameworkErrors: (error, request, reply) => {
      const refusal = isUrlTooLong(config, request) ? new CodedError("url_too_long") : error;
      void handleErrors(config, log)(refusal, request, reply.header("x-request-id", request.id));
    },
    schemaController: { compilersFactory: { buildValidator, buildSerializer } },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: true } },
  }).withTypeProvider<TypeBoxTypeProvider>();
  server.server.maxConnections = limits.connections;
  return server;
}

function isUrlTooLong({ limits }: Config, { raw }: Pick<FastifyRequest, "raw">): boolean {
  return (raw.url ?? "").length > limits.url_bytes;
}

/** Gives every response its request id, closes its connection at shutdown, and logs it. */
function addResponseHooks(server: HttpServer, { config, log }: HttpContext): void {
  server.addHook("onRequest", (request, reply, done) => {
    void reply.header("x-request-id", request.id);
    done(isUrlTooLong(config, request) ? new CodedError("url_too_long") : undefined);
  });
  // A connection kept alive after the last response would delay the shutdown until its client
  // closes it. A response that has begun already said that it stays open.
  let is_closing = false;
  server.addHook("preClose", (done) => {
    is_closing = true;
    done();
  });
  server.addHook("onSend", (_request, reply, payload, done) => {
    if (is_closing) void reply.header("connection", "close");
    done(null, payload);
  });
  server.addHook("onResponse", (request, reply, done) => {
    if (is_closing) server.server.closeIdleConnections();
    // Log the pattern, not the address: addresses contain state, codes and links.
    log.debug("request", {
      request_id: request.id,
      method: request.method,
      route: request.routeOptions.url ?? "",
      status: reply.statusCode,
      duration_ms: Math.round(reply.elapsedTime),
    });
    done();
  });
}

/** Sends 405 with the methods that the path allows, or 404 when it allows none. */
function sendNotFound(
  config: Config,
  request: FastifyRequest,
  reply: FastifyReply,
  methodsOf: (path: string) => readonly string[],
): FastifyReply {
  const allowed = methodsOf((request.raw.url ?? "").split("?", 1)[0] ?? "");
  const error =
    allowed.length === 0
      ? new CodedError("route_not_found")
      : new CodedError("method_not_allowed", { headers: { allow: allowed.join(", ") } });
  return sendError(request, reply, config, error);
}

async function registerRoutes(server: HttpServer, context: HttpContext): Promise<void> {
  healthRoutes(server, context);
  // The SDK also calls these from browsers, on other origins. None of them accepts a session.
  await server.register(async (sdk: HttpServer) => {
    openToOrigins(sdk);
    tokenRoutes(sdk, context);
    sdkCallRoutes(sdk);
    signedInUserRoute(sdk, context);
    functionRoutes(sdk, context);
  });
  connectorRoutes(server, context);
  governanceRoutes(server, context);
  platformRoutes(server, context);
  const budget = createBodyBudget(context.config);
  backendFunctionRoutes(server, context, budget);
  secretRoutes(server, context, budget);
  managementRoutes(server, context);
  functionLogRoutes(server, context);
  appUserRoutes(server, context);
  workspaceRoutes(server, context);
  callbackRoutes(server, context);
  await server.register(async (pages: HttpServer) => {
    // Only pages accept forms. To the API a form's body is an unsupported media type, from any
    // site.
    await pages.register(formbody, { bodyLimit: context.config.limits.body_bytes });
    connectPages(pages, context);
    accountPages(pages, context);
    signInPages(pages, context);
    devicePages(pages, context);
    workspacePages(pages, context);
  });
  await oauthRoutes(server, context);
  auditRoutes(server, context);
  assetRoutes(server);
}
