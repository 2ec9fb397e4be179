/**
 * Cross-origin calls (Fetch standard, CORS protocol) of the routes that the SDK calls from
 * browsers. Any origin is allowed. Browsers send no cookies, because these responses do not allow
 * credentials. Only for routes that accept no session. All other routes send no CORS headers, so
 * browsers keep their replies from scripts of other sites.
 */
import type { HttpServer } from "./fastify.ts";

const ALLOWED = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "X-Request-ID, Retry-After",
} as const;

/**
 * A function chooses the headers of its requests and replies. `*` stands for all but Authorization,
 * which has to be named.
 */
const ALLOWED_CALL = { ...ALLOWED, "access-control-expose-headers": "*" } as const;

/** The headers list what the public SDK sends beyond the safelisted ones. */
const PREFLIGHT = {
  ...ALLOWED,
  "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
  "access-control-allow-headers":
    "Authorization, Content-Type, X-App-Id, X-Origin-URL, X-Base44-Anonymous-Id, Base44-Functions-Version, on-behalf-of, X-Data-Env, Base44-State",
  "access-control-max-age": "7200",
} as const;

const PREFLIGHT_CALL = {
  ...PREFLIGHT,
  "access-control-allow-methods": `${PREFLIGHT["access-control-allow-methods"]}, QUERY`,
  "access-control-allow-headers": `${PREFLIGHT["access-control-allow-headers"]}, *`,
} as const;

/**
 * Allows any origin on the routes of `scope`, an encapsulated part of the server, added after
 * this call.
 */
export function openToOrigins(scope: HttpServer): void {
  scope.addHook("onRequest", (request, reply, done) => {
    const is_preflight = request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
    const is_call = request.routeOptions.config.calls_function === true;
    // The server also replies on behalf of functions, without starting a process.
    if (is_preflight)
      return void reply
        .code(204)
        .headers(is_call ? PREFLIGHT_CALL : PREFLIGHT)
        .send();
    void reply.headers(is_call ? ALLOWED_CALL : ALLOWED);
    done();
  });
  const with_options = new Set<string>();
  scope.addHook("onRoute", ({ url, method }) => {
    // A route for all methods, such as a function's, has its own OPTIONS. The hook above handles
    // its preflights.
    if ([method].flat().includes("OPTIONS")) with_options.add(url);
    if (with_options.has(url)) return;
    with_options.add(url);
    scope.options(url, (_request, reply) => reply.code(204).send());
  });
}
