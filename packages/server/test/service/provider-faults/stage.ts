/**
 * Two connections of one service behind a provider that can be made to fail: the token of one is over, that of the other
 * has six minutes left. What a fault did is read from replies, rows, log and wire, as plain words that a table can show.
 */
import { startSimulator } from "@holdfast/simulator";
import { onTestFinished } from "vitest";
import { ERRORS } from "../../../src/core/errors.ts";
import { defineProvider, type Provider, type ProviderDefinition } from "../../../src/providers/provider.ts";
import type { ConnectionRow } from "../../../src/store/tables.ts";
import { manualClock, MINUTE, simulatorTime, until } from "../../support/clock.ts";
import type { Reply } from "../../support/http.ts";
import { startTestServer, type TestApp, type TestServer } from "../../support/server.ts";
import { openGateway, type Behaviour, type Gateway } from "./gateway.ts";

export type Rotation = "none" | "grace" | "strict";

/** An origin that refreshes go to instead of the simulator, and how many have got there. */
export interface Elsewhere {
  readonly origin: `https://${string}`;
  readonly begun?: () => number;
}

export type Fault =
  | { readonly answer: Behaviour }
  | { readonly modes: readonly string[] }
  | { readonly elsewhere: () => Promise<Elsewhere> | Elsewhere }
  | "closed";

/** The service of a row: of the catalog, or one that follows the RFCs and departs from them as said here. */
export interface Service {
  readonly type?: string;
  readonly host?: string;
  readonly modes?: readonly string[];
  readonly provider?: Partial<ProviderDefinition>;
}

const HOST = "faulty.example.test";
const ID = "faulty";
const LIFE_S = 3600;
/** The second connection is so much younger that its token is due, but lives for another six minutes and a half. */
const YOUNGER_MS = 10.5 * MINUTE;
const ASKED_MS = 64 * MINUTE;

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
    description: "Plain OAuth, until a test says otherwise.",
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
  /** Whose token is over, and whose is not. */
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
    // The whole of the jitter, so that a wait of 1 s is told from one by chance.
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
  await clock.jump(ASKED_MS - YOUNGER_MS);
  return { holdfast, gateway, type, host, apps, tokens };
}

/** From now on refreshes meet this fault. @returns the stage after it, and how many attempts have reached the provider */
export async function strike(stage: Stage, fault: Fault): Promise<[Stage, () => number]> {
  const { gateway, holdfast, host } = stage;
  const seen = (): number => gateway.refreshes.length;
  if (fault === "closed") await gateway.close();
  else if ("answer" in fault) gateway.arm(fault.answer);
  else if ("modes" in fault) holdfast.simulator.setModes({ host, modes: fault.modes });
  else {
    const { origin, begun = seen } = await fault.elsewhere();
    return [{ ...stage, holdfast: await holdfast.restart({ config: { provider_gateway: origin } }) }, begun];
  }
  return [stage, seen];
}

/** The provider is well again. */
export function heal({ gateway, holdfast, host }: Stage): void {
  gateway.arm(null);
  holdfast.simulator.setModes({ host, modes: [] });
}

/** What a fault came to, in the words of the table. */
export interface Observed {
  readonly outcome: string;
  readonly error: string;
  readonly fail_class: string | null;
  readonly intent: "open" | "none";
  /** Seconds until the next attempt by itself; null = none. */
  readonly retry_at_s: number | null;
  readonly status: string;
  /** `STATUS code, Retry-After`. */
  readonly expired_reader: string;
  readonly valid_reader: string;
  readonly who_must_act: string;
  /** For the connection whose token is over, and for the other one. */
  readonly requests: readonly [number, number];
  readonly tokens: "unchanged" | "changed";
}

const OUTCOMES: Readonly<Record<string, string>> = {
  retry_later: "NOT_CONSUMED",
  refused: "REFUSED",
  misconfigured: "misconfigured",
  unknown: "MAYBE",
};

/** One reader of each connection meets the fault, which takes `takes_ms` of the test clock. */
export async function observe(stage: Stage, begun: () => number, takes_ms: number): Promise<Observed> {
  const { holdfast, gateway, type, apps, tokens } = stage;
  const { clock, installation } = holdfast;
  const passing = async (attempts: number): Promise<void> => {
    if (takes_ms === 0) return;
    await until("the attempt has begun", () => begun() === attempts);
    await clock.advance(takes_ms);
  };

  const before = await holdfast.row(type, apps.expired);
  const asked = holdfast.token(type, { app: apps.expired });
  await passing(1);
  const reply = await asked;
  const after = await until("the attempt is over", async () => {
    const row = await holdfast.row(type, apps.expired);
    return row.lease_until === null ? row : null;
  });
  const retry_at_ms = after.next_attempt_at === null ? null : after.next_attempt_at - clock.now();
  const for_expired = gateway.refreshes.length;

  const served = await holdfast.token(type, { app: apps.valid });
  const behind = installation.refresher.refresh(await holdfast.row(type, apps.valid), "background");
  // One that is put off never begins.
  if (for_expired > 0 || takes_ms > 0) await passing(2);
  await behind;

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
    expired_reader: shown(reply),
    valid_reader: `${shown(served)}${served.json["access_token"] === tokens.valid ? "the old token" : "another token"}`,
    who_must_act: actorOf(reply),
    requests: [for_expired, gateway.refreshes.length - for_expired],
    tokens: sameTokens(before, after) ? "unchanged" : "changed",
  };
}

function shown({ status, code, headers }: Reply): string {
  const retry_after = headers.get("retry-after");
  if (code === null) return `${status}, `;
  return `${status} ${code}${retry_after === null ? "" : `, ${retry_after} s`}`;
}

/** As the reply says it, which must be what the table of errors says. */
function actorOf({ code, extra }: Reply): string {
  const row = Object.entries(ERRORS).find(([name]) => name === code)?.[1];
  const due = row?.who_must_act ?? "nobody";
  return extra["who_must_act"] === due ? due : `${due}, but the reply says otherwise`;
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

/** What was not before its time, and what a reader gets after it, from a provider that is well again. */
export interface Later {
  /** Attempts that a sweep made a millisecond before `retry_at`. */
  readonly early: number;
  readonly reader: string;
  readonly attempts: number;
  readonly events: readonly string[];
}

/** @param patience_ms how much later than it might the reader comes */
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
