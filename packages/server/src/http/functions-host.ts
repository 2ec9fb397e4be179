/**
 * The functions' own origins (HOLDFAST_FUNCTIONS_URL). Owns the mapping from a request's host, and
 * the routes on these origins: calls of functions, and nothing else.
 */
import type { FastifyRequest } from "fastify";
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import { functionsHost, type FunctionsHost } from "../core/functions/functions-url.ts";
import { bridgeOf } from "./bridge.ts";
import type { HttpServer } from "./fastify.ts";

/** A host name or address with an optional port (RFC 9112 §3.2). Never a user name. */
const AUTHORITY = /^(?<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]{2,45}\])(?::\d{0,5})?$/i;
const ABSOLUTE_FORM = /^https?:\/\/(?<authority>[^/?#]*)/i;

/** Returns the functions' host that a request names. Null: it names the API, or no host. */
export function functionsHostOf(config: Config, request: FastifyRequest): FunctionsHost | null {
  if (config.functions_url === null || bridgeOf(request) !== null) return null;
  const authority = authorityOf(request);
  if (authority === "") return null;
  const { host = "" } = AUTHORITY.exec(authority)?.groups ?? {};
  // A browser never sends a malformed host. Do not guess its meaning.
  return host === "" ? { kind: "unknown" } : functionsHost(config.functions_url, host.toLowerCase().replace(/\.$/, ""));
}

/** Returns the host and port of a request, or "". Those from a trusted proxy take precedence. */
function authorityOf({ raw, host }: FastifyRequest): string {
  const sent = raw.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host");
  if (sent.length > 1) return "?";
  if (host !== (raw.headers.host ?? "")) return host;
  // The target's authority replaces the Host header (RFC 9112 §3.2.2).
  return ABSOLUTE_FORM.exec(raw.url ?? "")?.groups?.["authority"] ?? host;
}

/**
 * Hides all routes without `config: { calls_function: true }` on the functions' hosts. A host that
 * is no app's has no route: the functions of all apps would share its origin.
 */
export function separateFunctions(server: HttpServer, config: Config): void {
  if (config.functions_url === null) return;
  server.addHook("onRequest", (request, _reply, done) => {
    const host = functionsHostOf(config, request);
    const calls_function = request.routeOptions.config.calls_function === true;
    const is_hidden = host !== null && (host.kind === "unknown" || !calls_function);
    done(is_hidden ? new CodedError("route_not_found") : undefined);
  });
}
