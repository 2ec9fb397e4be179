import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { EVENT_TYPES } from "../../../src/core/events.ts";
import { newConnectionId } from "../../../src/core/ids.ts";
import { run } from "../../../src/store/operation.ts";
import { enqueue } from "../../../src/store/queries/outbox.ts";
import { HOUR, MINUTE, SECOND, until } from "../../support/clock.ts";
import { asObject } from "../../support/http.ts";
import { APP, directory, drop, logged, OLD_SECRET, SECRET, startNode, startReceiver, status } from "./support.ts";

describe("a webhook", () => {
  it("is accepted by the Standard Webhooks library, with each of two secrets", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    const id = newConnectionId();
    await node.emit("connection.needs_reconnect", id);
    await node.webhooks.run();
    const [message] = receiver.received;
    if (message === undefined) throw new Error("The receiver got no message.");
    const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, String(value)]));
    for (const secret of [SECRET, OLD_SECRET])
      expect(new Webhook(secret).verify(message.text, headers)).toEqual({
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
    expect(() => new Webhook(SECRET).verify(message.text.replace("slack", "gmail"), headers)).toThrow(/signature/);
    expect(headers).toMatchObject({ "webhook-id": expect.stringMatching(/^evt_/), "content-type": "application/json" });
    expect(node.webhooks.counts()).toEqual({ delivered: 1, failed: 0, given_up: 0 });
  });

  it("has a reconnect_url only if a user must connect again", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    for (const type of EVENT_TYPES) await node.emit(type, newConnectionId());
    await node.webhooks.run();
    const with_url = receiver.received
      .filter(({ data }) => "reconnect_url" in data)
      .map(({ json }) => String(json["type"]));
    expect(with_url.toSorted((a, b) => a.localeCompare(b))).toEqual([
      "connection.expiring_soon",
      "connection.needs_reconnect",
      "connection.scopes_missing",
    ]);
    expect(receiver.received).toHaveLength(EVENT_TYPES.length);
  });

  it("is sent within two seconds", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    node.webhooks.start();
    await node.emit("connection.connected", newConnectionId());
    await node.clock.advance(SECOND);
    expect(await until("it is received", () => receiver.received[0])).toMatchObject({
      json: { type: "connection.connected" },
    });
  });

  it("is not sent for unwanted events, and is sent for unknown events of a newer server", async () => {
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

  it("does not wait for an outbox item that cannot be read", async () => {
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

  it("leaves neither the secrets nor the receiver's URL in the log", async () => {
    const receiver = await startReceiver(status(500));
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    await node.webhooks.run();
    receiver.respond = drop;
    await node.later(HOUR);
    expect(logged(node, "webhook_failed")).toMatchObject([{ status: 500 }, { reason: "connection_lost" }]);
    expect(JSON.stringify(node.log)).not.toMatch(/whsec|AQEB|hidden|127\.0\.0\.1/);
  });
});

describe("without a receiver", () => {
  it("each event is logged once", async () => {
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

describe("docs/webhooks.md", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../../../docs/webhooks.md"), "utf8");

  it("lists each event, and no other", () => {
    expect([...page.matchAll(/^\| `(connection\.\w+)`/gm)].map(([, name]) => name)).toEqual(EVENT_TYPES);
  });

  it("has an example that verifies messages with each secret, and rejects all others", async () => {
    const path = join(directory(), "verify.mjs");
    writeFileSync(path, /```js\n([\s\S]+?)\n```/.exec(page)?.[1] ?? "");
    const example: unknown = await import(path);
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    await node.webhooks.run();
    const [message] = receiver.received;
    const { isFromHoldfast } = asObject(example);
    if (typeof isFromHoldfast !== "function" || message === undefined) throw new Error("The example exports nothing.");
    const isFrom = (text: string, secret: string): unknown => isFromHoldfast(message.headers, text, secret);
    expect([SECRET, OLD_SECRET].map((secret) => isFrom(message.text, secret))).toEqual([true, true]);
    expect([isFrom(`${message.text} `, SECRET), isFrom(message.text, SECRET.replace("AQEB", "AQEC"))]).toEqual([
      false,
      false,
    ]);
  });
});
