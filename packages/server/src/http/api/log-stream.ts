/**
 * Live views of function output as server-sent events. Owns their number, their heartbeats and
 * their end. Must not know whose records they show.
 */
import { Readable } from "node:stream";
import { delay, type Clock } from "../../core/clock.ts";
import { CodedError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import type { AppId } from "../../core/types.ts";
import type { LogTail } from "../../service/functions/logs.ts";

export interface LogStreams {
  /**
   * Returns the events of one view. It counts until its stream closes. `authorize` runs again with
   * each heartbeat, so that a revoked credential ends the view. `left` aborts when the client has
   * left.
   *
   * @throws CodedError `overloaded` if there are too many views, of this app or of all
   */
  open(app_id: AppId, view: View): Readable;
  /** Ends all views. */
  close(): void;
}

export interface View {
  readonly tail: LogTail;
  readonly authorize: () => Promise<void>;
  readonly left: AbortSignal;
}

interface StreamsState {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly closing: AbortController;
  /** The app of each open view. */
  readonly open: Set<{ readonly app_id: AppId }>;
}

export function createLogStreams({ clock, config }: { clock: Clock; config: { limits: Limits } }): LogStreams {
  const streams: StreamsState = { clock, limits: config.limits, closing: new AbortController(), open: new Set() };
  return {
    open: (app_id, view) => open(streams, app_id, view),
    close: () => streams.closing.abort(),
  };
}

function open(streams: StreamsState, app_id: AppId, view: View): Readable {
  const { limits } = streams;
  const own = [...streams.open].filter((other) => other.app_id === app_id);
  if (streams.open.size >= limits.function_log_streams || own.length >= limits.function_log_streams_per_app) {
    const message = "Too many live views of function output are open. Close one, or read the logs without following.";
    throw new CodedError("overloaded", { message, retry_after_s: 5 });
  }
  const counted = { app_id };
  streams.open.add(counted);
  const stream = Readable.from(events(streams, view));
  // A client can leave before the first event. Then the generator never runs.
  stream.once("close", () => streams.open.delete(counted));
  return stream;
}

async function* events(
  streams: StreamsState,
  { tail, authorize, left }: View,
): AsyncGenerator<string, void, undefined> {
  const { clock, limits, closing } = streams;
  const started = clock.monotonic_ms();
  let checked_at = started;
  try {
    await tail.next();
    yield ": open\n\n";
    // Without output, the next event would be a heartbeat, and the view would count until then.
    while (!closing.signal.aborted && !left.aborted) {
      await pause(streams, left);
      const now = clock.monotonic_ms();
      if (now - started >= limits.function_log_stream_ms) return yield end("max_duration", true);
      const is_due = now - checked_at >= limits.function_log_heartbeat_ms;
      // Before the records, and however many there are: a revoked credential sees no more of them.
      if (is_due) await authorize();
      if (is_due) checked_at = now;
      const records = await tail.next();
      for (const { time, level, function_name, message } of records) {
        yield `data: ${JSON.stringify({ time: new Date(time).toISOString(), level, function: function_name, message })}\n\n`;
      }
      if (is_due) yield ": keep-alive\n\n";
    }
    yield end("shutdown", true);
  } catch (error) {
    // A client that lost its access must not reconnect. Every other error is temporary.
    const is_refused = error instanceof CodedError && error.status < 500;
    yield end(is_refused ? error.code : "unavailable", !is_refused);
  }
}

const end = (reason: string, retriable: boolean): string =>
  `event: end\ndata: ${JSON.stringify({ reason, retriable })}\n\n`;

/** Waits until the next poll, or until the server closes or the client leaves. */
async function pause({ clock, limits, closing }: StreamsState, left: AbortSignal): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const stop = (): void => ended.resolve();
  for (const signal of [closing.signal, left]) signal.addEventListener("abort", stop, { once: true });
  await Promise.race([delay(clock, limits.function_log_poll_ms), ended.promise]);
  for (const signal of [closing.signal, left]) signal.removeEventListener("abort", stop);
}
