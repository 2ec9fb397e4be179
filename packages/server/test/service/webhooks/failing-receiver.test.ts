import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newConnectionId } from "../../../src/core/ids.ts";
import { HOUR, MINUTE, SECOND, until } from "../../support/clock.ts";
import {
  APP,
  drop,
  hang,
  logged,
  OLD_SECRET,
  daysOf,
  signatureOf,
  startNode,
  startReceiver,
  status,
  type Received,
} from "./support.ts";

describe("a receiver that fails", () => {
  it("F60: gets the same event again after a 500, with the same id and body and a new signature", async () => {
    const receiver = await startReceiver(status(500));
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    await node.webhooks.run();
    receiver.respond = status(200);
    await node.later(MINUTE);
    const [first, second] = receiver.received;
    if (first === undefined || second === undefined) throw new Error("The event was not sent twice.");
    expect(second).toMatchObject({ id: first.id, text: first.text });
    expect(second.headers["webhook-signature"]).toBe(`${signatureOf(second)} ${signatureOf(second, OLD_SECRET)}`);
    expect(second.headers["webhook-signature"]).not.toBe(first.headers["webhook-signature"]);
    await node.later(HOUR);
    expect(receiver.received).toHaveLength(2);
    expect(node.webhooks.counts()).toEqual({ delivered: 1, failed: 1, given_up: 0 });
  });

  it("F60: gets a connection's events in order when one fails, and other connections' events meanwhile", async () => {
    const [failing, other] = [newConnectionId(), newConnectionId()];
    const receiver = await startReceiver((response, one) =>
      status(one.data["connection_id"] === failing ? 503 : 200)(response, one),
    );
    const node = await startNode(receiver.url);
    for (const days of [1, 2, 3])
      for (const id of [failing, other]) await node.emit("connection.expiring_soon", id, { days });
    await node.webhooks.run();
    expect(daysOf(receiver.received, other)).toEqual([1, 2, 3]);
    expect(daysOf(receiver.received, failing)).toEqual([1]);
    await node.later(MINUTE);
    expect(daysOf(receiver.received, failing)).toEqual([1, 1]);
    receiver.respond = status(200);
    await node.later(HOUR);
    expect(daysOf(receiver.received, failing)).toEqual([1, 1, 1, 2, 3]);
  });

  it("F60: gets every event in order when it is back after 23 hours", async () => {
    const receiver = await startReceiver(drop);
    const node = await startNode(receiver.url);
    const id = newConnectionId();
    await node.emit("connection.expiring_soon", id, { days: 0 });
    for (let hour = 1; hour <= 23; hour += 1) {
      await node.later(HOUR);
      await node.emit("connection.expiring_soon", id, { days: hour });
    }
    expect(daysOf(receiver.received, id)).toEqual(Array.from({ length: 23 }, () => 0));
    receiver.received.length = 0;
    receiver.respond = status(200);
    await node.later(HOUR);
    expect(daysOf(receiver.received, id)).toEqual(Array.from({ length: 24 }, (_, hour) => hour));
  });

  it("F60: loses each event after 24 hours of failures, with one log line for each", async () => {
    const receiver = await startReceiver(status(410));
    const node = await startNode(receiver.url);
    const id = newConnectionId();
    await node.emit("connection.expiring_soon", id, { days: 1 });
    await node.later(2 * HOUR);
    await node.emit("connection.expiring_soon", id, { days: 2 });
    for (let hour = 2; hour < 24; hour += 1) await node.later(HOUR);
    expect(logged(node, "webhook_given_up")).toMatchObject([{ status: 410, connection_id: id, level: "error" }]);
    expect(daysOf(receiver.received, id)).toContain(2);
    await node.later(HOUR);
    receiver.respond = status(200);
    await node.later(HOUR);
    expect(daysOf(receiver.received, id).at(-1)).toBe(2);
    expect(node.webhooks.counts()).toMatchObject({ delivered: 1, given_up: 1 });
  });

  it("F60: gets one last attempt after the server itself was down for days", async () => {
    const receiver = await startReceiver();
    const node = await startNode(receiver.url);
    const ids = [newConnectionId(), newConnectionId()];
    for (const id of ids) await node.emit("connection.connected", id);
    receiver.respond = (response, one) => status(one.data["connection_id"] === ids[0] ? 200 : 500)(response, one);
    await node.later(72 * HOUR);
    expect(node.webhooks.counts()).toEqual({ delivered: 1, failed: 1, given_up: 1 });
  });

  it("gets the next attempt after 5 s, then less and less often, at last once an hour", async () => {
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
    // Half of each wait, because every random number of the test is 0.5.
    expect(waits).toEqual([2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800, 1800, 1800]);
  });

  it.each([
    ["120", 120],
    ["999999", 3600],
    ["0", 2.5],
  ])("decides the wait by Retry-After: %s", async (header, wait_s) => {
    const receiver = await startReceiver(status(429, { "retry-after": header }));
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    await node.later(0);
    await node.later(wait_s * SECOND - 1);
    expect(receiver.received).toHaveLength(1);
    await node.later(1);
    expect(receiver.received).toHaveLength(2);
  });

  it("cannot redirect to another URL", async () => {
    const other = await startReceiver();
    const receiver = await startReceiver(status(307, { location: other.url }));
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    await node.webhooks.run();
    expect(other.received).toEqual([]);
    expect(logged(node, "webhook_failed")).toMatchObject([{ status: 307 }]);
  });

  it("is read for at most 15 s, and not to the end", async () => {
    const receiver = await startReceiver(hang);
    const node = await startNode(receiver.url);
    await node.emit("connection.connected", newConnectionId());
    const running = node.webhooks.run();
    await until("it is received", () => receiver.received.length === 1);
    await node.clock.advance(15 * SECOND);
    await running;
    expect(logged(node, "webhook_failed")).toMatchObject([{ reason: "timeout" }]);
    receiver.respond = (response) => {
      response.writeHead(200);
      const more = (): void => void response.write("x".repeat(65_536), (error) => error ?? more());
      more();
    };
    await node.later(HOUR);
    expect(node.webhooks.counts()).toEqual({ delivered: 1, failed: 1, given_up: 0 });
  });

  it("gets every event at least once and in order, with any responses", { timeout: 60_000 }, async () => {
    const responses = fc.array(fc.constantFrom(status(200), status(500), status(429, { "retry-after": "7" }), drop), {
      maxLength: 12,
    });
    const property = fc.asyncProperty(
      responses,
      fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 9 }),
      async (plan, owners) => {
        const acknowledged: Received[] = [];
        const receiver = await startReceiver((response, one) => {
          const respond = plan.shift() ?? status(200);
          response.on("finish", () => response.statusCode === 200 && acknowledged.push(one));
          respond(response, one);
        });
        const node = await startNode(receiver.url);
        const ids = [newConnectionId(), newConnectionId(), newConnectionId()] as const;
        for (const [days, at] of owners.entries())
          await node.emit("connection.expiring_soon", ids[at] ?? ids[0], { days });
        for (let hour = 0; hour < 13; hour += 1) await node.later(HOUR);
        for (const [at, id] of ids.entries())
          expect(daysOf(acknowledged, id)).toEqual(
            [...owners.entries()].flatMap(([days, to]) => (to === at ? [days] : [])),
          );
        await node.close();
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });
});
