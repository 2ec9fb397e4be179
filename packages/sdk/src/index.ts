/**
 * Fresh OAuth access tokens from a Holdfast server. Zero dependencies. Needs `fetch` and, for
 * `rejected`, `crypto.subtle`.
 */
export { createClient } from "./client.ts";
export { HoldfastError, HoldfastError as Base44Error } from "./error.ts";
export type { HoldfastErrorDetails } from "./error.ts";
export { createClientFromRequest } from "./from-request.ts";
export type * from "./types.ts";
