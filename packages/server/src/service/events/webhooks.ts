/**
 * Delivers events from the outbox, on its own timer, so that no refresh waits for a receiver.
 *
 * At least once. An event is done when the receiver replied 2xx. If the process dies before that,
 * the event is sent again under the same id. Events of one connection keep their order, and those
 * of different connections are sent in parallel. A failed event is retried for
 * `webhook_give_up_after_ms`, and later events of its connection wait. A reservation in the outbox
 * decides which node sends.
 */
import { every, within } from "../../core/clock.ts";
import type { OutboxRow } from "../../store/tables.ts";
import { deliver, eventFields, type DeliveryDeps, type WebhookDeps } from "./webhook-delivery.ts";

/**
 * How long requests in flight can take when the server stops. Aborted ones are sent again after the
 * next start.
 */
const CLOSE_PATIENCE_MS = 2_000;

export interface Webhooks {
  start(): void;
  /** Sends the events that are due. Resolves when no request is in flight. */
  run(): Promise<void>;
  /** Accepts no more events, and waits a moment for requests in flight. */
  close(): Promise<void>;
  /** Returns the counts since the start of this process. */
  counts(): Readonly<DeliveryDeps["counts"]>;
}

interface WebhookLoop extends DeliveryDeps {
  readonly in_flight: Set<Promise<void>>;
  /** The search that runs now. */
  search: Promise<void> | null;
  /** Another search must follow the running one. */
  search_again: boolean;
  /** The last search failed, and was logged. */
  is_failing: boolean;
  stopped: boolean;
  stopTimer: () => void;
}

export function createWebhooks(deps: WebhookDeps): Webhooks {
  const loop: WebhookLoop = {
    ...deps,
    abort: new AbortController(),
    counts: { delivered: 0, failed: 0, given_up: 0 },
    in_flight: new Set(),
    search: null,
    search_again: false,
    is_failing: false,
    stopped: false,
    stopTimer: () => {},
  };
  return {
    start: () => start(loop),
    run: () => run(loop),
    close: () => close(loop),
    counts: () => ({ ...loop.counts }),
  };
}

function start(loop: WebhookLoop): void {
  loop.stopTimer = every(loop.clock, loop.limits.webhook_interval_ms, () => wake(loop));
}

function run(loop: WebhookLoop): Promise<void> {
  wake(loop);
  return idle(loop);
}

async function close(loop: WebhookLoop): Promise<void> {
  loop.stopped = true;
  loop.stopTimer();
  await within(loop.clock, idle(loop), CLOSE_PATIENCE_MS, null);
  loop.abort.abort();
  await idle(loop);
}

/** Searches for due events. One search at a time. */
function wake(loop: WebhookLoop): void {
  if (loop.search === null) loop.search = search(loop);
  else loop.search_again = true;
}

async function search(loop: WebhookLoop): Promise<void> {
  try {
    await fill(loop);
    loop.is_failing = false;
  } catch (error) {
    // Logged once per outage, not once a second.
    if (!loop.is_failing) loop.log.error("events_not_read", { error });
    loop.is_failing = true;
    loop.search_again = false;
  }
  loop.search = null;
  if (loop.search_again) {
    loop.search_again = false;
    wake(loop);
  }
}

/** Sends due events until no request slot or no event is left. */
async function fill(loop: WebhookLoop): Promise<void> {
  const { store, limits, in_flight } = loop;
  for (;;) {
    if (loop.stopped) return;
    const slots = limits.webhook_concurrency - in_flight.size;
    // Reads first, because a reservation is a write, and mostly no event is due.
    if (slots <= 0 || (await store.dueOutbox("event", 1)).length === 0) return;
    const items = await store.reserveEvents(slots, limits.webhook_lease_ms);
    for (const item of items) launch(loop, item);
    if (items.length < slots) return;
  }
}

/** Starts a delivery. When it ends, a slot is free, and its connection's next event may be due. */
function launch(loop: WebhookLoop, item: OutboxRow): void {
  const delivery = deliver(loop, item)
    // The event is sent again when its reservation expires.
    .catch((error: unknown) => loop.log.error("event_not_recorded", { ...eventFields(item), error }))
    .finally(() => {
      loop.in_flight.delete(delivery);
      if (!loop.stopped) wake(loop);
    });
  loop.in_flight.add(delivery);
}

/** Resolves when no search runs and no request is in flight. */
async function idle(loop: WebhookLoop): Promise<void> {
  if (loop.search === null && loop.in_flight.size === 0) return;
  await (loop.search ?? Promise.race(loop.in_flight));
  await idle(loop);
}
