/** Delivers one event of the outbox: to the log and, if a receiver is configured, as a webhook. */
import type { Config } from "../../config.ts";
import type { Limits } from "../../core/limits.ts";
import { backoff_ms } from "../../core/backoff.ts";
import { isEventType } from "../../core/events.ts";
import { plus } from "../../core/types.ts";
import type { HttpClient } from "../../net/outbound.ts";
import { parseRetryAfter } from "../../net/retry-after.ts";
import type { OutboxRow } from "../../store/tables.ts";
import type { LogFields } from "../../telemetry/log.ts";
import type { Ground } from "../ground.ts";
import { asksForConsent, parseEvent, webhookBody, webhookHeaders, type StoredEvent } from "./webhook-message.ts";

export interface WebhookDeps
  extends
    Pick<Config, "webhook">,
    Pick<Ground, "store" | "urls" | "clock" | "limits" | "log" | "random" | "events_wanted"> {
  /** Without a gateway, with `plain_loopback`. */
  readonly httpClient: HttpClient;
}

export interface DeliveryDeps extends WebhookDeps {
  /** Aborts requests when the server stops. */
  readonly abort: AbortController;
  readonly counts: Record<"delivered" | "failed" | "given_up", number>;
}

type Sent =
  | { readonly kind: "delivered" }
  | { readonly kind: "aborted" }
  | { readonly kind: "failed"; readonly fields: LogFields; readonly retry_after_ms: number | null };

export async function deliver(deps: DeliveryDeps, item: OutboxRow): Promise<void> {
  const { store, webhook, events_wanted, counts, log } = deps;
  const event = parseEvent(item.payload);
  if (event === null) {
    log.error("event_unreadable", eventFields(item));
    await store.finishEvent(item.id);
    return;
  }
  if (item.attempts === 0) logEvent(deps, item, event);
  if (webhook === null || (isEventType(event.type) && !events_wanted.has(event.type))) {
    await store.finishEvent(item.id);
    return;
  }
  const sent = await send(deps, webhook, item, event);
  if (sent.kind === "failed") return await postpone(deps, item, sent);
  if (sent.kind === "aborted") return await store.postponeEvent(item, item.attempts, 0);
  counts.delivered += 1;
  await store.finishEvent(item.id);
}

async function send(
  { httpClient, urls, clock, limits, abort }: DeliveryDeps,
  { url, secrets }: NonNullable<Config["webhook"]>,
  item: OutboxRow,
  event: StoredEvent,
): Promise<Sent> {
  const body = webhookBody(event, urls.reconnect(item.app_id, event.integration_type));
  const response = await httpClient.send({
    method: "POST",
    url: url.expose(),
    headers: webhookHeaders({ id: item.id, now: clock.now(), body }, secrets),
    body,
    deadline_ms: limits.webhook_deadline_ms,
    signal: abort.signal,
  });
  if (response.kind !== "response") {
    if (response.reason === "aborted") return { kind: "aborted" };
    return { kind: "failed", fields: { reason: response.reason }, retry_after_ms: null };
  }
  const { status, headers } = response;
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const retry_after_ms = parseRetryAfter(headers["retry-after"], clock.now(), limits);
  return { kind: "failed", fields: { status }, retry_after_ms };
}

/** Schedules the next attempt, or gives up after `webhook_give_up_after_ms`. */
async function postpone(
  { store, clock, limits, log, random, counts }: DeliveryDeps,
  item: OutboxRow,
  { fields, retry_after_ms }: Extract<Sent, { kind: "failed" }>,
): Promise<void> {
  const attempts = item.attempts + 1;
  const logged = { ...eventFields(item), ...fields, count: attempts };
  counts.failed += 1;
  // The last attempt comes at the end of that time, and no earlier.
  const left_ms = plus(item.created_at, limits.webhook_give_up_after_ms) - clock.now();
  if (left_ms <= 0) {
    counts.given_up += 1;
    log.error("webhook_given_up", logged);
    await store.finishEvent(item.id);
    return;
  }
  log.warn("webhook_failed", logged);
  const wait_ms = Math.max(retryIn_ms(item.attempts, limits, random()), retry_after_ms ?? 0);
  await store.postponeEvent(item, attempts, Math.min(wait_ms, left_ms));
}

function retryIn_ms(failures: number, limits: Limits, random: number): number {
  const { webhook_retry_base_ms: backoff_base_ms, webhook_retry_cap_ms: backoff_cap_ms } = limits;
  return backoff_ms(failures, { backoff_base_ms, backoff_cap_ms }, random);
}

export function eventFields({ id, app_id, connection_id }: OutboxRow): LogFields {
  return { event_id: id, app_id, connection_id };
}

function logEvent({ log }: DeliveryDeps, item: OutboxRow, { type, integration_type, data }: StoredEvent): void {
  const { reason } = data;
  log[asksForConsent(type) ? "warn" : "info"](type, {
    ...eventFields(item),
    integration_type,
    ...(typeof reason === "string" ? { reason } : {}),
  });
}
