/**
 * Two connections of one service behind a provider that can be made to fail. The token of one has
 * expired, and that of the other is valid for six more minutes. The effects of a fault are read
 * from replies, rows, log and wire, as words for a table.
 */
import { startSimulator } from "@holdfast/simulator";
import { onTestFinished } from "vitest";
import { ERRORS } from "../../../src/core/errors.ts";
import { defineProvider, type Provider, type ProviderDefinition } from "../../../src/providers/provider.ts";
import type { ConnectionRow } from "../../../src/store/tables.ts";
import { manualClock, MINUTE, simulatorTime, until } from "../../support/clock.ts";
import type { Reply } from "../../support/http.ts";
import { startTestServer, type TestApp, type TestServer } from "../../support/server.ts";
import { openGateway, type Behavior, type Gateway } from "./gateway.ts";

export type Rotation = "none" | "grace" | "strict";

/** An origin that gets the refreshes instead of the simulator. */
export interface OtherOrigin {
  readonly origin: `https://${string}`;
  /** Returns the number of attempts so far. */
  readonly attempts?: () => number;
}

export type Fault =
  | { readonly response: Behavior }
  | { readonly modes: readonly string[] }
  | { readonly other_origin: () => Promise<OtherOrigin> | OtherOrigin }
  | "closed";

/** The service of a row: one of the catalog, or one that follows the RFCs except for `provider`. */
export interface Service {
  readonly type?: string;
  readonly host?: string;
  readonly modes?: readonly string[];
  readonly provider?: Partial<ProviderDefinition>;
}

const HOST = "faulty.example.test";
const ID = "faulty";
const LIFE_S = 3600;
/** The second connection is younger by this. Its token is due, but valid for 6.5 more minutes. */
const YOUNGER_MS = 10.5 * MINUTE;
const READ_AT_MS = 64 * MINUTE;

const SIMULATED: Readonly<Record<Rotation, readonly string[]>> = {
  none: [],
  grace: ["rotate", "reuse-ok-60s"],
  strict: ["rotate"],
};

const REFRESH: Readonly<Record<Rotation, Provider["lifetime"]["refresh"]>> = {
  none: { kind: "stays" },
  grace: { kind: "rotates", reuse: "grace", grace_s: 60 },
  strict: { kind: "rotates", reuse: "strict" },
};

function faultyProvider(rotation: Rotation, changes: Partial<ProviderDefinition> = {}): Provider {
  const me = { method: "GET", url: `https://${HOST}/api/v1/me` } as const;
  return defineProvider({
    id: ID,
    display_name: "Faulty",
    description: "Plain OAuth, unless a test changes it.",
    vendor: ID,
    docs_url: `https://${HOST}/`,
    registration: { url: `https://${HOST}/`, notes: [] },
    authorization_url: `https://${HOST}/oauth/authorize`,
    token_url: `https://${HOST}/oauth/token`,
    client_auth: "client_secret_post",
    default_scopes: ["read", "write"],
    common_scopes: [],
    lifetime: { access_s: LIFE_S, refresh: REFRESH[rotation], refresh_idle_s: null, refresh_absolute_s: null },
    identity: { from: "request", request: me, account: { id: "id", label: "name", email: "email" } },
    health: me,
    revocation: { kind: "none", note: "not needed here" },
    hosts: [],
    errors: { refused: [], misconfigured: [], transient: [] },
    sources: [],
    unverified: [],
    ...changes,
  });
}

export interface Stage {
  readonly holdfast: TestServer;
  readonly gateway: Gateway;
  readonly type: string;
  readonly host: string;
  /** The app whose token has expired, and the app whose token is valid. */
  readonly apps: { readonly expired: TestApp; readonly valid: TestApp };
  readonly tokens: { readonly expired: string; readonly valid: string };
}

export async function openStage(rotation: Rotation, service: Service = {}): Promise<Stage> {
  const { type = ID, host = HOST, modes = SIMULATED[rotation] } = service;
  const clock = manualClock();
  const simulator = await startSimulator(simulatorTime(clock));
  onTestFinished(() => simulator.close());
  const gateway = await openGateway(simulator.url, clock);
  const holdfast = await startTestServer({
    clock,
    simulator,
    providers: [faultyProvider(rotation, service.provider)],
    config: { provider_gateway: gateway.url },
    // The maximum of the jitter, to distinguish a fixed wait of 1 s from a random one.
    random: () => 0.999,
  });
  await holdfast.setClient(type, modes);
  const apps = { expired: holdfast.app, valid: await holdfast.createApp("younger") };
  const browser = await holdfast.signedIn();
  await holdfast.connect(type, { app: apps.expired, browser });
  await clock.jump(YOUNGER_MS);
  await holdfast.connect(type, { app: apps.valid, browser });
  const tokens = {
    expired: await holdfast.accessToken(type, apps.expired),
    valid: await holdfast.accessToken(type, apps.valid),
  };
  await clock.jump(READ_AT_MS - YOUNGER_MS);
  return { holdfast, gateway, type, host, apps, tokens };
}

/**
 * Makes refreshes meet this fault from now on. Returns the new stage, and a function that counts
 * the attempts that reached the provider.
 */
export async function strike(stage: Stage, fault: Fault): Promise<[Stage, () => number]> {
  const { gateway, holdfast, host } = stage;
  const received = (): number => gateway.refreshes.length;
  if (fault === "closed") await gateway.close();
  else if ("response" in fault) gateway.arm(fault.response);
  else if ("modes" in fault) holdfast.simulator.setModes({ host, modes: fault.modes });
  else {
    const { origin, attempts = received } = await fault.other_origin();
    return [{ ...stage, holdfast: await holdfast.restart({ config: { provider_gateway: origin } }) }, attempts];
  }
  return [stage, received];
}

/** Ends the faults of the provider. */
export function heal({ gateway, holdfast, host }: Stage): void {
  gateway.arm(null);
  holdfast.simulator.setModes({ host, modes: [] });
}

/** The effects of a fault, in the words of the table. */
export interface Observed {
  readonly outcome: string;
  readonly error: string;
  readonly fail_class: string | null;
  readonly intent: "open" | "none";
  /** Seconds until the next scheduled attempt. Null if there is none. */
  readonly retry_at_s: number | null;
  readonly status: string;
  /** `STATUS code, Retry-After`. */
  readonly expired_reader: string;
  readonly valid_reader: string;
  readonly who_must_act: string;
  /** Of the connection whose token has expired, and of the other one. */
  readonly requests: readonly [number, number];
  readonly tokens: "unchanged" | "changed";
}

const OUTCOMES: Readonly<Record<string, string>> = {
  retry_later: "NOT_CONSUMED",
  refused: "REFUSED",
  misconfigured: "misconfigured",
  unknown: "MAYBE",
};

/** Reads each connection once during the fault. An attempt takes `takes_ms` of the test clock. */
export async function observe(stage: Stage, attempts: () => number, takes_ms: number): Promise<Observed> {
  const { holdfast, gateway, type, apps, tokens } = stage;
  const { clock, installation } = holdfast;
  const passAttempt = async (count: number): Promise<void> => {
    if (takes_ms === 0) return;
    await until("the attempt has begun", () => attempts() === count);
    await clock.advance(takes_ms);
  };

  const before = await holdfast.row(type, apps.expired);
  const pending = holdfast.token(type, { app: apps.expired });
  await passAttempt(1);
  const reply = await pending;
  const after = await until("the attempt has ended", async () => {
    const row = await holdfast.row(type, apps.expired);
    return row.lease_until === null ? row : null;
  });
  const retry_at_ms = after.next_attempt_at === null ? null : after.next_attempt_at - clock.now();
  const for_expired = gateway.refreshes.length;

  const served = await holdfast.token(type, { app: apps.valid });
  const background = installation.refresher.refresh(await holdfast.row(type, apps.valid), "background");
  // An attempt that is put off never begins.
  if (for_expired > 0 || takes_ms > 0) await passAttempt(2);
  await background;

  const failed = holdfast.log.find(
    ({ event, connection_id }) => event === "refresh_failed" && connection_id === before.id,
  );
  return {
    outcome: after.fail_class === "not_sent" ? "NOT_SENT" : (OUTCOMES[String(failed?.["outcome"])] ?? "ok"),
    error: failed === undefined ? "" : String(failed["error_name"]),
    fail_class: after.fail_class,
    intent: after.intent_at === null ? "none" : "open",
    retry_at_s: retry_at_ms === null ? null : retry_at_ms / 1000,
    status: after.reason === null ? after.status : `${after.status}, ${after.reason}`,
    expired_reader: wordsOf(reply),
    valid_reader: `${wordsOf(served)}${served.json["access_token"] === tokens.valid ? "the old token" : "another token"}`,
    who_must_act: actorOf(reply),
    requests: [for_expired, gateway.refreshes.length - for_expired],
    tokens: sameTokens(before, after) ? "unchanged" : "changed",
  };
}

function wordsOf({ status, code, headers }: Reply): string {
  const retry_after = headers.get("retry-after");
  if (code === null) return `${status}, `;
  return `${status} ${code}${retry_after === null ? "" : `, ${retry_after} s`}`;
}

/** Returns who must act, as in the reply. It must agree with the table of errors. */
function actorOf({ code, extra }: Reply): string {
  const row = Object.entries(ERRORS).find(([name]) => name === code)?.[1];
  const expected = row?.who_must_act ?? "nobody";
  return extra["who_must_act"] === expected ? expected : `${expected}, but the reply differs`;
}

function sameTokens(one: ConnectionRow, other: ConnectionRow): boolean {
  const bytes = (seal: Uint8Array | null): string => Buffer.from(seal ?? []).toString("hex");
  return (
    one.generation === other.generation &&
    one.rt_fp === other.rt_fp &&
    bytes(one.sealed_access) === bytes(other.sealed_access) &&
    bytes(one.sealed_refresh) === bytes(other.sealed_refresh)
  );
}

/** A sweep before the scheduled time, and a reader after it, with a provider that works again. */
export interface Later {
  /** Attempts of a sweep one millisecond before `retry_at`. */
  readonly early: number;
  readonly reader: string;
  readonly attempts: number;
  readonly events: readonly string[];
}

/**
 * Returns a sweep before the scheduled time, and a reader after it.
 *
 * @param patience_ms how long after the earliest possible time the reader comes
 */
export async function later(stage: Stage, patience_ms: number): Promise<Later> {
  const { holdfast, type, apps } = stage;
  const row = await holdfast.row(type, apps.expired);
  const wait_ms = row.next_attempt_at === null ? 0 : row.next_attempt_at - holdfast.clock.now();
  if (wait_ms > 1) {
    await holdfast.clock.jump(wait_ms - 1);
    await holdfast.server.sweeper.tick();
  }
  const early = (await holdfast.row(type, apps.expired)).attempt - row.attempt;
  heal(stage);
  await holdfast.clock.jump(Math.min(1, Math.max(0, wait_ms)) + patience_ms);
  await holdfast.server.sweeper.tick();
  const reply = await holdfast.token(type, { app: apps.expired });
  return {
    early,
    reader: reply.status === 409 ? `409 ${String(reply.extra["reason"])}` : String(reply.status),
    attempts: (await holdfast.row(type, apps.expired)).attempt - row.attempt,
    events: (await holdfast.events(apps.expired)).slice(1),
  };
}
