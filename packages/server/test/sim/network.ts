/**
 * The network between the nodes and the provider, as an OAuthProtocol that knows what may happen to a request: it is not sent,
 * it is lost, it arrives late when nobody waits any more, it is carried out and the answer is lost. What the provider does
 * is provider.ts; what the engine is told is what oauth/outcome.ts would say of it.
 */
import { Secret } from "../../src/core/secret.ts";
import type { OAuthProtocol, RefreshCall } from "../../src/oauth/protocol.ts";
import type { TokenFailure, TokenOutcome } from "../../src/oauth/outcome.ts";
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
  /** True time, too, whatever the database's clock does. */
  readonly lease_ends_at: number;
  /** The provider decided. */
  processed: boolean;
  /** It will never be. */
  lost: boolean;
  /** What the sender was told; null: nothing yet. */
  outcome: TokenOutcome["kind"] | null;
}

/** Spells that hold for a while, set by the run. */
export interface Weather {
  provider_down_until: number;
  invalid_client_until: number;
  /** The provider asked for silence until then. */
  silenced_until: number;
}

export interface NetworkOptions {
  readonly world: World;
  readonly profile: Profile;
  readonly provider: ProviderModel;
  readonly weather: Weather;
  readonly step: Step;
  /** Right before the first byte leaves. Returns what the ledger keeps of it. */
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
};

const NOT_SENT = ["dns_failed", "connect_failed", "tls_failed"] as const;
/** At most one of them strikes a request. The order is without meaning. */
const AFTER_SENDING = [
  "request_lost",
  "request_reset",
  "processed_late",
  "answer_lost",
  "answer_reset",
  "answer_slow",
  "answer_too_late",
  "server_error_before",
  "server_error_after",
  "garbage_before",
  "garbage_after",
  "rate_limited",
  "unknown_4xx",
] as const satisfies readonly FaultName[];

type Mishap = (typeof AFTER_SENDING)[number] | null;

/** The provider answered, and nobody hears what. */
const LOSING: ReadonlySet<FaultName> = new Set([
  "answer_lost",
  "answer_reset",
  "answer_too_late",
  "server_error_after",
  "garbage_after",
]);

/** A request that comes after its sender is gone must still come before the lease is over: beyond that nobody promises. */
const LATEST_MS = 40_000;

export interface Network {
  clientOf(life: Life): OAuthProtocol;
}

export function createNetwork(options: NetworkOptions): Network {
  const { world, profile, provider, weather, step, sending } = options;
  const { random } = world;
  const travelling = new Set<Request>();

  function struck<Name extends FaultName>(names: readonly Name[], where: string): Name | null {
    const found = names.find((name) => random.chance(profile[name]));
    if (found === undefined) return null;
    world.happened(found, where);
    return found;
  }

  function refresh(life: Life, call: RefreshCall): Promise<TokenOutcome> {
    return new Promise((resolve) => {
      step(life, "before the request", () => {
        world.at(life, 5 + random.next() * 40, () => step(life, "connected", () => connected(life, call, resolve)));
      });
    });
  }

  function connected(life: Life, call: RefreshCall, resolve: (outcome: TokenOutcome) => void): void {
    const unreachable = world.now() < weather.provider_down_until ? "connect_failed" : null;
    const not_sent = unreachable ?? struck(NOT_SENT, life.owner);
    if (not_sent !== null) return void world.at(life, 20, () => resolve(failure.not_sent(not_sent)));
    if (call.onSend?.() === false) return resolve(failure.not_sent("gave_up"));
    const request = sending(life, call.refresh_token.expose());
    const settle = (outcome: TokenOutcome): void => {
      if (request.outcome !== null) {
        // Whoever gave up on it does not hear it.
        const text = outcome.kind === "ok" ? outcome.tokens.refresh_token?.expose() : undefined;
        const issued = text === undefined ? null : provider.token(text);
        if (issued !== null) issued.lost ??= "answer_too_late";
        return;
      }
      request.outcome = outcome.kind;
      world.note(() => `${life.owner} is told of request ${request.number}: ${told(outcome)}`);
      step(life, "after the answer", () => resolve(outcome));
    };
    world.at(life, call.deadline_ms, () => settle(failure.unknown("timeout")));
    travel(request, call.deadline_ms, settle);
    step(life, "after sending", () => {});
  }

  /** From the node to the provider and back. */
  function travel(request: Request, deadline_ms: number, settle: (outcome: TokenOutcome) => void): void {
    const mishap = struck(AFTER_SENDING, request.life.owner);
    const back = (delay_ms: number, outcome: TokenOutcome): void =>
      void world.at(request.life, delay_ms, () => settle(outcome));
    if (mishap === "request_lost") {
      request.lost = true;
      return;
    }
    if (mishap === "request_reset") {
      request.lost = true;
      return back(random.between(10, 3_000), failure.unknown("connection_lost"));
    }
    const late_ms = Math.min(LATEST_MS, deadline_ms * 2);
    const there_ms = mishap === "processed_late" ? random.between(3_000, late_ms) : random.between(5, 150);
    travelling.add(request);
    world.at(null, there_ms, () => {
      travelling.delete(request);
      arrive(request, mishap, deadline_ms, back);
    });
  }

  function arrive(
    request: Request,
    mishap: Mishap,
    deadline_ms: number,
    back: (delay_ms: number, outcome: TokenOutcome) => void,
  ): void {
    const back_ms = random.between(5, 150);
    const unprocessed = refusedUnseen(mishap);
    if (unprocessed !== null) {
      request.lost = true;
      return back(back_ms, unprocessed);
    }
    request.processed = true;
    const others = [...travelling].some(({ token }) => token === request.token);
    const keep = !others && random.chance(profile.refresh_token_missing) && provider.mayKeep(request.token);
    const issued = provider.refresh(request.token, keep, request.life);
    world.note(
      () => `provider: request ${request.number}, ${request.token}: ${issued === null ? "invalid_grant" : "ok"}`,
    );
    if (issued === null) return mishap === "answer_lost" ? undefined : back(back_ms, refused());
    if (keep) world.happened("refresh_token_missing", request.life.owner);
    const lose = (why: FaultName): void => {
      if (issued.refresh !== null) issued.refresh.lost = why;
    };
    // Whoever gave up on it does not hear it.
    if (request.outcome !== null) lose("answer_too_late");
    if (mishap !== null && LOSING.has(mishap)) lose(mishap);
    const answer = toldOf(mishap, issued);
    if (answer !== null) back(back_ms + delayOf(mishap, deadline_ms), answer);
  }

  /** Null: nothing comes back. */
  function toldOf(mishap: Mishap, issued: Issued): TokenOutcome | null {
    if (mishap === "answer_lost") return null;
    if (mishap === "answer_reset") return failure.unknown("connection_lost");
    if (mishap === "server_error_after") return failure.unknown("http_502");
    if (mishap === "garbage_after") return failure.unknown("provider_bad_response");
    return success(issued);
  }

  function delayOf(mishap: Mishap, deadline_ms: number): number {
    if (mishap === "answer_too_late") return deadline_ms + 1_000;
    return mishap === "answer_slow" ? random.between(1_000, Math.floor(deadline_ms * 0.8)) : 0;
  }

  /** What stands in front of the provider, or the provider before it looked at the token. */
  function refusedUnseen(mishap: Mishap): TokenFailure | null {
    if (world.now() < weather.invalid_client_until) return { kind: "misconfigured", error: "invalid_client" };
    if (mishap === "server_error_before") return failure.unknown("http_503");
    if (mishap === "garbage_before") return failure.unknown("provider_bad_response");
    if (mishap === "unknown_4xx") return failure.later("unrecognised_error", null);
    if (mishap !== "rate_limited") return null;
    const retry_after_ms = random.between(1, 20) * 1_000;
    weather.silenced_until = Math.max(weather.silenced_until, world.now() + retry_after_ms);
    return failure.later("http_429", retry_after_ms);
  }

  function success({ access, refresh: issued }: Issued): TokenOutcome {
    const silent = random.chance(profile.lifetime_missing);
    if (silent) world.happened("lifetime_missing", "provider");
    return {
      kind: "ok",
      tokens: {
        access_token: new Secret(access.text),
        refresh_token: issued === null ? null : new Secret(issued.text),
        announced_s: silent ? null : provider.access_ms / 1_000,
        refresh_announced_s: null,
        scopes: null,
        config: {},
        extra: {},
      },
    };
  }

  const unused = (): never => {
    throw new Error("The engine asks for nothing but refreshes here.");
  };

  return {
    clientOf: (life) => ({
      refresh: (call) => refresh(life, call),
      authorizationUrl: unused,
      readCallback: unused,
      exchange: unused,
      identity: unused,
      health: unused,
      revoke: unused,
    }),
  };
}

const refused = (): TokenFailure => ({ kind: "refused", error: "invalid_grant" });

function told(outcome: TokenOutcome): string {
  return outcome.kind === "ok" ? "tokens" : `${outcome.kind} (${outcome.error})`;
}
