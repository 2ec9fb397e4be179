/**
 * The domain's basic types: ids, instants, and small shapes that several layers share.
 *
 * core/ owns the domain's rules as pure functions. It does no I/O and imports nothing above it.
 * Only clock.ts reads the time, and only ids.ts draws random bits. Instants are milliseconds since
 * the epoch. A duration is never stored, because its meaning would change with the time it is read.
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
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the only place where a number becomes an Instant.
  return ms as Instant;
}

export function plus(at: Instant, duration_ms: number): Instant {
  return instant(at + duration_ms);
}

/** Non-secret settings of a connection by name (`connection_config` on the wire). */
export type ConnectionConfig = Readonly<Record<string, string>>;

/** The connected account at the provider. `id` is stable there, and `label` is for display. */
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

/**
 * Returns the entries of a JSON object whose values are strings. Anything but an object has none.
 */
export function stringEntries(value: unknown): ConnectionConfig {
  if (!isJsonObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
