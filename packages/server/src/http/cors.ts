/**
 * Cross-origin calls (Fetch standard, CORS protocol) of the addresses that the SDK calls from browsers: any origin may, and
 * no browser sends a cookie along, since nothing here allows credentials. Only for routes that no session opens; every other
 * route says nothing of origins, so that browsers keep other sites' scripts from its answers.
 */
import type { HttpServer } from "./fastify.ts";

const ALLOWED = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "X-Request-ID, Retry-After",
} as const;

/** What the public SDK sends beyond the headers that need no permission. */
const PREFLIGHT = {
  ...ALLOWED,
  "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
  "access-control-allow-headers":
    "Authorization, Content-Type, X-App-Id, X-Origin-URL, X-Base44-Anonymous-Id, Base44-Functions-Version, on-behalf-of, X-Data-Env, Base44-State",
  "access-control-max-age": "7200",
} as const;

/** Opens the routes of `scope`, an encapsulated part of the server, that are added after this call. */
export function openToOrigins(scope: HttpServer): void {
  scope.addHook("onRequest", (request, reply, done) => {
    const is_preflight = request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
    if (is_preflight) return void reply.code(204).headers(PREFLIGHT).send();
    void reply.headers(ALLOWED);
    done();
  });
  const seen = new Set<string>();
  scope.addHook("onRoute", ({ url, method }) => {
    // A route for every method, such as a function's, has OPTIONS of its own; the hook above answers preflights there, too.
    if ([method].flat().includes("OPTIONS")) seen.add(url);
    if (seen.has(url)) return;
    seen.add(url);
    scope.options(url, (_request, reply) => reply.code(204).send());
  });
}
