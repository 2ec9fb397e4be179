/** Gmail: reading, sending and labels, against recorded replies. */
import { describe, expect, it } from "vitest";
import { record, simulation } from "../application.ts";
import { apiAt, at, differences, textAt, type Api } from "./api.ts";

const ME = "gmail.googleapis.com/gmail/v1/users/me";
const gmail = async (scope = "gmail.modify"): Promise<Api> =>
  apiAt(await simulation(), "gmail", "google", { scope: `https://www.googleapis.com/auth/${scope}` });

const LETTER = [
  "From: ada@example.com",
  "To: bob@example.com",
  "Subject: =?utf-8?B?R3LDvMOfZQ==?=",
  'Content-Type: multipart/mixed; boundary="b1"',
  "",
  "--b1",
  "Content-Type: text/plain; charset=utf-8",
  "Content-Transfer-Encoding: quoted-printable",
  "",
  "Caf=C3=A9 at noon?",
  "--b1",
  'Content-Type: text/csv; name="a.csv"',
  'Content-Disposition: attachment; filename="a.csv"',
  "Content-Transfer-Encoding: base64",
  "",
  Buffer.from("a,b\n1,2\n").toString("base64"),
  "--b1--",
].join("\r\n");

const send = (api: Api, letter: string, more = {}) =>
  api.call(`POST ${ME}/messages/send`, { json: { raw: Buffer.from(letter).toString("base64url"), ...more } });

describe("Gmail", () => {
  it("replies in the recorded shapes", async () => {
    const api = await gmail();
    expect(differences("gmail", "messages.send", await send(api, LETTER))).toEqual([]);
    const list = await api.call(`GET ${ME}/messages?maxResults=1`);
    expect(differences("gmail", "messages.list", list)).toEqual([]);
    const inbox = await api.call(`GET ${ME}/messages?labelIds=INBOX`);
    const id = textAt(inbox, "messages.0.id");
    expect(differences("gmail", "messages.get", await api.call(`GET ${ME}/messages/${id}`))).toEqual([]);
    expect(differences("gmail", "messages.get raw", await api.call(`GET ${ME}/messages/${id}?format=raw`))).toEqual([]);
    expect(differences("gmail", "threads.list", await api.call(`GET ${ME}/threads`))).toEqual([]);
    expect(differences("gmail", "labels.list", await api.call(`GET ${ME}/labels`))).toEqual([]);
    const draft = { message: { raw: Buffer.from(LETTER).toString("base64url") } };
    expect(differences("gmail", "drafts.create", await api.call(`POST ${ME}/drafts`, { json: draft }))).toEqual([]);
    expect(differences("gmail", "error not found", await api.call(`GET ${ME}/messages/none`))).toEqual([]);
  });

  it("returns a sent message with its decoded headers, parts and attachment", async () => {
    const api = await gmail();
    const id = textAt(await send(api, LETTER), "id");
    const found = await api.call(`GET ${ME}/messages?q=${encodeURIComponent("in:sent subject:grüße -from:bob")}`);
    expect(found.json["messages"]).toMatchObject([{ id }]);
    const { json } = await api.call(`GET ${ME}/messages/${id}`);
    expect(json["snippet"]).toBe("Café at noon?");
    expect(at(json, "payload.parts.0.mimeType")).toBe("text/plain");
    const attachment = record(at(json, "payload.parts.1"));
    const part = String(at(attachment, "body.attachmentId"));
    const file = await api.call(`GET ${ME}/messages/${id}/attachments/${part}`);
    expect([attachment["filename"], Buffer.from(textAt(file, "data"), "base64url").toString()]).toEqual([
      "a.csv",
      "a,b\n1,2\n",
    ]);
  });

  it("puts a reply into its thread, and a message to oneself into the inbox", async () => {
    const api = await gmail();
    const threadId = textAt(await api.call(`GET ${ME}/messages`), "messages.0.threadId");
    const reply = await send(api, "To: ada@example.com\r\nSubject: Re\r\n\r\nYes", { threadId });
    expect(reply.json).toMatchObject({ threadId, labelIds: ["UNREAD", "SENT", "INBOX"] });
    const thread = await api.call(`GET ${ME}/threads/${threadId}?format=minimal`);
    expect(Object.keys(record(thread.json["messages"]))).toHaveLength(2);
  });

  it("marks as read, moves to the trash, and sends a draft once", async () => {
    const api = await gmail();
    const id = textAt(await api.call(`GET ${ME}/messages?q=is:unread`), "messages.0.id");
    await api.call(`POST ${ME}/messages/${id}/modify`, { json: { removeLabelIds: ["UNREAD"] } });
    expect((await api.call(`GET ${ME}/messages?q=is:unread`)).json).toEqual({ resultSizeEstimate: 0 });
    expect(api.state().objects).toMatchObject([{ id, change: "changed", data: { labelIds: ["INBOX"] } }]);
    await api.call(`POST ${ME}/messages/${id}/trash`);
    expect((await api.call(`GET ${ME}/messages`)).json).toEqual({ resultSizeEstimate: 0 });
    const draft = await api.call(`POST ${ME}/drafts`, {
      json: { message: { raw: Buffer.from(LETTER).toString("base64url") } },
    });
    const sent = { json: { id: textAt(draft, "id") } };
    expect((await api.call(`POST ${ME}/drafts/send`, sent)).json).toMatchObject({ labelIds: ["SENT"] });
    expect((await api.call(`POST ${ME}/drafts/send`, sent)).status).toBe(404);
  });

  it("leaves what was sent in the state, with the text of the message", async () => {
    const api = await gmail("gmail.send");
    await send(api, "To: bob@example.com\r\nSubject: Hi\r\n\r\nHello Bob");
    await api.call("POST www.googleapis.com/upload/gmail/v1/users/me/messages/send?uploadType=media", {
      raw: "To: carol@example.com\r\n\r\nHello Carol",
      headers: { "content-type": "message/rfc822" },
    });
    expect(api.state().objects).toMatchObject([
      {
        collection: "messages",
        account: "ada@example.com",
        data: { to: "bob@example.com", subject: "Hi", text: "Hello Bob" },
      },
      { data: { to: "carol@example.com" }, content: { text: "To: carol@example.com\r\n\r\nHello Carol" } },
    ]);
  });

  it("refuses a message without recipient or content, another user's mailbox, and a missing scope", async () => {
    const api = await gmail();
    const refusals = [
      [await send(api, "Subject: Hi\r\n\r\nHello"), 400, "Recipient address required"],
      [await api.call(`POST ${ME}/messages/send`, { json: {} }), 400, "'raw' RFC822 payload"],
      [await api.call(`POST ${ME}/messages/send`, { json: { raw: "<no base64>" } }), 400, "Base64 decoding failed"],
      [await send(api, LETTER, { threadId: "none" }), 404, "Requested entity was not found."],
      [await api.call(`GET ${ME}/messages?maxResults=-1`), 400, "Invalid pageToken"],
      [await api.call("GET gmail.googleapis.com/gmail/v1/users/bob@example.com/messages"), 403, "Delegation denied"],
      [await send(await gmail("gmail.readonly"), LETTER), 403, "insufficient authentication scopes"],
    ] as const;
    for (const [reply, status, message] of refusals) {
      expect([reply.status, at(reply.json, "error.message")]).toEqual([status, expect.stringContaining(message)]);
    }
    expect(api.state().objects).toEqual([]);
  });
});
