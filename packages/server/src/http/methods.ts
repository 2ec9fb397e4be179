/** Telling "no such address" from "not this method" (RFC 9110 §15.5.6): which methods a path would take. */
import type { App } from "./app.ts";

export function collectRoutes(app: App): (path: string) => readonly string[] {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  app.addHook("onRoute", ({ url, method }) => {
    const pattern = url
      .replaceAll(/[.$()+?^]/g, "\\$&")
      .replaceAll(/:[A-Za-z_]+/g, "[^/]+")
      .replaceAll("*", ".*");
    routes.push({ pattern: new RegExp(`^${pattern}$`), methods: [method].flat() });
  });
  return (path) =>
    [...new Set(routes.filter((route) => route.pattern.test(path)).flatMap((route) => route.methods))].toSorted();
}
