/**
 * The HTTP server: limits before parsing, one way of parsing, one way of failing, routes by noun. Only http/ knows Fastify.
 */
import cookie from "@fastify/cookie";
import formbody from "@fastify/formbody";
import { fastify } from "fastify";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { ApiError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import type { App } from "./app.ts";
import type { HttpContext } from "./context.ts";
import { handleErrors, sendError } from "./errors.ts";
import { collectRoutes } from "./methods.ts";
import { STYLE, STYLE_PATH } from "./page.ts";
import { accountPages } from "./routes/account-pages.ts";
import { callbackRoutes } from "./routes/callback.ts";
import { connectPages } from "./routes/connect-pages.ts";
import { connectorRoutes } from "./routes/connectors.ts";
import { functionRoutes } from "./routes/functions.ts";
import { healthRoutes } from "./routes/health.ts";
import { managementRoutes } from "./routes/management.ts";
import { tokenRoutes } from "./routes/tokens.ts";

const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;
/** Longest path parameter that routing looks at; names that are too long get their own error further on. */
const MAX_PARAM_LENGTH = 512;

export async function createHttpServer(context: HttpContext): Promise<App> {
  const { config, log } = context;
  const { limits } = config;
  const app: App = fastify({
    logger: false,
    bodyLimit: limits.body_bytes,
    requestTimeout: limits.request_timeout_ms,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    http: { maxHeaderSize: limits.headers_bytes, headersTimeout: limits.headers_timeout_ms },
    genReqId: (request) => {
      const given = request.headers["x-request-id"];
      return typeof given === "string" && REQUEST_ID.test(given) ? given : newId("req");
    },
    frameworkErrors: (error, request, reply) => void handleErrors(config, log)(error, request, reply),
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: true } },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.maxConnections = limits.connections;

  const methodsOf = collectRoutes(app);
  await app.register(cookie);
  await app.register(formbody, { bodyLimit: limits.body_bytes });
  parseJson(app);

  app.addHook("onRequest", (request, reply, done) => {
    void reply.header("x-request-id", request.id);
    done((request.raw.url ?? "").length > limits.url_bytes ? new ApiError("url_too_long") : undefined);
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
  app.setErrorHandler(handleErrors(config, log));
  app.setNotFoundHandler((request, reply) => {
    const allowed = methodsOf((request.raw.url ?? "").split("?", 1)[0] ?? "");
    const error =
      allowed.length === 0
        ? new ApiError("route_not_found")
        : new ApiError("method_not_allowed", { headers: { allow: allowed.join(", ") } });
    return sendError(request, reply, config, error);
  });

  healthRoutes(app, context);
  tokenRoutes(app, context);
  connectorRoutes(app, context);
  managementRoutes(app, context);
  callbackRoutes(app, context);
  connectPages(app, context);
  accountPages(app, context);
  functionRoutes(app, context);
  app.get(STYLE_PATH, (_request, reply) =>
    reply.type("text/css; charset=utf-8").header("cache-control", "max-age=3600").send(STYLE),
  );
  return app;
}

/** JSON, but an empty body is none: the public clients announce JSON on requests that have no body. */
function parseJson(app: App): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body: Buffer, done) => {
    if (body.length === 0) {
      done(null, undefined);
      return;
    }
    const text = decode(body);
    if (text === null) {
      done(new ApiError("invalid_json", { message: "The body is not valid UTF-8." }), undefined);
      return;
    }
    void parse(request, text, done);
  });
}

function decode(body: Buffer): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return null;
  }
}
