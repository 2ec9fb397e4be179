/** Event types of connections, as in logs and webhooks. docs/webhooks.md explains each. */

export const EVENT_TYPES = [
  "connection.connected",
  "connection.refreshed",
  "connection.needs_reconnect",
  "connection.recovered",
  "connection.scopes_missing",
  "connection.expiring_soon",
  "connection.disconnected",
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

export const isEventType = (text: unknown): text is EventType => EVENT_TYPES.some((type) => type === text);
