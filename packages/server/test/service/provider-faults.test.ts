/**
 * The faults of a provider, F29 to F49, and all their consequences, each through a whole server.
 */
import { clientSecretOf } from "@holdfast/simulator";
import { afterAll, describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { missingScopes } from "../../src/core/scopes.ts";
import { HOUR, MINUTE, SECOND, until } from "../support/clock.ts";
import { asList, type Reply } from "../support/http.ts";
import { RESPONSE_FAULTS } from "./provider-faults/response-faults.ts";
import { ODD_RESPONSES, ORDINARY } from "./provider-faults/odd-responses.ts";
import { altered, json, resets } from "./provider-faults/gateway.ts";
import { AFTERWARDS, CLASSES, SINGLE_USE_MAYBE, type FaultRow } from "./provider-faults/classes.ts";
import { CONNECTION_FAULTS } from "./provider-faults/connection-faults.ts";
import { heal, later, observe, openStage, strike, type Stage } from "./provider-faults/stage.ts";

const HEAD = [
  "fault",
  "the provider",
  "outcome",
  "error",
  "fail class",
  "intent",
  "retry in s",
  "status",
  "reader, token expired",
  "reader, token valid",
  "who must act",
  "tokens",
  "requests",
  "reader at retry time",
];
const table: string[][] = [];

const FAULTS = [...CONNECTION_FAULTS, ...RESPONSE_FAULTS];
const isFirst = (row: FaultRow): boolean => FAULTS.find(({ id }) => id === row.id) === row;

describe("a fault of the provider", () => {
  it.for(FAULTS.filter(isFirst))("$id: $does", hasItsConsequences);
  it.for(FAULTS.filter((row) => !isFirst(row)))("$id: $does", { tags: "all" }, hasItsConsequences);
});

async function hasItsConsequences(row: FaultRow): Promise<void> {
  const { rotation = "none", takes_ms = 0 } = row;
  const [stage, attempts] = await strike(await openStage(rotation, row.service), row.fault);
  const observed = await observe(stage, attempts, takes_ms);
  const single_use = row.class === "MAYBE" && rotation === "strict" ? SINGLE_USE_MAYBE : {};
  expect(observed).toEqual({ ...CLASSES[row.class], error: row.error, ...single_use, ...row.differs });
  expect(row.also?.() ?? []).toEqual([]);
  // If a whole OAuth client is stopped, the other connection may have sent the probe.
  const patience_ms = row.class === "misconfigured" ? 10 * SECOND : 0;
  const afterwards = row.later === null ? null : await later(stage, patience_ms);
  expect(afterwards).toEqual(row.later === undefined ? AFTERWARDS[row.class] : row.later);
  const { requests, ...words } = observed;
  const cells = Object.values(words).map((word) => String(word ?? ""));
  table.push([row.id, row.does, ...cells, requests.join(" + "), afterwards?.reader ?? "not tested"]);
}

describe("an odd response with tokens", () => {
  it.for(ODD_RESPONSES)("$id: $does", { tags: "all" }, async (row) => {
    const { rotation = "none" } = row;
    const [stage] = await strike(await openStage(rotation, row.service), row.fault);
    const { holdfast, gateway, type, tokens } = stage;
    const before = await holdfast.row(type);
    const refreshed = await holdfast.accessToken(type);
    expect(refreshed).not.toBe(tokens.expired);
    const after = await holdfast.row(type);
    expect(after).toMatchObject({ generation: 2, status: "active", fail_class: null, intent_at: null, failures: 0 });
    const granted = after.scopes_granted;
    expect({
      life_s: after.expires_at === null ? null : (after.expires_at - after.issued_at) / 1000,
      refresh_token: after.rt_fp === before.rt_fp ? "kept" : "replaced",
      granted,
      missing: missingScopes(after.scopes_requested, granted),
      events: (await holdfast.events()).slice(1),
    }).toEqual({ ...ORDINARY, ...row.keeps });

    // All readers get this token from now on, and the stored pair can be refreshed in turn.
    for (let read = 0; read < 20; read += 1) expect(await holdfast.accessToken(type)).toBe(refreshed);
    expect(gateway.refreshes).toHaveLength(1);
    heal(stage);
    await holdfast.clock.jump(2 * MINUTE);
    const next = await holdfast.token(type, { rejected: refreshed });
    expect([next.status, next.json["access_token"] === refreshed]).toEqual([200, false]);
    table.push([
      row.id,
      row.does,
      "ok",
      "",
      "",
      "none",
      "",
      "active",
      "200, a new token",
      "",
      "",
      "replaced",
      "1",
      "200",
    ]);
  });
});

const reads = (stage: Stage, count: number): Promise<Reply[]> =>
  Promise.all(Array.from({ length: count }, () => stage.holdfast.token(stage.type)));

describe("no response causes a loop", () => {
  it.for([
    ["0", 0],
    ["-5", -5],
    ['"0"', "0"],
    ["1e99", 1e99],
    ["null", null],
    ['"1h"', "1h"],
  ] as const)("F38: expires_in %s: at most one refresh a minute, with any number of reads", async ([, expires_in]) => {
    const [stage] = await strike(await openStage("strict"), { response: altered(() => ({ expires_in })) });
    const { holdfast, gateway, type } = stage;
    for (let passed_ms = 0; passed_ms < 10 * MINUTE; passed_ms += 3 * SECOND) {
      expect((await holdfast.token(type)).status).toBe(200);
      await holdfast.server.sweeper.tick();
      await holdfast.clock.jump(3 * SECOND);
    }
    // Two connections in ten minutes sent each token once.
    const sent = gateway.refreshes.map(({ refresh_token }) => refresh_token);
    expect(new Set(sent).size).toBe(sent.length);
    expect(sent.length).toBeLessThanOrEqual(2 * 10);
  });

  it("F38: a token whose expiry is unknown is used until its API rejects it", async () => {
    const provider = {
      lifetime: { access_s: null, refresh: { kind: "stays" }, refresh_idle_s: null, refresh_absolute_s: null },
    } as const;
    const { holdfast, gateway, type, tokens } = await openStage("none", { modes: ["no-expires-in"], provider });
    await holdfast.clock.jump(365 * 24 * HOUR);
    await holdfast.server.sweeper.tick();
    expect(await holdfast.accessToken(type)).toBe(tokens.expired);
    expect(await holdfast.row(type)).toMatchObject({ expires_at: null, refresh_at: null });
    expect(gateway.refreshes).toHaveLength(0);
    const replaced = await holdfast.token(type, { rejected: tokens.expired });
    expect([replaced.status, gateway.refreshes.length]).toEqual([200, 1]);
  });

  it("F46: a new token that the API rejects at once is replaced once, and then gets refresh_too_soon", async () => {
    const stage = await openStage("none");
    const { holdfast, gateway, type, host } = stage;
    holdfast.simulator.setModes({ host, modes: ["access-dead"] });
    let token = await holdfast.accessToken(type);
    expect(gateway.refreshes).toHaveLength(1);
    for (let minute = 1; minute <= 3; minute += 1) {
      const replies = await Promise.all(Array.from({ length: 50 }, () => holdfast.token(type, { rejected: token })));
      const errors = new Set(
        replies.map(({ status, code, headers }) => [status, code, headers.get("retry-after")].join()),
      );
      expect(errors).toEqual(new Set(["429,refresh_too_soon,60"]));
      expect(gateway.refreshes).toHaveLength(minute);
      await holdfast.clock.jump(MINUTE);
      token = String((await holdfast.token(type, { rejected: token })).json["access_token"]);
      expect(gateway.refreshes).toHaveLength(minute + 1);
    }
    expect(await holdfast.row(type)).toMatchObject({ status: "active" });
  });
});

describe("a rate limit", () => {
  it("F32: stops readers and sweeps of its OAuth client, to the millisecond, and no other client's", async () => {
    const stage = await openStage("none");
    const { holdfast, gateway, type, apps } = stage;
    await holdfast.connect("googlecalendar");
    await holdfast.clock.jump(2 * HOUR);
    const [limited] = await strike(stage, { response: json(429, {}, { "retry-after": "99999999" }) });
    expect((await limited.holdfast.token(type)).headers.get("retry-after")).toBe("3600");
    heal(stage);
    await holdfast.clock.jump(HOUR - 1);
    await holdfast.server.sweeper.tick();
    for (const app of Object.values(apps)) {
      const { status, code, headers } = await holdfast.token(type, { app });
      expect([status, code, headers.get("retry-after")]).toEqual([503, "provider_unavailable", "1"]);
    }
    const of_type = (): number => gateway.refreshes.filter(({ path }) => path.includes(stage.host)).length;
    expect(of_type()).toBe(1);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    await holdfast.clock.jump(1);
    for (const app of Object.values(apps)) expect((await holdfast.token(type, { app })).status).toBe(200);
    expect(of_type()).toBe(3);
    // The log says why no refresh happens for an hour.
    expect(holdfast.log).toContainEqual(
      expect.objectContaining({ event: "provider_throttle", level: "warn", integration_type: type, outcome: "paused" }),
    );
  });
});

describe("an OAuth client that is rejected", () => {
  it("F43: pauses all its connections, ends none, alerts once, and works again with the right secret", async () => {
    const stage = await openStage("none");
    const { holdfast, gateway, type, apps } = stage;
    const others = [await holdfast.createApp("third"), await holdfast.createApp("fourth")];
    const browser = await holdfast.signedIn();
    for (const app of others) await holdfast.connect(type, { app, browser });
    const all = [...Object.values(apps), ...others];
    await holdfast.clock.jump(2 * HOUR);
    const client = await holdfast.installation.store.installationClient(type);
    const client_id = client?.client_id ?? "";
    holdfast.simulator.registerClient({ client_id, client_secret: "the new one" });

    const alerts = (): number => holdfast.log.filter(({ event }) => event === "oauth_client_rejected").length;
    for (let round = 0; round < 10; round += 1) {
      for (const app of all) {
        const { status, code } = await holdfast.token(type, { app });
        expect([status, code]).toEqual([502, "oauth_client_rejected"]);
      }
      await holdfast.server.sweeper.tick();
      await holdfast.clock.jump(6 * SECOND);
    }
    for (const app of all) expect(await holdfast.row(type, app)).toMatchObject({ status: "active", reason: null });
    for (const app of all) expect(await holdfast.events(app)).toEqual(["connection.connected"]);
    expect(alerts()).toBe(1);
    // Four connections, with readers and sweeps, for a minute.
    expect(gateway.refreshes.length).toBeLessThanOrEqual(12);

    await holdfast.installation.clients.set({
      integration_type: type,
      client_id,
      client_secret: new Secret("the new one"),
      shared_callback: false,
    });
    for (const app of all) expect((await holdfast.token(type, { app })).status).toBe(200);

    holdfast.simulator.registerClient({ client_id, client_secret: clientSecretOf(client_id) });
    await holdfast.clock.jump(2 * HOUR);
    await reads(stage, 3);
    expect(alerts()).toBe(2);
  });
});

describe("a consent that was revoked", () => {
  it.for(["none", "grace", "strict"] as const)(
    "F45: is reported once, and a thousand later reads send no request: %s",
    async (rotation) => {
      const stage = await openStage(rotation);
      const { holdfast, gateway, type } = stage;
      holdfast.simulator.revokeGrants({});
      const first = await holdfast.token(type);
      expect([first.status, first.code, first.extra["reason"]]).toEqual([409, "connection_expired", "revoked"]);
      expect(gateway.refreshes).toHaveLength(1);
      for (let round = 0; round < 10; round += 1) {
        const codes = new Set((await reads(stage, 100)).map(({ code }) => code));
        expect(codes).toEqual(new Set(["connection_expired"]));
      }
      expect(gateway.refreshes).toHaveLength(1);
      expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
      const list = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`);
      expect(asList(list.json["integrations"])).toMatchObject([{ status: "expired", reason: "revoked" }]);

      // If sending again does no harm, one request a minute later confirms the refusal.
      await holdfast.clock.jump(MINUTE);
      for (let round = 0; round < 3; round += 1) {
        await holdfast.server.sweeper.tick();
        await holdfast.clock.jump(HOUR);
      }
      const again = gateway.refreshes.filter(
        ({ refresh_token }) => refresh_token === gateway.refreshes[0]?.refresh_token,
      );
      expect(again).toHaveLength(rotation === "none" ? 2 : 1);
      expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
    },
  );
});

describe("a response that was lost", () => {
  it.for([
    ["none", "less and less often", 1],
    ["grace", "every 10 s until its grace period ends", 0],
  ] as const)(
    "F30: for a %s refresh token causes requests after 1, 3 and 10 s, then %s",
    async ([rotation, , growth]) => {
      const stage = await openStage(rotation);
      const { holdfast, gateway, type } = stage;
      gateway.arm(resets);
      const waits: number[] = [];
      for (let round = 0; round < 5; round += 1) {
        await holdfast.server.sweeper.tick();
        const { next_attempt_at } = await holdfast.row(type);
        const wait_ms = (next_attempt_at ?? 0) - holdfast.clock.now();
        waits.push(wait_ms);
        await holdfast.clock.jump(wait_ms);
      }
      expect(waits.slice(0, 3)).toEqual([SECOND, 3 * SECOND, 10 * SECOND]);
      expect(Math.sign((waits[4] ?? 0) - (waits[3] ?? 0))).toBe(growth);
      expect((await holdfast.row(type)).intent_at).not.toBeNull();
    },
  );

  it("F30: makes the reader of a single-use token give up after 15 s, but not the request", async () => {
    const stage = await openStage("strict", { modes: ["rotate", "slow-59s"] });
    const { holdfast, gateway, type, tokens } = stage;
    const pending = holdfast.token(type);
    await until("the refresh has arrived", () => holdfast.refreshes().length === 1);
    await holdfast.clock.advance(15 * SECOND);
    const { status, code, headers } = await pending;
    expect([status, code, headers.get("retry-after")]).toEqual([503, "provider_unavailable", "1"]);
    await holdfast.clock.advance(44 * SECOND);
    await until("the response is stored", async () => (await holdfast.row(type)).generation === 2);
    expect(await holdfast.accessToken(type)).not.toBe(tokens.expired);
    expect(gateway.refreshes).toHaveLength(1);
  });
});

describe("secrets", () => {
  it.for([307, 308, 302, 303])("F47: are not sent to another host after a %i", async (status) => {
    const stage = await openStage("strict");
    const { holdfast, gateway, type } = stage;
    const location = `${gateway.url}/evil.example/token`;
    gateway.arm(({ socket, ...rest }) => json(status, {}, { location })({ socket, ...rest }));
    expect((await holdfast.token(type)).status).toBe(503);
    await holdfast.clock.jump(MINUTE);
    heal(stage);
    await holdfast.token(type);
    expect(new Set(gateway.refreshes.map(({ path }) => path))).toEqual(new Set([`/${stage.host}/oauth/token`]));
    expect(holdfast.simulator.ledger().redirects_followed).toBe(0);
  });

  it("F33: are not repeated if a provider repeats them in its error", async () => {
    const stage = await openStage("none");
    const { holdfast, gateway, type } = stage;
    gateway.arm(({ request, ...scene }) =>
      json(400, { error: request.refresh_token, error_description: request.body })({ request, ...scene }),
    );
    const reply = await holdfast.token(type);
    const output = reply.text + JSON.stringify(holdfast.log);
    const [sent] = gateway.refreshes;
    expect(sent?.refresh_token).toMatch(/.{8}/);
    expect(output).not.toContain(sent?.refresh_token);
    expect(output).not.toContain("client_secret=");
    expect(holdfast.log).toContainEqual(
      expect.objectContaining({ event: "refresh_failed", error_name: "unrecognised_error" }),
    );
  });
});

afterAll(() => {
  const lines = [HEAD, HEAD.map(() => "---"), ...table.toSorted(([a = ""], [b = ""]) => a.localeCompare(b))];
  console.info(lines.map((line) => `| ${line.join(" | ")} |`).join("\n"));
});
