import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, it, onTestFinished } from "vitest";
import { LIMITS, loadConfig, type Config, type Limits } from "../../src/config.ts";
import { EVENT_TYPES, type EventType } from "../../src/core/events.ts";
import { newAppId, newConnectionId } from "../../src/core/ids.ts";
import { Secret } from "../../src/core/secret.ts";
import { instant, type ConnectionId } from "../../src/core/types.ts";
import { createHttpClient } from "../../src/net/http-client.ts";
import { emit } from "../../src/service/events/events.ts";
import { createUrls } from "../../src/service/urls.ts";
import { createWebhooks, type Webhooks } from "../../src/service/events/webhooks.ts";
import { run } from "../../src/store/operation.ts";
import { enqueue } from "../../src/store/queries/outbox.ts";
import { openSqlite } from "../../src/store/sqlite.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { HOUR, manualClock, MINUTE, SECOND, until, type ManualClock } from "../support/clock.ts";
import { asObject, type Json } from "../support/http.ts";
import { startTestServer } from "../support/server.ts";

const SECRETS = [1, 2].map((byte) => `whsec_${Buffer.alloc(32, byte).toString("base64")}`);
const [SECRET = "", OLD_SECRET = ""] = SECRETS;
const APP = newAppId();

interface Received {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: Json;
  readonly data: Json;
}

type Answer = (response: ServerResponse, received: Received) => void;
const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end("ignored");
const drop: Answer = (response) => response.destroy();
/** Until the connection ends. */
const hang: Answer = () => {};

interface Receiver {
  readonly url: string;
  readonly received: Received[];
  answer: Answer;
}

async function startReceiver(answer: Answer = status(204)): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const json = asObject(JSON.parse(text));
      const { headers } = request;
      const one = { id: String(headers["webhook-id"]), headers, text, json, data: asObject(json["data"]) };
      received.push(one);
      self.answer(response, one);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const self: Receiver = { url: `http://127.0.0.1:${port}/hook?key=hidden`, received, answer };
  return self;
}

interface NodeOptions {
  readonly clock?: ManualClock;
  readonly data_dir?: string;
  readonly limits?: Partial<Limits>;
  readonly events_wanted?: readonly EventType[];
  readonly url?: string | null;
}

interface Node {
  readonly store: Store;
  readonly webhooks: Webhooks;
  readonly clock: ManualClock;
  readonly data_dir: string;
  readonly log: readonly Json[];
  emit(type: EventType, id: ConnectionId, details?: Readonly<Record<string, number>>): Promise<void>;
  /** The clock moves, and everything that is due is sent. */
  later(ms: number): Promise<void>;
  close(): Promise<void>;
}

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "holdfast-webhooks-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Delivery as a server has it, over a real database and real connections. */
async function startNode(url: string | null, options: NodeOptions = {}): Promise<Node> {
  const { clock = manualClock(instant(Date.now())), data_dir = directory() } = options;
  const limits = { ...LIMITS, ...options.limits };
  const store = createStore(await openSqlite({ data_dir, clock, limits }));
  const log: Json[] = [];
  const webhooks = createWebhooks({
    store,
    httpClient: createHttpClient({ gateway: null, plain_loopback: true, limits, clock }),
    urls: createUrls("https://connect.example"),
    webhook: url === null ? null : { url: new Secret(url), secrets: SECRETS.map((text) => new Secret(text)) },
    events_wanted: new Set(options.events_wanted ?? EVENT_TYPES),
    clock,
    limits,
    log: createLog("debug", (line) => void log.push(asObject(JSON.parse(line)))),
    random: () => 0.5,
  });
  let closed: Promise<void> | null = null;
  const self: Node = {
    store,
    webhooks,
    clock,
    data_dir,
    log,
    emit: (type, id, details) =>
      store.transaction((tx) =>
        emit(
          tx,
          type,
          { app_id: APP, id, integration_type: "slack", reason: "revoked", account_label: "Ada" },
          details,
        ),
      ),
    async later(ms) {
      await clock.jump(ms);
      await webhooks.run();
    },
    close() {
      closed ??= webhooks.close().then(() => store.close());
      return closed;
    },
  };
  onTestFinished(() => self.close());
  return self;
}

const places = (received: readonly Received[], id: ConnectionId): readonly unknown[] =>
  received.filter(({ data }) => data["connection_id"] === id).map(({ data }) => data["days"]);
const logged = ({ log }: Node, event: string): readonly Json[] => log.filter((line) => line["event"] === event);

/** As the reference implementation signs it. */
function signatureOf({ id, headers, text }: Received, secret = SECRET): string {
  const at = new Date(Number(headers["webhook-timestamp"]) * 1000);
  return new Webhook(secret).sign(id, at, text);
}

describe("a webhook", () => {
  it("is one that the Standard Webhooks library accepts, with each of two secrets", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    const id = newConnectionId();
    await node.emit("connection.needs_reconnect", id);
    await node.webhooks.run();
    const [one] = receiver.received;
    if (one === undefined) throw new Error("nothing was received");
    const headers = Object.fromEntries(Object.entries(one.headers).map(([name, value]) => [name, String(value)]));
    for (const secret of [SECRET, OLD_SECRET])
      expect(new Webhook(secret).verify(one.text, headers)).toEqual({
        type: "connection.needs_reconnect",
        timestamp: new Date(node.clock.now()).toISOString(),
        data: {
          app_id: APP,
          connection_id: id,
          integration_type: "slack",
          reason: "revoked",
          account: "Ada",
          reconnect_url: `https://connect.example/apps/${APP}/connect/slack`,
        },
      });
    expect(() => new Webhook(SECRET).verify(one.text.replace("slack", "gmail"), headers)).toThrow(/signature/);
    expect(headers).toMatchObject({ "webhook-id": expect.stringMatching(/^evt_/), "content-type": "application/json" });
    expect(node.webhooks.counts()).toEqual({ delivered: 1, failed: 0, given_up: 0 });
  });

  it("says where to connect again only when somebody has to", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    for (const type of EVENT_TYPES) await node.emit(type, newConnectionId());
    await node.webhooks.run();
    const asking = receiver.received
      .filter(({ data }) => "reconnect_url" in data)
      .map(({ json }) => String(json["type"]));
    expect(asking.toSorted((a, b) => a.localeCompare(b))).toEqual([
      "connection.expiring_soon",
      "connection.needs_reconnect",
      "connection.scopes_missing",
    ]);
    expect(receiver.received).toHaveLength(EVENT_TYPES.length);
  });

  it("is sent by itself within a second or two", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    node.webhooks.start();
    await node.emit("connection.connected", newConnectionId());
    await node.clock.advance(SECOND);
    expect(await until("it is received", () => receiver.received[0])).toMatchObject({
      json: { type: "connection.connected" },
    });
  });

  it("is not sent for events that nobody asked for, and is for those of a newer server", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url, { events_wanted: ["connection.disconnected"] });
    const connection_id = newConnectionId();
    await node.emit("connection.connected", connection_id);
    await node.emit("connection.disconnected", connection_id);
    const payload = { type: "connection.renamed", at: 0, integration_type: "slack" };
    await node.store.transaction((tx) =>
      enqueue(tx, { app_id: APP, id: "evt_new", kind: "event", connection_id, payload, sealed: null }),
    );
    await node.webhooks.run();
    expect(receiver.received.map(({ json }) => json["type"])).toEqual([
      "connection.disconnected",
      "connection.renamed",
    ]);
    expect(logged(node, "connection.connected")).toHaveLength(1);
  });

  it("does not wait behind something that is no event", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    const connection_id = newConnectionId();
    await node.store.transaction(async (tx) => {
      await enqueue(tx, { app_id: APP, id: "evt_broken", kind: "event", connection_id, payload: {}, sealed: null });
      await run(tx.db.updateTable("outbox").set({ payload: "{" }).where("id", "=", "evt_broken"));
    });
    await node.emit("connection.connected", connection_id);
    await node.webhooks.run();
    expect(receiver.received).toHaveLength(1);
    expect(logged(node, "event_unreadable")).toMatchObject([{ event_id: "evt_broken" }]);
  });

  it("leaves neither the secrets nor the receiver's address in the log", async () => {
    const receiver = await startReceiver(status(500));
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    await node.webhooks.run();
    receiver.answer = drop;
    await node.later(HOUR);
    expect(logged(node, "webhook_failed")).toMatchObject([{ status: 500 }, { reason: "connection_lost" }]);
    expect(JSON.stringify(node.log)).not.toMatch(/whsec|AQEB|hidden|127\.0\.0\.1/);
  });
});

describe("without a receiver", () => {
  it("each event is a line of the log, once", async () => {
    const node = await startNode(null);
    const id = newConnectionId();
    await node.emit("connection.connected", id);
    await node.emit("connection.needs_reconnect", id);
    await node.later(MINUTE);
    await node.later(MINUTE);
    expect(node.log).toMatchObject([
      { level: "info", event: "connection.connected", connection_id: id, integration_type: "slack" },
      { level: "warn", event: "connection.needs_reconnect", app_id: APP, reason: "revoked" },
    ]);
    expect(await node.store.dueOutbox("event", 10)).toEqual([]);
  });
});

describe("a receiver that fails", () => {
  it("F60: gets the same event again after a 500, with the same id and body and a new signature", async () => {
    const receiver = await startReceiver(status(500));
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    await node.webhooks.run();
    receiver.answer = status(200);
    await node.later(MINUTE);
    const [first, second] = receiver.received;
    if (first === undefined || second === undefined) throw new Error("it was not sent twice");
    expect(second).toMatchObject({ id: first.id, text: first.text });
    expect(second.headers["webhook-signature"]).toBe(`${signatureOf(second)} ${signatureOf(second, OLD_SECRET)}`);
    expect(second.headers["webhook-signature"]).not.toBe(first.headers["webhook-signature"]);
    await node.later(HOUR);
    expect(receiver.received).toHaveLength(2);
    expect(node.webhooks.counts()).toEqual({ delivered: 1, failed: 1, given_up: 0 });
  });

  it("F60: keeps the order of a connection whose events fail, while another's are delivered", async () => {
    const [stuck, free] = [newConnectionId(), newConnectionId()];
    const receiver = await startReceiver((response, one) =>
      status(one.data["connection_id"] === stuck ? 503 : 200)(response, one),
    );
    const node = await startNode(receiver.url);
    for (const days of [1, 2, 3])
      for (const id of [stuck, free]) await node.emit("connection.expiring_soon", id, { days });
    await node.webhooks.run();
    expect(places(receiver.received, free)).toEqual([1, 2, 3]);
    expect(places(receiver.received, stuck)).toEqual([1]);
    await node.later(MINUTE);
    expect(places(receiver.received, stuck)).toEqual([1, 1]);
    receiver.answer = status(200);
    await node.later(HOUR);
    expect(places(receiver.received, stuck)).toEqual([1, 1, 1, 2, 3]);
  });

  it("F60: gets every event once it is back after 23 hours, in order", async () => {
    const receiver = await startReceiver(drop);
    const node = await startNode(receiver.url);
    const id = newConnectionId();
    await node.emit("connection.expiring_soon", id, { days: 0 });
    for (let hour = 1; hour <= 23; hour += 1) {
      await node.later(HOUR);
      await node.emit("connection.expiring_soon", id, { days: hour });
    }
    expect(places(receiver.received, id)).toEqual(Array.from({ length: 23 }, () => 0));
    receiver.received.length = 0;
    receiver.answer = status(200);
    await node.later(HOUR);
    expect(places(receiver.received, id)).toEqual(Array.from({ length: 24 }, (_, hour) => hour));
  });

  it("F60: is given up after 24 hours, event by event, with a line of the log for each", async () => {
    const receiver = await startReceiver(status(410));
    const node = await startNode(receiver.url);
    const id = newConnectionId();
    await node.emit("connection.expiring_soon", id, { days: 1 });
    await node.later(2 * HOUR);
    await node.emit("connection.expiring_soon", id, { days: 2 });
    for (let hour = 2; hour < 24; hour += 1) await node.later(HOUR);
    expect(logged(node, "webhook_given_up")).toMatchObject([{ status: 410, connection_id: id, level: "error" }]);
    expect(places(receiver.received, id)).toContain(2);
    await node.later(HOUR);
    receiver.answer = status(200);
    await node.later(HOUR);
    expect(places(receiver.received, id).at(-1)).toBe(2);
    expect(node.webhooks.counts()).toMatchObject({ delivered: 1, given_up: 1 });
  });

  it("F60: is asked a last time after the server itself was away for days", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    const ids = [newConnectionId(), newConnectionId()];
    for (const id of ids) await node.emit("connection.connected", id);
    receiver.answer = (response, one) => status(one.data["connection_id"] === ids[0] ? 200 : 500)(response, one);
    await node.later(72 * HOUR);
    expect(node.webhooks.counts()).toEqual({ delivered: 1, failed: 1, given_up: 1 });
  });

  it("is asked again after 5 s, then ever more rarely, at last once an hour", async () => {
    const receiver = await startReceiver(drop);
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    const waits: number[] = [];
    for (let attempt = 0; attempt < 14; attempt += 1) {
      await node.webhooks.run();
      const [item] = await node.store.listOutbox(APP, "event");
      const wait_ms = (item?.next_attempt_at ?? 0) - node.clock.now();
      waits.push(wait_ms / SECOND);
      await node.clock.jump(wait_ms);
    }
    // Half of each, since the test's random numbers are all one half.
    expect(waits).toEqual([2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800, 1800, 1800]);
  });

  it.each([
    ["120", 120],
    ["999999", 3600],
    ["0", 2.5],
  ])("is obeyed when it says Retry-After: %s", async (header, wait_s) => {
    const receiver = await startReceiver(status(429, { "retry-after": header }));
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    await node.later(0);
    await node.later(wait_s * SECOND - 1);
    expect(receiver.received).toHaveLength(1);
    await node.later(1);
    expect(receiver.received).toHaveLength(2);
  });

  it("is not followed elsewhere", async () => {
    const elsewhere = await startReceiver();
    const receiver = await startReceiver(status(307, { location: elsewhere.url }));
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    await node.webhooks.run();
    expect(elsewhere.received).toEqual([]);
    expect(logged(node, "webhook_failed")).toMatchObject([{ status: 307 }]);
  });

  it("is not read for longer than 15 s, nor for ever", async () => {
    const receiver = await startReceiver(hang);
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    const running = node.webhooks.run();
    await until("it is received", () => receiver.received.length === 1);
    await node.clock.advance(15 * SECOND);
    await running;
    expect(logged(node, "webhook_failed")).toMatchObject([{ reason: "timeout" }]);
    receiver.answer = (response) => {
      response.writeHead(200);
      const more = (): void => void response.write("x".repeat(65_536), (error) => error ?? more());
      more();
    };
    await node.later(HOUR);
    expect(node.webhooks.counts()).toEqual({ delivered: 1, failed: 1, given_up: 0 });
  });

  it("gets every event at least once and in order, whatever it answers", { timeout: 60_000 }, async () => {
    const answers = fc.array(fc.constantFrom(status(200), status(500), status(429, { "retry-after": "7" }), drop), {
      maxLength: 12,
    });
    const law = fc.asyncProperty(
      answers,
      fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 9 }),
      async (plan, of) => {
        const acknowledged: Received[] = [];
        const receiver = await startReceiver((response, one) => {
          const answer = plan.shift() ?? status(200);
          response.on("finish", () => response.statusCode === 200 && acknowledged.push(one));
          answer(response, one);
        });
        const node = await startNode(receiver.url);
        const ids = [newConnectionId(), newConnectionId(), newConnectionId()] as const;
        for (const [days, at] of of.entries()) await node.emit("connection.expiring_soon", ids[at] ?? ids[0], { days });
        for (let hour = 0; hour < 13; hour += 1) await node.later(HOUR);
        for (const [at, id] of ids.entries())
          expect(places(acknowledged, id)).toEqual(
            [...of.entries()].flatMap(([days, to]) => (to === at ? [days] : [])),
          );
        await node.close();
      },
    );
    await fc.assert(law, { numRuns: 25 });
  });
});

describe("servers", () => {
  it("F60: deliver after a restart what the one before could not", async () => {
    const receiver = await startReceiver(hang);
    const before = await startNode(receiver.url);
    const id = newConnectionId();
    for (const days of [1, 2]) await before.emit("connection.expiring_soon", id, { days });
    before.webhooks.start();
    await before.clock.advance(SECOND);
    await until("it is received", () => receiver.received.length === 1);
    let is_closed = false;
    const closing = before.close().then(() => (is_closed = true));
    await before.clock.advance(SECOND);
    expect(is_closed).toBe(false);
    await before.clock.advance(SECOND);
    await closing;
    receiver.answer = status(200);
    const after = await startNode(receiver.url, before);
    await after.webhooks.run();
    expect(places(receiver.received, id)).toEqual([1, 1, 2]);
    expect(receiver.received[1]?.id).toBe(receiver.received[0]?.id);
  });

  it("F60: that die while they send leave the event to the others, after the reservation", async () => {
    const receiver = await startReceiver(hang);
    const one = await startNode(receiver.url, { limits: { webhook_deadline_ms: HOUR } });
    const other = await startNode(receiver.url, one);
    await one.emit("connection.connected", newConnectionId());
    const stopped = one.webhooks.run();
    await until("it is received", () => receiver.received.length === 1);
    receiver.answer = status(200);
    await other.later(29 * SECOND);
    expect(receiver.received).toHaveLength(1);
    await other.later(SECOND);
    expect(receiver.received.map(({ id }) => id)).toEqual([receiver.received[0]?.id, receiver.received[0]?.id]);
    await one.clock.jump(HOUR);
    // Whoever was stopped for that long looks once more whether an answer came meanwhile.
    await one.clock.advance(SECOND);
    await stopped;
    await other.later(HOUR);
    expect(receiver.received).toHaveLength(2);
  });

  it("F60: share the events of one database, each sent once and in order", async () => {
    const receiver = await startReceiver();
    const one = await startNode(receiver.url);
    const other = await startNode(receiver.url, one);
    const ids = Array.from({ length: 20 }, () => newConnectionId());
    for (const days of [1, 2, 3]) for (const id of ids) await one.emit("connection.expiring_soon", id, { days });
    await Promise.all([one.webhooks.run(), other.webhooks.run()]);
    await one.webhooks.run();
    for (const id of ids) expect(places(receiver.received, id)).toEqual([1, 2, 3]);
    const counts = [one, other].map((node) => node.webhooks.counts().delivered);
    expect(counts.every((count) => count > 0)).toBe(true);
  });

  it("F60: refresh tokens while the receiver does not answer", async () => {
    const receiver = await startReceiver(hang);
    const webhook = { url: new Secret(receiver.url), secrets: [new Secret(SECRET)] };
    const events_wanted = new Set(EVENT_TYPES);
    const holdfast = await startTestServer({ config: { webhook, events_wanted } });
    await holdfast.connect("googlecalendar");
    await holdfast.clock.advance(SECOND);
    await until("the receiver is busy", () => receiver.received.length === 1);
    const old = await holdfast.accessToken("googlecalendar");
    await holdfast.clock.jump(2 * HOUR);
    expect(await holdfast.accessToken("googlecalendar")).not.toBe(old);
    await holdfast.clock.jump(2 * HOUR);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(2);
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.refreshed", "connection.refreshed"]);
  });

  it("do not stop over a database that is away for a moment", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    node.webhooks.start();
    await node.store.close();
    await node.clock.advance(5 * SECOND);
    expect(logged(node, "events_not_read")).toHaveLength(1);
  });
});

describe("docs/webhooks.md", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../../docs/webhooks.md"), "utf8");

  it("lists each event, and no other", () => {
    expect([...page.matchAll(/^\| `(connection\.\w+)`/gm)].map(([, name]) => name)).toEqual(EVENT_TYPES);
  });

  it("shows a receiver how to verify, and that works with each secret and with nothing else", async () => {
    const path = join(directory(), "verify.mjs");
    writeFileSync(path, /```js\n([\s\S]+?)\n```/.exec(page)?.[1] ?? "");
    const shown: unknown = await import(path);
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    await node.webhooks.run();
    const [one] = receiver.received;
    const { isFromHoldfast } = asObject(shown);
    if (typeof isFromHoldfast !== "function" || one === undefined) throw new Error("the example exports nothing");
    const isFrom = (text: string, secret: string): unknown => isFromHoldfast(one.headers, text, secret);
    expect([SECRET, OLD_SECRET].map((secret) => isFrom(one.text, secret))).toEqual([true, true]);
    expect([isFrom(`${one.text} `, SECRET), isFrom(one.text, SECRET.replace("AQEB", "AQEC"))]).toEqual([false, false]);
  });
});

describe("the settings of webhooks", () => {
  const URL_SETTING = { HOLDFAST_WEBHOOK_URL: "https://example.com/hook?key=hidden" };
  const BOTH = { ...URL_SETTING, HOLDFAST_WEBHOOK_SECRET: SECRET };
  const load = (environment: Record<string, string>): Config => loadConfig({}, { ...environment });

  it("are taken out of the environment, where functions and crash reports would find them", () => {
    const environment: Record<string, string> = { ...BOTH, HOLDFAST_WEBHOOK_SECRET: SECRETS.join(" ") };
    const { webhook } = loadConfig({}, environment);
    expect(webhook?.url.expose()).toBe(URL_SETTING.HOLDFAST_WEBHOOK_URL);
    expect(webhook?.secrets.map((secret) => secret.expose())).toEqual(SECRETS);
    expect(environment).toEqual({});
  });

  it("ask for every event but the hourly one, unless they say which", () => {
    expect(load({}).events_wanted.size).toBe(0);
    expect([...load(BOTH).events_wanted]).toEqual(EVENT_TYPES.filter((type) => type !== "connection.refreshed"));
    const some = load({ ...BOTH, HOLDFAST_WEBHOOK_EVENTS: "connection.refreshed, connection.recovered" });
    expect([...some.events_wanted]).toEqual(["connection.refreshed", "connection.recovered"]);
  });

  it.each<readonly [string, Record<string, string>]>([
    ["plain http", { ...BOTH, HOLDFAST_WEBHOOK_URL: "http://example.com/hook?key=hidden" }],
    ["no address", { ...BOTH, HOLDFAST_WEBHOOK_URL: "example.com?key=hidden" }],
    ["a password", { ...BOTH, HOLDFAST_WEBHOOK_URL: "https://me:hidden@example.com/" }],
    ["no secret", URL_SETTING],
    ["no address for the secret", { HOLDFAST_WEBHOOK_SECRET: SECRET }],
    ["a short secret", { ...BOTH, HOLDFAST_WEBHOOK_SECRET: `whsec_${Buffer.alloc(23).toString("base64")}` }],
    ["a long secret", { ...BOTH, HOLDFAST_WEBHOOK_SECRET: `whsec_${Buffer.alloc(65).toString("base64")}` }],
    ["a secret of another kind", { ...BOTH, HOLDFAST_WEBHOOK_SECRET: SECRET.replace("whsec_", "whpk_") }],
    ["a secret that is no base64", { ...BOTH, HOLDFAST_WEBHOOK_SECRET: `${SECRET}*` }],
    ["three secrets", { ...BOTH, HOLDFAST_WEBHOOK_SECRET: [...SECRETS, SECRET].join(" ") }],
    ["an unknown event", { ...BOTH, HOLDFAST_WEBHOOK_EVENTS: "connection.lost" }],
    ["events without a receiver", { HOLDFAST_WEBHOOK_EVENTS: "connection.recovered" }],
  ])("refuse %s, and do not repeat what is secret", (_, environment) => {
    expect(() => load(environment)).toThrow(
      expect.objectContaining({
        code: "configuration",
        message: expect.stringMatching(/^HOLDFAST_WEBHOOK_\w+ (?!.*(?:hidden|AQEB|AAAA)).+/),
      }),
    );
  });

  it("take plain http on the machine itself", () => {
    for (const origin of ["http://localhost:9/", "http://127.0.0.1:9/", "http://[::1]:9/"])
      expect(load({ ...BOTH, HOLDFAST_WEBHOOK_URL: origin }).webhook?.url.expose()).toBe(origin);
  });
});
