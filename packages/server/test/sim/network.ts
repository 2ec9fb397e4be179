/**
 * The network between the nodes and the provider, as an OAuthProtocol that knows the fates of a
 * request: it is not sent, it is lost, it arrives after its sender gave up, or it is processed and
 * its response is lost. provider.ts says what the provider does. The engine gets the outcome that
 * oauth/outcome.ts would have.
 */
import { Secret } from "../../src/core/secret.ts";
import type { TokenFailure, TokenOutcome } from "../../src/oauth/outcome.ts";
import type { OAuthProtocol, RefreshCall } from "../../src/oauth/protocol.ts";
import type { FaultName, Profile } from "./faults.ts";
import type { Issued, ProviderModel } from "./provider.ts";
import type { Life, Step, World } from "./world.ts";

export interface Request {
  readonly number: number;
  readonly life: Life;
  readonly token: string;
  readonly connection: string;
  /** True time. */
  readonly sent_at: number;
  /** True time, independent of the database's clock. */
  readonly lease_ends_at: number;
  /** The provider processed it. */
  processed: boolean;
  /** The provider will never process it. */
  lost: boolean;
  /** The outcome that the sender got. Null if it got none yet. */
  outcome: TokenOutcome["kind"] | null;
}

/** Conditions at the provider that last for a while. Set by the run. */
export interface Weather {
  provider_down_until: number;
  invalid_client_until: number;
  /** The end of the last Retry-After. */
  throttled_until: number;
}

export interface NetworkOptions {
  readonly world: World;
  readonly profile: Profile;
  readonly provider: ProviderModel;
  readonly weather: Weather;
  readonly step: Step;
  /** Called right before the first byte is sent. Returns the record of the request. */
  readonly sending: (life: Life, token: string) => Request;
}

const failure = {
  not_sent: (error: string): TokenFailure => ({ kind: "retry_later", sent: false, retry_after_ms: null, error }),
  later: (error: string, retry_after_ms: number | null): TokenFailure => ({
    kind: "retry_later",
    sent: true,
    retry_after_ms,
    error,
  }),
  unknown: (error: string): TokenFailure => ({ kind: "unknown", error }),
  refused: (): TokenFailure => ({ kind: "refused", error: "invalid_grant" }),
};

const NOT_SENT = ["dns_failed", "connect_failed", "tls_failed"] as const;
/** At most one of them happens to a request. The order has no meaning. */
const AFTER_SENDING = [
  "request_lost",
  "request_reset",
  "processed_late",
  "response_lost",
  "response_reset",
  "response_slow",
  "response_too_late",
  "server_error_before",
  "server_error_after",
  "garbage_before",
  "garbage_after",
  "rate_limited",
  "unknown_4xx",
] as const satisfies readonly FaultName[];

type RequestFault = (typeof AFTER_SENDING)[number] | null;

/** The provider processed the request, and its response is lost. */
const LOSING: ReadonlySet<FaultName> = new Set([
  "response_lost",
  "response_reset",
  "response_too_late",
  "server_error_after",
  "garbage_after",
]);

/**
 * A request that arrives after the death of its sender still arrives before the lease expires. The
 * engine promises nothing beyond that.
 */
const LATEST_MS = 40_000;

interface NetworkState extends NetworkOptions {
  /** Requests on their way to the provider. */
  readonly travelling: Set<Request>;
}

/** Sends an outcome back to the sender. */
type SendBack = (delay_ms: number, outcome: TokenOutcome) => void;

export interface Network {
  clientOf(life: Life): OAuthProtocol;
}

export function createNetwork(options: NetworkOptions): Network {
  const network: NetworkState = { ...options, travelling: new Set() };
  return {
    clientOf: (life) => ({
      refresh: (call) => refresh(network, life, call),
      authorizationUrl: unused,
      readCallback: unused,
      exchange: unused,
      identity: unused,
      health: unused,
      revoke: unused,
    }),
  };
}

function unused(): never {
  throw new Error("The engine sends only refreshes here.");
}

function refresh(network: NetworkState, life: Life, call: RefreshCall): Promise<TokenOutcome> {
  const { world, step } = network;
  return new Promise((resolve) => {
    step(life, "before the request", () => {
      const connect_ms = 5 + world.random.next() * 40;
      world.at(life, connect_ms, () => step(life, "connected", () => connected(network, life, call, resolve)));
    });
  });
}

function connected(
  network: NetworkState,
  life: Life,
  call: RefreshCall,
  resolve: (outcome: TokenOutcome) => void,
): void {
  const { world, weather, step } = network;
  const unreachable = world.now() < weather.provider_down_until ? "connect_failed" : null;
  const not_sent = unreachable ?? drawFault(network, NOT_SENT, life.owner);
  if (not_sent !== null) return void world.at(life, 20, () => resolve(failure.not_sent(not_sent)));
  if (call.onSend?.() === false) return resolve(failure.not_sent("gave_up"));
  const request = network.sending(life, call.refresh_token.expose());
  const settle = (outcome: TokenOutcome): void => settleRequest(network, request, outcome, resolve);
  world.at(life, call.deadline_ms, () => settle(failure.unknown("timeout")));
  travel(network, request, call.deadline_ms, settle);
  step(life, "after sending", () => {});
}

/** Draws at most one of these faults, and counts it. */
function drawFault<Name extends FaultName>(
  { world, profile }: NetworkState,
  names: readonly Name[],
  where: string,
): Name | null {
  const drawn = names.find((name) => world.random.chance(profile[name]));
  if (drawn === undefined) return null;
  world.happened(drawn, where);
  return drawn;
}

/** Gives the sender the outcome of its request, unless it gave up before. */
function settleRequest(
  { world, provider, step }: NetworkState,
  request: Request,
  outcome: TokenOutcome,
  resolve: (outcome: TokenOutcome) => void,
): void {
  const { life, number } = request;
  if (request.outcome !== null) {
    const text = outcome.kind === "ok" ? outcome.tokens.refresh_token?.expose() : undefined;
    const issued = text === undefined ? null : provider.token(text);
    if (issued !== null) issued.lost ??= "response_too_late";
    return;
  }
  request.outcome = outcome.kind;
  world.trace(() => `${life.owner} gets the outcome of request ${number}: ${describeOutcome(outcome)}`);
  step(life, "after the response", () => resolve(outcome));
}

function describeOutcome(outcome: TokenOutcome): string {
  return outcome.kind === "ok" ? "tokens" : `${outcome.kind} (${outcome.error})`;
}

/** Carries a request to the provider and its outcome back. */
function travel(
  network: NetworkState,
  request: Request,
  deadline_ms: number,
  settle: (outcome: TokenOutcome) => void,
): void {
  const { world, travelling } = network;
  const { random } = world;
  const fault = drawFault(network, AFTER_SENDING, request.life.owner);
  const sendBack: SendBack = (delay_ms, outcome) => void world.at(request.life, delay_ms, () => settle(outcome));
  if (fault === "request_lost") {
    request.lost = true;
    return;
  }
  if (fault === "request_reset") {
    request.lost = true;
    return sendBack(random.between(10, 3_000), failure.unknown("connection_lost"));
  }
  const late_ms = Math.min(LATEST_MS, deadline_ms * 2);
  const there_ms = fault === "processed_late" ? random.between(3_000, late_ms) : random.between(5, 150);
  travelling.add(request);
  world.at(null, there_ms, () => {
    travelling.delete(request);
    arrive(network, request, fault, deadline_ms, sendBack);
  });
}

/** The request reaches the provider. */
function arrive(
  network: NetworkState,
  request: Request,
  fault: RequestFault,
  deadline_ms: number,
  sendBack: SendBack,
): void {
  const { world } = network;
  const back_ms = world.random.between(5, 150);
  const rejection = rejectedUnread(network, fault);
  if (rejection !== null) {
    request.lost = true;
    return sendBack(back_ms, rejection);
  }
  request.processed = true;
  const issued = processRequest(network, request);
  if (issued === null) return fault === "response_lost" ? undefined : sendBack(back_ms, failure.refused());
  const why = whyLost(request, fault);
  if (issued.refresh !== null && why !== null) issued.refresh.lost = why;
  const outcome = outcomeAfter(network, fault, issued);
  if (outcome !== null) sendBack(back_ms + delayOf(network, fault, deadline_ms), outcome);
}

function whyLost({ outcome }: Request, fault: RequestFault): FaultName | null {
  if (fault !== null && LOSING.has(fault)) return fault;
  return outcome === null ? null : "response_too_late";
}

/**
 * Returns the response of a proxy before the provider, or of the provider before it read the token.
 * Null if the request gets through.
 */
function rejectedUnread({ world, weather }: NetworkState, fault: RequestFault): TokenFailure | null {
  if (world.now() < weather.invalid_client_until) return { kind: "misconfigured", error: "invalid_client" };
  if (fault === "server_error_before") return failure.unknown("http_503");
  if (fault === "garbage_before") return failure.unknown("provider_bad_response");
  if (fault === "unknown_4xx") return failure.later("unrecognised_error", null);
  if (fault !== "rate_limited") return null;
  const retry_after_ms = world.random.between(1, 20) * 1_000;
  weather.throttled_until = Math.max(weather.throttled_until, world.now() + retry_after_ms);
  return failure.later("http_429", retry_after_ms);
}

/** The provider processes the request. Returns null for `invalid_grant`. */
function processRequest({ world, profile, provider, travelling }: NetworkState, request: Request): Issued | null {
  const { token, life, number } = request;
  const is_alone = ![...travelling].some((other) => other.token === token);
  const keep = is_alone && world.random.chance(profile.refresh_token_missing) && provider.canKeep(token);
  const issued = provider.refresh(token, keep, life);
  world.trace(() => `provider: request ${number}, ${token}: ${issued === null ? "invalid_grant" : "ok"}`);
  if (issued !== null && keep) world.happened("refresh_token_missing", life.owner);
  return issued;
}

/** Returns the outcome that the sender gets, or null if nothing comes back. */
function outcomeAfter(network: NetworkState, fault: RequestFault, issued: Issued): TokenOutcome | null {
  if (fault === "response_lost") return null;
  if (fault === "response_reset") return failure.unknown("connection_lost");
  if (fault === "server_error_after") return failure.unknown("http_502");
  if (fault === "garbage_after") return failure.unknown("provider_bad_response");
  return success(network, issued);
}

function delayOf({ world }: NetworkState, fault: RequestFault, deadline_ms: number): number {
  if (fault === "response_too_late") return deadline_ms + 1_000;
  return fault === "response_slow" ? world.random.between(1_000, Math.floor(deadline_ms * 0.8)) : 0;
}

function success({ world, profile, provider }: NetworkState, { access, refresh: issued }: Issued): TokenOutcome {
  const is_silent = world.random.chance(profile.lifetime_missing);
  if (is_silent) world.happened("lifetime_missing", "provider");
  return {
    kind: "ok",
    tokens: {
      access_token: new Secret(access.text),
      refresh_token: issued === null ? null : new Secret(issued.text),
      announced_s: is_silent ? null : provider.access_ms / 1_000,
      refresh_announced_s: null,
      scopes: null,
      config: {},
      extra: {},
    },
  };
}
