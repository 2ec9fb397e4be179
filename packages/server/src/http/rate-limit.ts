/**
 * Limits of requests, counted in this process: of one API key or session, else of one address. Each route is in one class.
 * Reads of tokens and calls of functions are free unless the operator sets a limit: what an app's users do must not be
 * held up. Refused credentials are counted by address, and never stop whoever sends a good one.
 *
 * Errors: ApiError `rate_limited` with the time left.
 */
import rateLimit from "@fastify/rate-limit";
import type { FastifyRequest } from "fastify";
import { LRUCache } from "lru-cache";
import type { Limits } from "../core/limits.ts";
import type { Clock } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { sha256Hex } from "../core/secret.ts";
import type { HttpServer } from "./fastify.ts";
import { clientNetwork } from "./client-address.ts";
import type { HttpContext } from "./context.ts";
import { readCookie } from "./cookies.ts";

const WINDOW_MS = 60_000;

type LimitName = Extract<keyof Limits, `${string}_per_minute`>;

const AUTH = "/api/apps/:app/external-auth";

/** Routes with a limit of their own. */
export const ROUTE_LIMITS: Readonly<Record<string, LimitName>> = {
  [`GET ${AUTH}/tokens/:integration_type`]: "token_reads_per_minute",
  [`GET ${AUTH}/list`]: "lists_per_minute",
  [`GET ${AUTH}/status`]: "status_polls_per_minute",
  [`DELETE ${AUTH}/integrations/:integration_type`]: "disconnects_per_minute",
  [`DELETE ${AUTH}/integrations/:integration_type/remove`]: "disconnects_per_minute",
  "POST /oauth/device/code": "oauth_requests_per_minute",
  "POST /oauth/token": "oauth_requests_per_minute",
  "POST /oauth/revoke": "oauth_requests_per_minute",
};

/** What apps and their users call, what watches over the server, and what pages are made of. */
const FREE =
  /^\/(?:api\/apps\/:app\/(?:functions|app-user-auth|connectors|entities|analytics|external-auth\/tokens)\/|api\/functions\/|healthz|readyz|metrics|assets\/)/;

function limitOf(method: string, url: string): LimitName | null {
  const named = ROUTE_LIMITS[`${method === "HEAD" ? "GET" : method} ${url}`];
  if (named !== undefined) return named;
  return FREE.test(url) ? null : "requests_per_minute";
}

/** What anybody may open, signed in or not: whatever a request shows here, it is nobody's but its address's. */
const ENTRANCES = /^\/(?:oauth|sign-in|setup|invitations)(?:\/|$)/;

/**
 * A caller is who shows this credential. Nothing is known of it yet, so it counts only where a wrong one is refused, and
 * each refusal is counted by address: else a new made-up credential with each request would be a way past every limit.
 */
function callerOf(context: HttpContext, request: FastifyRequest): string {
  const { url } = request.routeOptions;
  const credential = url === undefined || ENTRANCES.test(url) ? null : credentialOf(context, request, url);
  return credential === null ? clientNetwork(request) : sha256Hex(credential);
}

/** Headers mean something on the API only. */
function credentialOf(context: HttpContext, request: FastifyRequest, url: string): string | null {
  const { api_key, authorization } = request.headers;
  const session = readCookie(request, context.config, "session")?.expose() ?? null;
  if (!url.startsWith("/api/")) return session;
  return typeof api_key === "string" ? api_key : (authorization ?? session);
}

/**
 * Sets up the limits for all routes that come after.
 *
 * @returns what to answer in place of an error: `rate_limited` to an address whose credentials were refused too often
 */
export async function limitRequests(
  app: HttpServer,
  context: HttpContext,
): Promise<(error: ApiError, request: FastifyRequest) => Promise<ApiError>> {
  const { clock, config } = context;
  const { limits } = config;
  await app.register(rateLimit, { global: false, store: storeOver(clock, limits.rate_limit_entries) });
  const limiter = (name: LimitName, keyGenerator: (request: FastifyRequest) => string) =>
    limits[name] === 0 ? null : app.createRateLimit({ max: limits[name], timeWindow: WINDOW_MS, keyGenerator });
  const byCaller = (request: FastifyRequest): string => callerOf(context, request);
  const limiters: Partial<Record<LimitName, ReturnType<typeof limiter>>> = {
    token_reads_per_minute: limiter("token_reads_per_minute", byCaller),
    lists_per_minute: limiter("lists_per_minute", byCaller),
    status_polls_per_minute: limiter("status_polls_per_minute", byCaller),
    disconnects_per_minute: limiter("disconnects_per_minute", byCaller),
    requests_per_minute: limiter("requests_per_minute", byCaller),
    oauth_requests_per_minute: limiter("oauth_requests_per_minute", clientNetwork),
  };
  const refused = limiter("failed_authentications_per_minute", clientNetwork);

  async function excess(check: ReturnType<typeof limiter>, request: FastifyRequest): Promise<ApiError | null> {
    const outcome = await check?.(request);
    if (outcome === undefined || outcome.isAllowed || !outcome.isExceeded) return null;
    return new ApiError("rate_limited", { retry_after_s: Math.max(1, outcome.ttlInSeconds) });
  }

  app.addHook("onRequest", async (request) => {
    const { url } = request.routeOptions;
    const name = url === undefined ? "requests_per_minute" : limitOf(request.method, url);
    const check = name === null ? null : (limiters[name] ?? null);
    const error = check === null ? null : await excess(check, request);
    if (error !== null) throw error;
  });

  return async (error, request) => {
    // Nobody guesses who shows nothing.
    const { url } = request.routeOptions;
    if (error.status !== 401 || url === undefined || credentialOf(context, request, url) === null) return error;
    return (await excess(refused, request)) ?? error;
  };
}

/** The library's own store keeps time by the system's clock. */
function storeOver(clock: Clock, entries: number) {
  return class MemoryStore {
    readonly #windows = new LRUCache<string, { count: number; ends_at: number }>({ max: entries });

    incr(
      key: string,
      callback: (error: Error | null, result?: { current: number; ttl: number }) => void,
      window_ms: number,
    ): void {
      const now = clock.monotonic_ms();
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
