/**
 * Decides which refreshes can be sent now. There is one lane per service and OAuth client, because
 * providers count requests that way. A 429 of one connection concerns every connection of the same
 * client, and no others.
 *
 * Readers go first. They can wait in a short line, and while a reader waits, background work is
 * postponed. Background work never waits here, because its caller comes back. Knows no tokens, and
 * only the service and client of a row. Durations are milliseconds of the monotonic clock. Never
 * rejects.
 */
import type { Limits } from "../../core/limits.ts";
import type { OAuthClientId } from "../../core/types.ts";
import type { TokenOutcome } from "../../oauth/outcome.ts";
import type { Ground } from "../ground.ts";
import {
  acquire,
  createBucket,
  finish,
  giveBack,
  isIdle,
  obstacle,
  type Bucket,
  type Caller,
  type Obstacle,
  type StopCause,
} from "./bucket.ts";

export interface Target {
  readonly integration_type: string;
  readonly oauth_client_id: OAuthClientId;
}

/** The right to send one request. The caller must call one of the two. Later calls do nothing. */
export interface Permit {
  readonly ended: (outcome: TokenOutcome) => void;
  /** Nothing was sent. */
  readonly unused: () => void;
}

export type Entry =
  | { readonly kind: "go"; readonly permit: Permit }
  | { readonly kind: "put_off"; readonly cause: StopCause; readonly retry_after_ms: number };

export interface Throttle {
  /**
   * Returns a permit, or how long to wait before the next call. Decides at once, unless the caller
   * is a reader and `waits` is set. Such a reader waits in line, for at most `provider_line_ms`.
   */
  enter(target: Target, caller: Caller, waits: boolean): Promise<Entry>;
  /** Returns the OAuth clients whose background work would be postponed now. */
  busy(): ReadonlySet<OAuthClientId>;
}

type ThrottleDeps = Pick<Ground, "clock" | "limits" | "log">;

interface ThrottleState extends ThrottleDeps {
  readonly lanes: Map<string, Lane>;
}

interface Lane {
  readonly target: Target;
  readonly bucket: Bucket;
  readonly line: { readonly until: number; readonly resolve: (entry: Entry) => void }[];
  cancelTimer: () => void;
}

export function createThrottle({ clock, limits, log }: ThrottleDeps): Throttle {
  const throttle: ThrottleState = { clock, limits, log, lanes: new Map() };
  return {
    enter: (target, caller, waits) => enter(throttle, target, caller, waits),
    busy: () => busy(throttle),
  };
}

async function enter(throttle: ThrottleState, target: Target, caller: Caller, waits: boolean): Promise<Entry> {
  const { clock, limits } = throttle;
  const lane = laneOf(throttle, target);
  const now = clock.monotonic_ms();
  const found = obstacle(lane.bucket, caller, now, limits);
  if (found === null && lane.line.length === 0) return go(throttle, lane, caller);
  // Any reader beyond the number that the rate serves within `provider_line_ms` would wait in vain.
  const room = (limits.provider_line_ms * limits.provider_requests_per_s) / 1_000;
  if (!waits || caller === "background" || found?.kind === "stopped" || lane.line.length >= room) {
    return putOff(lane, found, limits);
  }
  const turn = new Promise<Entry>((resolve) => {
    lane.line.push({ until: now + limits.provider_line_ms, resolve });
  });
  serveLine(throttle, lane);
  return await turn;
}

function go(throttle: ThrottleState, lane: Lane, caller: Caller): Entry {
  const { clock, limits } = throttle;
  acquire(lane.bucket, caller, clock.monotonic_ms(), limits);
  const open: OpenPermit = { lane, caller, is_open: true };
  const permit: Permit = {
    ended: (outcome) => end(throttle, open, outcome),
    unused: () => end(throttle, open, null),
  };
  return { kind: "go", permit };
}

interface OpenPermit {
  readonly lane: Lane;
  readonly caller: Caller;
  is_open: boolean;
}

/** Closes a permit. `outcome` is null if nothing was sent. */
function end(throttle: ThrottleState, permit: OpenPermit, outcome: TokenOutcome | null): void {
  if (!permit.is_open) return;
  permit.is_open = false;
  const { clock, limits } = throttle;
  const { lane, caller } = permit;
  const now = clock.monotonic_ms();
  if (outcome === null) giveBack(lane.bucket, caller, now, limits);
  else logChange(throttle, lane, finish(lane.bucket, outcome, now, limits));
  serveLine(throttle, lane);
}

function logChange({ log }: ThrottleState, { target }: Lane, change: ReturnType<typeof finish>): void {
  const { integration_type } = target;
  if (change === "client_rejected") log.error("oauth_client_rejected", { integration_type });
  else if (change !== null) log.warn("provider_throttle", { integration_type, outcome: change });
}

function putOff({ line }: Lane, found: Obstacle | null, limits: Limits): Entry {
  const line_ms = (line.length * 1_000) / limits.provider_requests_per_s;
  const cause = found?.kind === "stopped" ? found.cause : "provider";
  return { kind: "put_off", cause, retry_after_ms: Math.max(found?.wait_ms ?? 0, line_ms) };
}

/**
 * Serves the readers at the head of the line, until one has to wait. Sets a timer for that reader.
 */
function serveLine(throttle: ThrottleState, lane: Lane): void {
  const { clock, limits } = throttle;
  lane.cancelTimer();
  const now = clock.monotonic_ms();
  for (let first = lane.line[0]; first !== undefined; first = lane.line[0]) {
    const found = obstacle(lane.bucket, "reader", now, limits);
    const left_ms = first.until - now;
    if (found?.kind === "full" && left_ms > 0) {
      const wait_ms = Math.min(found.wait_ms ?? left_ms, left_ms);
      lane.cancelTimer = clock.after(wait_ms, () => serveLine(throttle, lane));
      return;
    }
    lane.line.shift();
    first.resolve(found === null ? go(throttle, lane, "reader") : putOff(lane, found, limits));
  }
}

function laneOf({ lanes, clock, limits }: ThrottleState, target: Target): Lane {
  const key = `${target.integration_type}/${target.oauth_client_id}`;
  const known = lanes.get(key);
  if (known !== undefined) return known;
  const now = clock.monotonic_ms();
  if (lanes.size >= limits.provider_buckets) dropOne(lanes, now, limits);
  const lane = { target, bucket: createBucket(limits, now), line: [], cancelTimer: () => {} };
  lanes.set(key, lane);
  return lane;
}

/**
 * Drops an idle lane, or the oldest. Its callers finish with it, and its limits start from the
 * beginning.
 */
function dropOne(lanes: Map<string, Lane>, now: number, limits: Limits): void {
  const idle = [...lanes].find(([, { line, bucket }]) => line.length === 0 && isIdle(bucket, now, limits));
  const key = idle?.[0] ?? lanes.keys().next().value;
  if (key !== undefined) lanes.delete(key);
}

function busy({ lanes, clock, limits }: ThrottleState): ReadonlySet<OAuthClientId> {
  const now = clock.monotonic_ms();
  const full = [...lanes.values()].filter(
    ({ line, bucket }) => line.length > 0 || obstacle(bucket, "background", now, limits) !== null,
  );
  return new Set(full.map(({ target }) => target.oauth_client_id));
}
