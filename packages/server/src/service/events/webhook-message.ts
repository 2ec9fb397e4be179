/**
 * One event as a webhook message: what the receiver reads, and how it knows that it is from us. Pure.
 * Source: Standard Webhooks 1.0 (https://www.standardwebhooks.com), symmetric signatures.
 */
import { createHmac } from "node:crypto";
import type { EventType } from "../../core/events.ts";
import type { Secret } from "../../core/secret.ts";
import type { Instant, JsonObject } from "../../core/types.ts";
import { providerHeaders } from "../../oauth/deps.ts";

/** What `emit` wrote into the outbox. */
export interface StoredEvent {
  /** A newer server may have written one that this one does not know. */
  readonly type: string;
  readonly at: number;
  readonly integration_type: string;
  /** Everything but type and instant. */
  readonly data: JsonObject;
}

/** Null: not what `emit` writes. It must not keep those behind it from being sent. */
export function parseEvent(payload: JsonObject | null): StoredEvent | null {
  const { type, at, ...data } = payload ?? {};
  const { integration_type } = data;
  if (typeof type !== "string" || typeof at !== "number" || typeof integration_type !== "string") return null;
  return { type, at, integration_type, data };
}

/** Events after which somebody has to consent again, now or soon. */
const ASKS_FOR_CONSENT: ReadonlySet<string> = new Set<EventType>([
  "connection.needs_reconnect",
  "connection.scopes_missing",
  "connection.expiring_soon",
]);

export const asksForConsent = (type: string): boolean => ASKS_FOR_CONSENT.has(type);

/** @param reconnect_url where the account is connected again */
export function webhookBody({ type, at, data }: StoredEvent, reconnect_url: string): string {
  const more = asksForConsent(type) ? { reconnect_url } : {};
  return JSON.stringify({ type, timestamp: new Date(at).toISOString(), data: { ...data, ...more } });
}

/**
 * @param id the event's, the same with each attempt: receivers know a repetition by it
 * @param now the attempt's instant: receivers refuse old ones, which somebody may have recorded
 * @param secrets each `whsec_<base64>`; one signature each, so that a receiver may know either
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
