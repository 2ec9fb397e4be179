/** Fresh OAuth access tokens of a Holdfast server. Zero dependencies; needs `fetch` and, for `rejected`, `crypto.subtle`. */
export { createClient } from "./client.ts";
export { HoldfastError, HoldfastError as Base44Error } from "./error.ts";
export type { HoldfastErrorDetails } from "./error.ts";
export { createClientFromRequest } from "./from-request.ts";
export type * from "./types.ts";
