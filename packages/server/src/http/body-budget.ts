/**
 * Limits the memory for large bodies of management routes: deployments, secrets and lists of
 * functions. Otherwise a builder of one app could fill the server's memory with slow requests.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Config } from "../config.ts";
import type { AppId } from "../core/types.ts";
import { createByteBudget, type ByteBudget } from "./byte-budget.ts";

export function createBodyBudget({ limits }: Pick<Config, "limits">): ByteBudget {
  return createByteBudget({
    bytes: limits.function_source_bytes_in_flight,
    bytes_per_app: limits.function_source_bytes_in_flight_per_app,
    what: "deployments, secrets or lists of functions",
  });
}

/**
 * Reserves the length of a request's body before a byte of it is read, until the reply ends.
 *
 * @throws CodedError `overloaded`
 */
export function reserveBody(
  budget: ByteBudget,
  { app_id, body_limit }: { readonly app_id: AppId; readonly body_limit: number },
  { headers }: FastifyRequest,
  reply: FastifyReply,
): void {
  const length = headers["transfer-encoding"] === undefined ? Number(headers["content-length"] ?? 0) : body_limit;
  // A longer one is refused unread.
  if (length > body_limit) return;
  const release = budget.reserve(app_id, length);
  if (reply.raw.destroyed) release();
  else reply.raw.once("close", release);
}
