/** Slack: messages, channels and users, against recorded replies. */
import { describe, expect, it } from "vitest";
import { simulation } from "../application.ts";
import { apiAt, differences, send, textAt, type Api } from "./api.ts";

const SCOPES = "channels:read,channels:history,chat:write,users:read,users:read.email,im:write";
const slack = async (scope = SCOPES): Promise<Api> => apiAt(await simulation(), "slackbot", "slack", { scope });

const post = (api: Api, fields: Readonly<Record<string, unknown>>) =>
  api.call("POST slack.com/api/chat.postMessage", { json: { channel: "#general", text: "Hello", ...fields } });

describe("Slack", () => {
  it("replies in the recorded shapes", async () => {
    const api = await slack();
    const posted = await post(api, {});
    expect(differences("slack", "chat.postMessage", posted)).toEqual([]);
    const [channel, ts] = [textAt(posted, "channel"), textAt(posted, "ts")];
    const changed = await api.call("POST slack.com/api/chat.update", { json: { channel, ts, text: "Bye" } });
    expect(differences("slack", "chat.update", changed)).toEqual([]);
    expect(differences("slack", "conversations.list", await api.call("GET slack.com/api/conversations.list"))).toEqual(
      [],
    );
    const email = "email=bob%40example.com";
    expect(
      differences("slack", "users.lookupByEmail", await api.call(`GET slack.com/api/users.lookupByEmail?${email}`)),
    ).toEqual([]);
    const history = await api.call(`GET slack.com/api/conversations.history?channel=${channel}`);
    expect(differences("slack", "conversations.history", history)).toEqual([]);
  });

  it("shows a message that the bot posted to a user of the same workspace, and to no other", async () => {
    const api = await slack();
    await post(api, { text: "For all" });
    const user = await apiAt(api.simulator, "slack", "slack", { account: "bob", scope: SCOPES });
    const other = await apiAt(api.simulator, "slack", "slack", { account: "bob@globex", scope: SCOPES });
    const history = "GET slack.com/api/conversations.history?channel=C0SIMGENER";
    expect(textAt(await user.call(history), "messages.0.text")).toBe("For all");
    expect((await other.call(history)).json["messages"]).toEqual([]);
  });

  it("keeps replies in their thread, and pages through a channel", async () => {
    const api = await slack();
    const first = await post(api, { text: "one" });
    await post(api, { text: "two", thread_ts: textAt(first, "ts") });
    await post(api, { text: "three" });
    const url = "GET slack.com/api/conversations";
    const thread = await api.call(`${url}.replies?channel=C0SIMGENER&ts=${textAt(first, "ts")}`);
    expect(thread.json["messages"]).toMatchObject([{ text: "one" }, { text: "two" }]);
    const page = await api.call(`${url}.history?channel=C0SIMGENER&limit=1`);
    expect(page.json["messages"]).toMatchObject([{ text: "three" }]);
    const cursor = textAt(page, "response_metadata.next_cursor");
    const next = await api.call(`${url}.history?channel=C0SIMGENER&limit=1&cursor=${cursor}`);
    expect(next.json["messages"]).toMatchObject([{ text: "one" }]);
  });

  it("accepts a form with blocks as JSON text, and a message to a user", async () => {
    const api = await slack();
    const blocks = JSON.stringify([{ type: "section", text: { type: "mrkdwn", text: "*Hi*" } }]);
    const form = { channel: "general", blocks };
    const posted = await api.call("POST slack.com/api/chat.postMessage", { form });
    expect(posted.json["message"]).toMatchObject({ blocks: [{ type: "section" }] });
    const bob = await api.call("GET slack.com/api/users.lookupByEmail?email=bob@example.com");
    const direct = await post(api, { channel: textAt(bob, "user.id") });
    expect(textAt(direct, "channel")).toMatch(/^D/);
  });

  it("returns HTTP 200 with the reason of a refusal", async () => {
    const api = await slack();
    const refusals = [
      [await post(api, { channel: "C0UNKNOWN" }), "channel_not_found"],
      [await post(api, { text: "" }), "no_text"],
      [await post(api, { blocks: [{ no: "type" }] }), "invalid_blocks"],
      [await post(api, { text: "x".repeat(40_001) }), "msg_too_long"],
      [await post(api, { thread_ts: "1.1" }), "thread_not_found"],
      [await api.call("GET slack.com/api/users.lookupByEmail?email=eve@elsewhere.example"), "users_not_found"],
      [
        await api.call("POST slack.com/api/chat.update", { json: { channel: "general", ts: "1" } }),
        "message_not_found",
      ],
      [await send(api.simulator, "no-such-token", "POST slack.com/api/chat.postMessage", {}), "invalid_auth"],
      [await (await slack("users:read")).call("POST slack.com/api/chat.postMessage"), "missing_scope"],
    ] as const;
    for (const [reply, error] of refusals) {
      expect([reply.status, reply.json["ok"], reply.json["error"]]).toEqual([200, false, error]);
    }
    expect(api.state().objects).toEqual([]);
  });

  it("leaves posted messages in the state, without a time", async () => {
    const api = await slack();
    const posted = await post(api, {});
    await api.call("POST slack.com/api/chat.delete", { json: { channel: "general", ts: textAt(posted, "ts") } });
    await post(api, { text: "Stays" });
    const { calls, objects } = api.state();
    expect(objects).toMatchObject([
      { vendor: "slack", collection: "messages", account: "acme", id: "1", change: "deleted", data: null },
      { id: "2", change: "created", data: { channel: "C0SIMGENER", text: "Stays" } },
    ]);
    expect(calls.map(({ method, path, status }) => `${method} ${path} ${status}`)).toEqual([
      "POST /api/chat.postMessage 200",
      "POST /api/chat.delete 200",
      "POST /api/chat.postMessage 200",
    ]);
  });
});
