/**
 * The words of the domain as types: ids, instants, and the small shapes that several layers exchange.
 *
 * core/ is pure: no I/O, no clock reading, no randomness source but `node:crypto`'s, and it imports nothing above it.
 * Instants are milliseconds since the epoch; a duration is never stored (a stored duration means something else each
 * time it is read).
 */

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = Brand<number, "Instant">;

export type WorkspaceId = Brand<string, "WorkspaceId">;
/** A builder's account. */
export type UserId = Brand<string, "UserId">;
export type AppId = Brand<string, "AppId">;
export type ConnectionId = Brand<string, "ConnectionId">;
export type FlowId = Brand<string, "FlowId">;
export type OAuthClientId = Brand<string, "OAuthClientId">;

export function instant(ms: number): Instant {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place where a number becomes an Instant.
  return ms as Instant;
}

export function plus(at: Instant, duration_ms: number): Instant {
  return instant(at + duration_ms);
}

/** Named, non-secret string values that belong to a connection (`connection_config` on the wire). */
export type ConnectionConfig = Readonly<Record<string, string>>;

/** Who connected: the account at the provider. `id` is stable there, `label` is for people. */
export interface Account {
  readonly id: string | null;
  readonly label: string | null;
  readonly email: string | null;
}

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
