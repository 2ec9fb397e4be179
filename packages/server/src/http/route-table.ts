/** Telling "no such address" from "not this method" (RFC 9110 §15.5.6): which methods a path would take. */
import type { HttpServer } from "./fastify.ts";

interface Route {
  readonly url: string;
  readonly pattern: RegExp;
  readonly methods: readonly string[];
}

const collected = new WeakMap<HttpServer, readonly Route[]>();

export function collectRoutes(app: HttpServer): (path: string) => readonly string[] {
  const routes: Route[] = [];
  collected.set(app, routes);
  app.addHook("onRoute", ({ url, method }) => {
    const pattern = url
      .replaceAll(/[.$()+?^]/g, "\\$&")
      .replaceAll(/:[A-Za-z_]+/g, "[^/]+")
      .replaceAll("*", ".*");
    routes.push({ url, pattern: new RegExp(`^${pattern}$`), methods: [method].flat() });
  });
  return (path) =>
    [...new Set(routes.filter((route) => route.pattern.test(path)).flatMap((route) => route.methods))].toSorted();
}

/** All of them as `METHOD /pattern`. HEAD and OPTIONS, which come with others, are left out. */
export function routesOf(app: HttpServer): readonly string[] {
  const routes = collected.get(app) ?? [];
  const named = routes.flatMap(({ url, methods }) => methods.map((method) => `${method} ${url}`));
  return [...new Set(named)].filter((name) => !/^(?:HEAD|OPTIONS) /.test(name)).toSorted();
}
