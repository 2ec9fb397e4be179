/**
 * The functions of the demo in examples/, unchanged, against a fake of the vendors. The others
 * there are run by e2e/examples.test.ts.
 */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWorkbench, type Respond, type Workbench } from "./harness.ts";

const EXAMPLES = fileURLToPath(new URL("../../../../examples/functions", import.meta.url));

const CONNECTIONS: Readonly<Record<string, unknown>> = {
  slack: { access_token: "xoxp-1", integration_type: "slack" },
  googlecalendar: { access_token: "ya29-old", integration_type: "googlecalendar" },
  salesforce: {
    access_token: "00D-1",
    integration_type: "salesforce",
    connection_config: { instance_url: "https://acme.my.salesforce.com" },
  },
};

const respond: Respond = ({ url, headers, body }) => {
  const [, type] = /\/external-auth\/tokens\/(\w+)$/.exec(url) ?? [];
  if (type !== undefined && headers["base44-state"] === "unconnected") {
    return {
      status: 404,
      body: { message: "Connect an account first.", detail: "Connect an account first.", code: "not_connected" },
    };
  }
  if (type === "googlecalendar" && headers["x-holdfast-rejected-token-hash"] !== undefined) {
    return { body: { access_token: "ya29-new", integration_type: type } };
  }
  if (type !== undefined) return { body: CONNECTIONS[type] };
  if (url === "/slack.com/api/conversations.list")
    return { body: { ok: true, channels: [{ id: "C01" }, { id: "C02" }] } };
  if (url === "/slack.com/api/chat.postMessage") {
    const { channel, text } = Object.fromEntries(new URLSearchParams(body));
    if (channel === "C404") return { body: { ok: false, error: "channel_not_found" } };
    return { body: { ok: true, channel, message: { text } } };
  }
  if (url.startsWith("/www.googleapis.com/calendar/v3/calendars/primary/events?")) {
    if (headers["authorization"] === "Bearer ya29-old")
      return { status: 401, body: { error: { message: "Invalid Credentials" } } };
    return {
      body: {
        items: [
          { id: "e1", summary: "Lunch", start: { dateTime: "2026-01-01T12:00:00Z" }, end: { date: "2026-01-02" } },
        ],
      },
    };
  }
  if (url === "/acme.my.salesforce.com/services/oauth2/userinfo") {
    return { body: { user_id: "005", organization_id: "00D", name: "Ada", email: "ada@example.com", more: 1 } };
  }
  return { status: 404, body: {} };
};

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench({
    functions_dir: EXAMPLES,
    gateway_hosts: ["slack.com", "www.googleapis.com", "*.salesforce.com"],
    respond,
  });
});
afterAll(() => bench[Symbol.asyncDispose]());

const call = async (name: string, body?: unknown, headers: Record<string, string> = {}) => {
  const called = await bench.call(name, {
    headers,
    body: body === undefined ? null : Buffer.from(JSON.stringify(body)),
  });
  const json: unknown = JSON.parse(called.body);
  return { status: called.status, json };
};

describe("the examples", () => {
  it("are listed", async () => {
    const names = ["list-calendar-events", "post-to-slack", "salesforce-whoami"];
    expect(await bench.directory.names()).toEqual(expect.arrayContaining(names));
  });

  it("post to Slack, in the named channel or the first one", async () => {
    expect(await call("post-to-slack", { channel: "C7", text: "Hi & bye" })).toEqual({
      status: 200,
      json: { ok: true, channel: "C7", text: "Hi & bye" },
    });
    expect(await call("post-to-slack")).toMatchObject({ status: 200, json: { ok: true, channel: "C01" } });
    expect(bench.seen.at(-1)?.headers["authorization"]).toBe("Bearer xoxp-1");
  });

  it("return why Slack refused, and why there is no connection", async () => {
    expect(await call("post-to-slack", { channel: "C404" })).toMatchObject({
      status: 502,
      json: { ok: false, error: "Slack refused chat.postMessage: channel_not_found" },
    });
    const unconnected = await call("post-to-slack", {}, { "base44-state": "unconnected" });
    expect(unconnected).toMatchObject({
      status: 404,
      json: { code: "not_connected", error: "Connect an account first." },
    });
  });

  it("reject a body that is not JSON", async () => {
    const { status, body } = await bench.call("post-to-slack", { body: Buffer.from("{") });
    expect({ status, body: JSON.parse(body) }).toMatchObject({
      status: 400,
      body: { error: "Send the body as JSON." },
    });
  });

  it("list events, and request a new token if Google rejects the first", async () => {
    expect(await call("list-calendar-events", { limit: 5 })).toEqual({
      status: 200,
      json: { events: [{ id: "e1", title: "Lunch", start: "2026-01-01T12:00:00Z", end: "2026-01-02" }] },
    });
    expect(bench.seen.at(-1)?.url).toContain("maxResults=5");
  });

  it("call Salesforce at the organization's own URL", async () => {
    expect(await call("salesforce-whoami")).toEqual({
      status: 200,
      json: {
        user_id: "005",
        organization_id: "00D",
        name: "Ada",
        email: "ada@example.com",
        instance_url: "https://acme.my.salesforce.com",
      },
    });
  });
});
