/**
 * Limits of requests, counted in this process: per API key or session, otherwise per address.
 * Each route has one limit. Token reads and function calls are unlimited unless the operator sets
 * a limit, because the app's users depend on them. Refused credentials count per address, and
 * never stop a caller with a valid one.
 *
 * Errors: CodedError `rate_limited` with the time left.
 */
import rateLimit from "@fastify/rate-limit";
import type { FastifyRequest } from "fastify";
import { LRUCache } from "lru-cache";
import type { Limits } from "../core/limits.ts";
import type { Clock } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import { sha256Hex } from "../core/secret.ts";
import type { HttpServer } from "./fastify.ts";
import { bridgeOf } from "./bridge.ts";
import { clientNetwork } from "./client-address.ts";
import type { HttpContext } from "./context.ts";
import { readCookie } from "./cookies.ts";

const WINDOW_MS = 60_000;

type LimitName = Extract<keyof Limits, `${string}_per_minute`>;

const LIMIT_NAMES: readonly LimitName[] = [
  "token_reads_per_minute",
  "lists_per_minute",
  "status_polls_per_minute",
  "disconnects_per_minute",
  "requests_per_minute",
  "oauth_requests_per_minute",
  "failed_authentications_per_minute",
];
/** Counted by address even when the request has a credential. */
const BY_ADDRESS: ReadonlySet<LimitName> = new Set(["oauth_requests_per_minute", "failed_authentications_per_minute"]);

const AUTH = "/api/apps/:app/external-auth";

/** Routes with a limit of their own. */
export const ROUTE_LIMITS: Readonly<Record<string, LimitName>> = {
  [`GET ${AUTH}/tokens/:integration_type`]: "token_reads_per_minute",
  [`GET ${AUTH}/list`]: "lists_per_minute",
  [`GET ${AUTH}/status`]: "status_polls_per_minute",
  [`DELETE ${AUTH}/integrations/:integration_type`]: "disconnects_per_minute",
  [`DELETE ${AUTH}/integrations/:integration_type/remove`]: "disconnects_per_minute",
  "GET /api/apps/:app/backend-functions": "lists_per_minute",
  "POST /oauth/device/code": "oauth_requests_per_minute",
  "POST /oauth/token": "oauth_requests_per_minute",
  "POST /oauth/revoke": "oauth_requests_per_minute",
};

/**
 * Without a limit: routes that apps and their users call, health checks, and the files of pages.
 */
const UNLIMITED =
  /^\/(?:api\/apps\/:app\/(?:functions|app-user-auth|connectors|entities|analytics|external-auth\/tokens)\/|api\/functions\/|healthz|readyz|metrics|assets\/)/;

function limitOf(method: string, url: string): LimitName | null {
  const named = ROUTE_LIMITS[`${method === "HEAD" ? "GET" : method} ${url}`];
  if (named !== undefined) return named;
  return UNLIMITED.test(url) ? null : "requests_per_minute";
}

/** Open without signing in. A credential does not matter here, so requests count by address. */
const PUBLIC_ROUTES = /^\/(?:oauth|sign-in|setup|invitations)(?:\/|$)/;

/**
 * Returns the key that requests are counted by: the hash of the credential, otherwise the
 * address. The credential is not verified yet. It counts only where the route refuses a wrong
 * one, and each refusal counts by address. Otherwise a new invented credential per request would
 * evade every limit.
 */
function callerOf(context: HttpContext, request: FastifyRequest): string {
  const { url } = request.routeOptions;
  // Every invocation of a function has a token of its own, so functions count by their app.
  const by_address = url === undefined || PUBLIC_ROUTES.test(url) || bridgeOf(request) !== null;
  const credential = by_address ? null : credentialOf(context, request, url);
  return credential === null ? clientNetwork(request) : sha256Hex(credential);
}

/** Returns the credential of a request. Only the API reads headers, and pages have the session. */
function credentialOf(context: HttpContext, request: FastifyRequest, url: string): string | null {
  const { api_key, authorization } = request.headers;
  const session = readCookie(request, context.config, "session")?.expose() ?? null;
  if (!url.startsWith("/api/")) return session;
  return typeof api_key === "string" ? api_key : (authorization ?? session);
}

type Limiter = ReturnType<HttpServer["createRateLimit"]>;

/**
 * Limits all routes that are registered after this call.
 *
 * @returns a function that counts a refused credential. It returns the error to send: the given
 *   one, or `rate_limited` when this address has had too many refusals
 */
export async function limitRequests(
  server: HttpServer,
  context: HttpContext,
): Promise<(error: CodedError, request: FastifyRequest) => Promise<CodedError>> {
  const { clock, config } = context;
  await server.register(rateLimit, { global: false, store: storeOf(clock, config.limits.rate_limit_entries) });
  const limiters = limitersOf(server, context);

  server.addHook("onRequest", async (request) => {
    const { url } = request.routeOptions;
    const name = url === undefined ? "requests_per_minute" : limitOf(request.method, url);
    const error: CodedError | null = name === null ? null : await count(limiters[name], request);
    if (error !== null) throw error;
  });

  return async (error, request) => {
    const { url } = request.routeOptions;
    // A request without a credential guesses nothing.
    if (
      error.status !== 401 ||
      error.options.thrown !== undefined ||
      url === undefined ||
      credentialOf(context, request, url) === null
    )
      return error;
    return (await count(limiters.failed_authentications_per_minute, request)) ?? error;
  };
}

/** Returns the limiters that are on. A limit of 0 is off. */
function limitersOf(server: HttpServer, context: HttpContext): Partial<Record<LimitName, Limiter>> {
  const { limits } = context.config;
  const on = LIMIT_NAMES.filter((name) => limits[name] > 0);
  return Object.fromEntries(
    on.map((name) => {
      const keyGenerator = BY_ADDRESS.has(name)
        ? clientNetwork
        : (request: FastifyRequest): string => callerOf(context, request);
      return [name, server.createRateLimit({ max: limits[name], timeWindow: WINDOW_MS, keyGenerator })];
    }),
  );
}

/** Counts a request. Returns the error to throw when it exceeds the limit. */
async function count(limiter: Limiter | undefined, request: FastifyRequest): Promise<CodedError | null> {
  const outcome = await limiter?.(request);
  if (outcome === undefined || outcome.isAllowed || !outcome.isExceeded) return null;
  return new CodedError("rate_limited", { retry_after_s: Math.max(1, outcome.ttlInSeconds) });
}

/** Replaces the library's own store, which does not read our clock. */
function storeOf(clock: Clock, entries: number) {
  return class MemoryStore {
    // Opened by the first request. It allocates megabytes at once, and many limiters never count.
    #windows: LRUCache<string, { count: number; ends_at: number }> | null = null;

    incr(
      key: string,
      callback: (error: Error | null, result?: { current: number; ttl: number }) => void,
      window_ms: number,
    ): void {
      const now = clock.monotonic_ms();
      this.#windows ??= new LRUCache({ max: entries });
      let window = this.#windows.get(key);
      if (window === undefined || window.ends_at <= now) window = { count: 0, ends_at: now + window_ms };
      window.count += 1;
      this.#windows.set(key, window);
      callback(null, { current: window.count, ttl: window.ends_at - now });
    }

    child(): MemoryStore {
      return new MemoryStore();
    }
  };
}
