import { describe, expect, it } from "vitest";
import { EVENT_TYPES } from "../../../src/core/events.ts";
import { newConnectionId } from "../../../src/core/ids.ts";
import { Secret } from "../../../src/core/secret.ts";
import { HOUR, SECOND, until } from "../../support/clock.ts";
import { startTestServer } from "../../support/server.ts";
import { hang, logged, daysOf, SECRET, startNode, startReceiver, status } from "./support.ts";

describe("servers", () => {
  it("F60: deliver after a restart the events that the previous process could not", async () => {
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
    receiver.respond = status(200);
    const after = await startNode(receiver.url, before);
    await after.webhooks.run();
    expect(daysOf(receiver.received, id)).toEqual([1, 1, 2]);
    expect(receiver.received[1]?.id).toBe(receiver.received[0]?.id);
  });

  it("F60: leave the event to others when they die while sending, after the reservation expires", async () => {
    const receiver = await startReceiver(hang);
    const one = await startNode(receiver.url, { limits: { webhook_deadline_ms: HOUR } });
    const other = await startNode(receiver.url, one);
    await one.emit("connection.connected", newConnectionId());
    const stopped = one.webhooks.run();
    await until("it is received", () => receiver.received.length === 1);
    receiver.respond = status(200);
    await other.later(29 * SECOND);
    expect(receiver.received).toHaveLength(1);
    await other.later(SECOND);
    expect(receiver.received.map(({ id }) => id)).toEqual([receiver.received[0]?.id, receiver.received[0]?.id]);
    await one.clock.jump(HOUR);
    // After a long pause, the request checks once more whether a response came meanwhile.
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
    for (const id of ids) expect(daysOf(receiver.received, id)).toEqual([1, 2, 3]);
    const counts = [one, other].map((node) => node.webhooks.counts().delivered);
    expect(counts.every((count) => count > 0)).toBe(true);
  });

  it("F60: refresh tokens while the receiver does not respond", async () => {
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

  it("continue after a short database outage", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    node.webhooks.start();
    await node.store.close();
    await node.clock.advance(5 * SECOND);
    expect(logged(node, "events_not_read")).toHaveLength(1);
  });
});
