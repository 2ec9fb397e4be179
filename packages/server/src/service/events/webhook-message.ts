/**
 * One event as a signed webhook message. Pure. Source: Standard Webhooks 1.0
 * (https://www.standardwebhooks.com), symmetric signatures.
 */
import { createHmac } from "node:crypto";
import type { EventType } from "../../core/events.ts";
import type { Secret } from "../../core/secret.ts";
import type { Instant, JsonObject } from "../../core/types.ts";
import { providerHeaders } from "../../oauth/deps.ts";

/** An event in the outbox. */
export interface StoredEvent {
  /** Can be unknown to this server, if a newer one wrote it. */
  readonly type: string;
  readonly at: number;
  readonly integration_type: string;
  /** All fields except `type` and `at`. */
  readonly data: JsonObject;
}

/**
 * Returns the event, or null if `emit` did not write it. The caller must skip it, so that later
 * events are delivered.
 */
export function parseEvent(payload: JsonObject | null): StoredEvent | null {
  const { type, at, ...data } = payload ?? {};
  const { integration_type } = data;
  if (typeof type !== "string" || typeof at !== "number" || typeof integration_type !== "string") return null;
  return { type, at, integration_type, data };
}

/** Events after which a user has to consent again, now or soon. */
const ASKS_FOR_CONSENT: ReadonlySet<string> = new Set<EventType>([
  "connection.needs_reconnect",
  "connection.scopes_missing",
  "connection.expiring_soon",
]);

export const asksForConsent = (type: string): boolean => ASKS_FOR_CONSENT.has(type);

/** Returns the request body. `reconnect_url`: where a user connects the account again. */
export function webhookBody({ type, at, data }: StoredEvent, reconnect_url: string): string {
  const more = asksForConsent(type) ? { reconnect_url } : {};
  return JSON.stringify({ type, timestamp: new Date(at).toISOString(), data: { ...data, ...more } });
}

/**
 * Returns the request headers, with one signature per secret, so that a receiver can have either.
 *
 * @param id of the event, the same in each attempt: receivers recognize duplicates by it
 * @param now time of the attempt: receivers reject old messages, which can be replays
 * @param secrets each `whsec_<base64>`
 */
export function webhookHeaders(
  { id, now, body }: { readonly id: string; readonly now: Instant; readonly body: string },
  secrets: readonly Secret[],
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.expose().replace(/^whsec_/, ""), "base64");
    return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`, "utf8").digest("base64")}`;
  });
  return providerHeaders({
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  });
}
