/** The methods that each path allows, to tell 404 from 405 (RFC 9110 §15.5.6). */
import type { HttpServer } from "./fastify.ts";

interface Route {
  readonly url: string;
  readonly pattern: RegExp;
  readonly methods: readonly string[];
}

const collected = new WeakMap<HttpServer, readonly Route[]>();

/** Collects the routes added after this call. Returns a function from a path to its methods. */
export function collectRoutes(server: HttpServer): (path: string) => readonly string[] {
  const routes: Route[] = [];
  collected.set(server, routes);
  server.addHook("onRoute", ({ url, method }) => {
    const pattern = url
      .replaceAll(/[.$()+?^]/g, "\\$&")
      .replaceAll(/:[A-Za-z_]+/g, "[^/]+")
      .replaceAll("*", ".*");
    routes.push({ url, pattern: new RegExp(`^${pattern}$`), methods: [method].flat() });
  });
  return (path) =>
    [...new Set(routes.filter((route) => route.pattern.test(path)).flatMap((route) => route.methods))].toSorted();
}

/** Returns all routes as `METHOD /pattern`, without HEAD and OPTIONS, which accompany others. */
export function routesOf(server: HttpServer): readonly string[] {
  const routes = collected.get(server) ?? [];
  const named = routes.flatMap(({ url, methods }) => methods.map((method) => `${method} ${url}`));
  return [...new Set(named)].filter((name) => !/^(?:HEAD|OPTIONS) /.test(name)).toSorted();
}
