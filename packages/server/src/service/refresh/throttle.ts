/**
 * Who may send a refresh now. One bucket for each service and OAuth client, since that is what providers count by: one
 * connection's 429 is a warning to all of the same client, and to nobody else.
 *
 * Readers go first: they may wait in a short line, and while somebody is in it background work is put off. Background work
 * never waits here; its caller comes back. Knows no tokens and no rows but their service and client. Durations in
 * milliseconds of the monotonic clock. Never rejects.
 */
import type { Limits } from "../../config.ts";
import type { Clock } from "../../core/clock.ts";
import type { OAuthClientId } from "../../core/types.ts";
import type { TokenOutcome } from "../../oauth/outcome.ts";
import type { Log } from "../../telemetry/log.ts";
import {
  createBucket,
  finish,
  giveBack,
  isIdle,
  obstacle,
  take,
  type Bucket,
  type Caller,
  type Obstacle,
  type StopCause,
} from "./bucket.ts";

export interface Target {
  readonly integration_type: string;
  readonly oauth_client_id: OAuthClientId;
}

/** The right to send one request. One of the two must be called; what comes after the first does nothing. */
export interface Permit {
  readonly ended: (outcome: TokenOutcome) => void;
  /** Nothing was sent. */
  readonly unused: () => void;
}

export type Entry =
  | { readonly kind: "go"; readonly permit: Permit }
  | { readonly kind: "put_off"; readonly cause: StopCause; readonly retry_after_ms: number };

export interface Throttle {
  /** Decides before it returns, unless the caller waits in line: `waits`, readers only, at most `provider_line_ms`. */
  enter(target: Target, caller: Caller, waits: boolean): Promise<Entry>;
  /** OAuth clients whose background work would be put off now. */
  busy(): ReadonlySet<OAuthClientId>;
}

interface Lane {
  readonly target: Target;
  readonly bucket: Bucket;
  readonly line: { readonly until: number; readonly resolve: (entry: Entry) => void }[];
  cancelTimer: () => void;
}

export function createThrottle({ clock, limits, log }: { clock: Clock; limits: Limits; log: Log }): Throttle {
  const lanes = new Map<string, Lane>();

  async function enter(target: Target, caller: Caller, waits: boolean): Promise<Entry> {
    const lane = laneOf(target);
    const now = clock.monotonic_ms();
    const found = obstacle(lane.bucket, caller, now, limits);
    if (found === null && lane.line.length === 0) return go(lane, caller);
    // What is longer than the rate lets through in time would only wait for nothing.
    const room = (limits.provider_line_ms * limits.provider_requests_per_s) / 1_000;
    if (!waits || caller === "background" || found?.kind === "stopped" || lane.line.length >= room) {
      return putOff(lane, found);
    }
    const turn = new Promise<Entry>((resolve) => {
      lane.line.push({ until: now + limits.provider_line_ms, resolve });
    });
    serve(lane);
    return turn;
  }

  function go(lane: Lane, caller: Caller): Entry {
    const { bucket, target } = lane;
    take(bucket, caller, clock.monotonic_ms(), limits);
    let over = false;
    const once = (action: (now: number) => void): void => {
      if (over) return;
      over = true;
      action(clock.monotonic_ms());
      serve(lane);
    };
    const permit: Permit = {
      ended: (outcome) =>
        once((now) => {
          const change = finish(bucket, outcome, now, limits);
          const { integration_type } = target;
          if (change === "client_rejected") log.error("oauth_client_rejected", { integration_type });
          else if (change !== null) log.warn("provider_throttle", { integration_type, outcome: change });
        }),
      unused: () => once((now) => giveBack(bucket, caller, now, limits)),
    };
    return { kind: "go", permit };
  }

  function putOff({ line }: Lane, found: Obstacle | null): Entry {
    const line_ms = (line.length * 1_000) / limits.provider_requests_per_s;
    const cause = found?.kind === "stopped" ? found.cause : "provider";
    return { kind: "put_off", cause, retry_after_ms: Math.max(found?.wait_ms ?? 0, line_ms) };
  }

  /** Lets go whoever is at the head of the line, as long as that is possible, and comes back when it may be again. */
  function serve(lane: Lane): void {
    lane.cancelTimer();
    const now = clock.monotonic_ms();
    for (let first = lane.line[0]; first !== undefined; first = lane.line[0]) {
      const found = obstacle(lane.bucket, "reader", now, limits);
      const left_ms = first.until - now;
      if (found?.kind === "full" && left_ms > 0) {
        lane.cancelTimer = clock.after(Math.min(found.wait_ms ?? left_ms, left_ms), () => serve(lane));
        return;
      }
      lane.line.shift();
      first.resolve(found === null ? go(lane, "reader") : putOff(lane, found));
    }
  }

  function laneOf(target: Target): Lane {
    const key = `${target.integration_type}/${target.oauth_client_id}`;
    const known = lanes.get(key);
    if (known !== undefined) return known;
    const now = clock.monotonic_ms();
    if (lanes.size >= limits.provider_buckets) forgetOne(now);
    const lane = { target, bucket: createBucket(limits, now), line: [], cancelTimer: () => {} };
    lanes.set(key, lane);
    return lane;
  }

  /** An idle one, else the oldest: those who are in it finish by it, and its limits begin anew. */
  function forgetOne(now: number): void {
    const keys = [...lanes.keys()];
    const idle = keys.find((key) => {
      const lane = lanes.get(key);
      return lane !== undefined && lane.line.length === 0 && isIdle(lane.bucket, now, limits);
    });
    const victim = idle ?? keys[0];
    if (victim !== undefined) lanes.delete(victim);
  }

  function busy(): ReadonlySet<OAuthClientId> {
    const now = clock.monotonic_ms();
    const full = [...lanes.values()].filter(
      ({ line, bucket }) => line.length > 0 || obstacle(bucket, "background", now, limits) !== null,
    );
    return new Set(full.map(({ target }) => target.oauth_client_id));
  }

  return { enter, busy };
}
