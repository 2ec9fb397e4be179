/**
 * Delivery of events: each becomes a line of the log and, where a receiver is configured, a signed webhook.
 *
 * At least once: an event is done when the receiver answered 2xx, and whoever dies in between leaves it to be sent again
 * under the same id. In the order of their connection; different connections side by side. An event that fails is tried
 * again for `webhook_give_up_after_ms`, and its successors wait. All of it on an own timer: nothing that refreshes tokens
 * waits for a receiver. Which node sends is settled by a reservation in the outbox.
 */
import type { Config, Limits } from "../../config.ts";
import { every, within, type Clock } from "../../core/clock.ts";
import { isEventType } from "../../core/events.ts";
import { plus } from "../../core/types.ts";
import { parseRetryAfter } from "../../net/retry-after.ts";
import type { HttpClient } from "../../net/outbound.ts";
import type { Store } from "../../store/store.ts";
import type { OutboxRow } from "../../store/tables.ts";
import type { Log, LogFields } from "../../telemetry/log.ts";
import { backoff_ms } from "../../core/backoff.ts";
import type { Urls } from "../urls.ts";
import { asksForConsent, parseEvent, webhookBody, webhookHeaders, type StoredEvent } from "./webhook-message.ts";

/** Of requests in flight when the server stops; what is cut off then is sent again after the start. */
const CLOSE_PATIENCE_MS = 2_000;

export interface Webhooks {
  start(): void;
  /** Sends what is due; resolves when that is done and nothing is in flight. */
  run(): Promise<void>;
  /** Takes no more events, waits a little for those in flight. */
  close(): Promise<void>;
  /** Since the start of this process. */
  counts(): Readonly<Record<"delivered" | "failed" | "given_up", number>>;
}

export interface WebhookDeps extends Pick<Config, "webhook" | "events_wanted"> {
  readonly store: Store;
  /** Without a gateway, with `plain_loopback`. */
  readonly httpClient: HttpClient;
  readonly urls: Urls;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Log;
  readonly random: () => number;
}

type Sent =
  | { readonly kind: "delivered" }
  | { readonly kind: "aborted" }
  | { readonly kind: "failed"; readonly fields: LogFields; readonly retry_after_ms: number | null };

export function createWebhooks(deps: WebhookDeps): Webhooks {
  const { store, webhook, events_wanted, clock, limits, log } = deps;
  const abort = new AbortController();
  const flying = new Set<Promise<void>>();
  const counts = { delivered: 0, failed: 0, given_up: 0 };
  let stopTimer = (): void => {};
  let stopped = false;
  let filling: Promise<void> | null = null;
  let again = false;
  let is_failing = false;

  /** One search at a time. A request that ends makes room, and its successor may be due. */
  function wake(): void {
    if (filling === null) filling = search();
    else again = true;
  }

  async function search(): Promise<void> {
    try {
      await fill();
      is_failing = false;
    } catch (error) {
      // Once an outage, not once a second.
      if (!is_failing) log.error("events_not_read", { error });
      is_failing = true;
      again = false;
    }
    filling = null;
    if (again) {
      again = false;
      wake();
    }
  }

  async function fill(): Promise<void> {
    for (;;) {
      if (stopped) return;
      const free = limits.webhook_concurrency - flying.size;
      // Read first: reserving is a write, and mostly there is nothing.
      if (free <= 0 || (await store.dueOutbox("event", 1)).length === 0) return;
      const items = await store.reserveEvents(free, limits.webhook_lease_ms);
      for (const item of items) take(item);
      if (items.length < free) return;
    }
  }

  function take(item: OutboxRow): void {
    const flight = deliver(item)
      // It will be sent once more when the reservation ends.
      .catch((error: unknown) => log.error("event_not_recorded", { ...named(item), error }))
      .finally(() => {
        flying.delete(flight);
        if (!stopped) wake();
      });
    flying.add(flight);
  }

  async function deliver(item: OutboxRow): Promise<void> {
    const event = parseEvent(item.payload);
    if (event === null) {
      log.error("event_unreadable", named(item));
      await store.finishEvent(item.id);
      return;
    }
    if (item.attempts === 0) tell(log, item, event);
    if (webhook === null || (isEventType(event.type) && !events_wanted.has(event.type))) {
      await store.finishEvent(item.id);
      return;
    }
    const sent = await send(webhook, item, event);
    if (sent.kind === "failed") return failed(item, sent);
    if (sent.kind === "aborted") return store.postponeEvent(item, item.attempts, 0);
    counts.delivered += 1;
    await store.finishEvent(item.id);
  }

  async function send(
    { url, secrets }: NonNullable<Config["webhook"]>,
    item: OutboxRow,
    event: StoredEvent,
  ): Promise<Sent> {
    const body = webhookBody(event, deps.urls.reconnect(item.app_id, event.integration_type));
    const answer = await deps.httpClient.send({
      method: "POST",
      url: url.expose(),
      headers: webhookHeaders({ id: item.id, now: clock.now(), body }, secrets),
      body,
      deadline_ms: limits.webhook_deadline_ms,
      signal: abort.signal,
    });
    if (answer.kind !== "response") {
      if (answer.reason === "aborted") return { kind: "aborted" };
      return { kind: "failed", fields: { reason: answer.reason }, retry_after_ms: null };
    }
    const { status, headers } = answer;
    if (status >= 200 && status < 300) return { kind: "delivered" };
    const retry_after_ms = parseRetryAfter(headers["retry-after"], clock.now(), limits);
    return { kind: "failed", fields: { status }, retry_after_ms };
  }

  async function failed(item: OutboxRow, { fields, retry_after_ms }: Extract<Sent, { kind: "failed" }>) {
    const attempts = item.attempts + 1;
    const told = { ...named(item), ...fields, count: attempts };
    counts.failed += 1;
    // The last attempt is at the end of the time, not somewhere before it.
    const left_ms = plus(item.created_at, limits.webhook_give_up_after_ms) - clock.now();
    if (left_ms <= 0) {
      counts.given_up += 1;
      log.error("webhook_given_up", told);
      await store.finishEvent(item.id);
      return;
    }
    log.warn("webhook_failed", told);
    const wait_ms = Math.max(retryIn_ms(item.attempts, limits, deps.random()), retry_after_ms ?? 0);
    await store.postponeEvent(item, attempts, Math.min(wait_ms, left_ms));
  }

  async function idle(): Promise<void> {
    if (filling === null && flying.size === 0) return;
    await (filling ?? Promise.race(flying));
    await idle();
  }

  return {
    start() {
      stopTimer = every(clock, limits.webhook_interval_ms, wake);
    },
    run() {
      wake();
      return idle();
    },
    async close() {
      stopped = true;
      stopTimer();
      await within(clock, idle(), CLOSE_PATIENCE_MS, null);
      abort.abort();
      await idle();
    },
    counts: () => ({ ...counts }),
  };
}

function retryIn_ms(failures: number, limits: Limits, random: number): number {
  const { webhook_retry_base_ms: backoff_base_ms, webhook_retry_cap_ms: backoff_cap_ms } = limits;
  return backoff_ms(failures, { ...limits, backoff_base_ms, backoff_cap_ms }, random);
}

const named = ({ id, app_id, connection_id }: OutboxRow): LogFields => ({ event_id: id, app_id, connection_id });

function tell(log: Log, item: OutboxRow, { type, integration_type, data: { reason } }: StoredEvent): void {
  log[asksForConsent(type) ? "warn" : "info"](type, {
    ...named(item),
    integration_type,
    ...(typeof reason === "string" ? { reason } : {}),
  });
}
