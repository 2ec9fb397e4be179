/**
 * Gmail: messages, threads, labels and drafts of the user's own mailbox.
 * https://developers.google.com/workspace/gmail/api/reference/rest (shapes in recorded/gmail.json)
 *
 * Simplified: a search knows `from:`, `to:`, `subject:`, `label:`, `in:`, `is:`, `has:attachment`,
 * `after:`, `before:`, `newer_than:`, `older_than:`, words and `-`. Nothing is delivered: a message
 * to oneself is in the inbox, too.
 */
import { empty, json } from "../../engine/reply.ts";
import type { Collection, Objects, Seed, Stored } from "../../engine/objects.ts";
import type { Account, Caller, JsonObject, Reply, RouteContext, TokenRoute } from "../../engine/types.ts";
import { sha256 } from "../../engine/values.ts";
import { list, object, pageOf, sizeOf, text, type Handler } from "../kit/endpoints.ts";
import { fileName, header, leaves, parseMessage, textOf, type Part } from "../kit/mime.ts";
import { apiError, googleEndpoints } from "./common.ts";

const hexId = (space: string, owner: string, n: number): string => sha256(`${space}\n${owner}\n${n}`).slice(0, 16);

/** Returns the members of a message, besides its labels. The bytes are its content. */
function essence(part: Part): JsonObject {
  const names = ["from", "to", "cc", "bcc", "subject"];
  const given = names.flatMap((name): [string, string][] => {
    const value = header(part, name);
    return value === "" ? [] : [[name, value]];
  });
  const attachments = leaves(part)
    .map(fileName)
    .filter((name) => name !== "");
  const html = textOf(part, "text/html");
  return {
    ...Object.fromEntries(given),
    text: textOf(part, "text/plain"),
    ...(html === "" ? {} : { html }),
    ...(attachments.length === 0 ? {} : { attachments }),
  };
}

function letter(from: string, to: string, subject: string, words: string): Seed {
  const content = Buffer.from(`From: ${from}\r\nTo: ${to}\r\nSubject: ${subject}\r\n\r\n${words}\r\n`);
  return { data: { labelIds: ["UNREAD", "INBOX"], ...essence(parseMessage(content)) }, content };
}

const messages: Collection = {
  name: "messages",
  newId: (owner, n) => hexId("gmail message", owner, n),
  seed: (owner) => [letter("Bob Example <bob@example.com>", owner, "Lunch on Friday", "Shall we meet at noon?")],
};

const drafts: Collection = { name: "drafts", newId: (owner, n) => `r${hexId("gmail draft", owner, n)}` };

const labelsOf = ({ data }: Stored): string[] => list(data["labelIds"]).map(text);
const threadOf = ({ id, data }: Stored): string => text(data["threadId"]) || id;
const bytesOf = ({ content }: Stored): Uint8Array => content ?? Buffer.alloc(0);

const snippetOf = ({ data }: Stored): string =>
  (text(data["text"]) || text(data["html"]).replaceAll(/<[^>]*>/g, " ")).replaceAll(/\s+/g, " ").trim().slice(0, 200);

/** Attachments have an id instead of data. Each id is the position of the part. */
function payload(part: Part, part_id: string): JsonObject {
  const filename = fileName(part);
  const size = part.body.length;
  const data = filename === "" ? { data: part.body.toString("base64url") } : { attachmentId: `att-${part_id || "0"}` };
  const headers = part.headers.map(([name, value]) => ({ name, value }));
  const base = { partId: part_id, mimeType: part.type, filename, headers };
  const prefix = part_id === "" ? "" : `${part_id}.`;
  if (part.parts.length === 0) return { ...base, body: size === 0 ? { size } : { size, ...data } };
  return { ...base, body: { size: 0 }, parts: part.parts.map((one, n) => payload(one, `${prefix}${n}`)) };
}

function partAt(part: Part, part_id: string): Part | undefined {
  const steps = part_id === "" ? [] : part_id.split(".");
  return steps.reduce<Part | undefined>((found, step) => found?.parts[Number(step)], part);
}

const short = (stored: Stored): JsonObject => ({ id: stored.id, threadId: threadOf(stored) });
const labelled = (stored: Stored): JsonObject => ({ ...short(stored), labelIds: labelsOf(stored) });

function render(stored: Stored, query: URLSearchParams): JsonObject {
  const base = {
    ...labelled(stored),
    snippet: snippetOf(stored),
    sizeEstimate: bytesOf(stored).length,
    historyId: String(1000 + stored.n),
    internalDate: String(stored.created_at),
  };
  const format = (query.get("format") ?? "full").toLowerCase();
  if (format === "minimal") return base;
  if (format === "raw") return { ...base, raw: Buffer.from(bytesOf(stored)).toString("base64url") };
  const whole = payload(parseMessage(bytesOf(stored)), "");
  if (format !== "metadata") return { ...base, payload: whole };
  const wanted = query.getAll("metadataHeaders").map((name) => name.toLowerCase());
  const headers = list(whole["headers"]).filter((one) => {
    return wanted.length === 0 || wanted.includes(text(object(one)["name"]).toLowerCase());
  });
  return { ...base, payload: { mimeType: whole["mimeType"], headers } };
}

const FOLDERS: Readonly<Record<string, (labels: readonly string[]) => boolean>> = {
  anywhere: () => true,
  read: (labels) => !labels.includes("UNREAD"),
};

const inFolder = (name: string, labels: readonly string[]): boolean =>
  FOLDERS[name]?.(labels) ?? labels.some((label) => label.toLowerCase() === name);

const DAYS: Readonly<Record<string, number>> = { d: 1, m: 30, y: 365 };

/** Returns the instant of `after:2026/11/29`, of seconds since 1970, or of `newer_than:2d`. */
function instantOf(value: string, now: number): number {
  const [, count, unit = ""] = /^(\d+)([dmy])$/.exec(value) ?? [];
  if (count !== undefined) return now - Number(count) * (DAYS[unit] ?? 0) * 86_400_000;
  return /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value.replaceAll("/", "-"));
}

/** Reports whether a message matches one term of a search. */
function matchesTerm(stored: Stored, term: string, now: number): boolean {
  if (term.startsWith("-")) return !matchesTerm(stored, term.slice(1), now);
  const [, name = "", quoted = ""] = /^(?:([a-z]+):)?(.*)$/s.exec(term) ?? [];
  const value = quoted.replaceAll(/["()]/g, "");
  const has = (member: string) => text(stored.data[member]).toLowerCase().includes(value);
  if (name === "from" || name === "to" || name === "subject" || name === "cc") return has(name);
  if (name === "in" || name === "is" || name === "label") return inFolder(value, labelsOf(stored));
  if (name === "after" || name === "newer_than") return stored.created_at >= instantOf(value, now);
  if (name === "before" || name === "older_than") return stored.created_at < instantOf(value, now);
  if (name === "has") return value === "attachment" && stored.data["attachments"] !== undefined;
  return ["from", "to", "subject", "text", "html"].some(has);
}

/** Returns the terms of a search. A term in quotes has blanks. */
const termsOf = (given: string): string[] => given.toLowerCase().match(/-?(?:[a-z]+:)?(?:"[^"]*"|\S+)/g) ?? [];

/** Returns the messages that the query selects, newest first. */
function search(all: Objects, { incoming: { query }, now }: RouteContext): readonly Stored[] {
  const terms = termsOf(query.get("q") ?? "");
  const wanted = query.getAll("labelIds");
  const everything =
    query.get("includeSpamTrash") === "true" || terms.some((term) => /^in:(?:trash|spam|anywhere)/.test(term));
  return all
    .list()
    .toReversed()
    .filter((one) => {
      const labels = labelsOf(one);
      if (!everything && labels.some((label) => label === "TRASH" || label === "SPAM")) return false;
      return wanted.every((label) => labels.includes(label)) && terms.every((term) => matchesTerm(one, term, now));
    });
}

const invalid = (message: string): Reply => apiError(400, "INVALID_ARGUMENT", "invalidArgument", message);
const missing = (): Reply => apiError(404, "NOT_FOUND", "notFound", "Requested entity was not found.");

type InMailbox = (context: RouteContext, caller: Caller, all: Objects) => Reply;

/** Runs a call in the caller's own mailbox. */
const inMailbox =
  (handle: InMailbox): Handler =>
  (context, caller) => {
    const { email } = caller.account;
    const user = context.params["user"];
    if (user !== "me" && user !== email) {
      return apiError(403, "PERMISSION_DENIED", "forbidden", `Delegation denied for ${email}`);
    }
    return handle(context, caller, context.objects(messages, email));
  };

const onMessage = (handle: (context: RouteContext, all: Objects, found: Stored) => Reply): Handler =>
  inMailbox((context, _, all) => {
    const found = all.get(context.params["id"] ?? "");
    return found === undefined ? missing() : handle(context, all, found);
  });

const page = (all: readonly Stored[], query: URLSearchParams) => {
  const size = sizeOf(query.get("maxResults"), 100, 500);
  return size === null ? null : pageOf(all, size, query.get("pageToken"));
};

const listMessages = inMailbox((context, _, all) => {
  const { query } = context.incoming;
  const found = search(all, context);
  const shown = page(found, query);
  if (shown === null) return invalid("Invalid pageToken");
  const rows = found.length === 0 ? {} : { messages: shown.items.map(short) };
  return json(200, { ...rows, nextPageToken: shown.next ?? undefined, resultSizeEstimate: found.length });
});

const listThreads = inMailbox((context, _, all) => {
  const { query } = context.incoming;
  const threads = new Map(search(all, context).map((one) => [threadOf(one), one]));
  const shown = page([...threads.values()], query);
  if (shown === null) return invalid("Invalid pageToken");
  const rows = shown.items.map((one) => ({
    id: threadOf(one),
    snippet: snippetOf(one),
    historyId: String(1000 + one.n),
  }));
  return json(200, { threads: rows, nextPageToken: shown.next ?? undefined, resultSizeEstimate: threads.size });
});

const getThread = inMailbox(({ params, incoming }, _, all) => {
  const found = all.list().filter((one) => threadOf(one) === params["id"]);
  const last = found.at(-1);
  if (last === undefined) return missing();
  const rows = found.map((one) => render(one, incoming.query));
  return json(200, { id: threadOf(last), historyId: String(1000 + last.n), messages: rows });
});

const getMessage = onMessage(({ incoming }, _, found) => json(200, render(found, incoming.query)));

const getAttachment = onMessage(({ params }, _, found) => {
  const part_id = (params["attachment"] ?? "").replace(/^att-/, "");
  const part = partAt(parseMessage(bytesOf(found)), part_id);
  if (part === undefined || fileName(part) === "") return invalid("Invalid attachment token");
  return json(200, { size: part.body.length, data: part.body.toString("base64url") });
});

const BASE64URL = /^[\w+/-]+={0,2}$/;

/** Returns the bytes of a message: as `raw` in JSON, or as the body of an upload. */
function bytesIn({ incoming }: RouteContext, message: JsonObject): Buffer | Reply {
  if (incoming.path.startsWith("/upload/")) return incoming.raw;
  const raw = text(message["raw"]);
  if (raw === "") {
    return invalid("'raw' RFC822 payload message string or uploading message via /upload/* URL required");
  }
  if (!BASE64URL.test(raw)) return invalid("Invalid value at 'raw' (TYPE_BYTES), Base64 decoding failed");
  return Buffer.from(raw, "base64url");
}

function sendBytes(all: Objects, { email }: Account, content: Buffer, message: JsonObject): Reply {
  const said = essence(parseMessage(content));
  const recipients = ["to", "cc", "bcc"].map((name) => text(said[name])).join(",");
  if (recipients.replaceAll(",", "").trim() === "") return invalid("Recipient address required");
  const labelIds = recipients.includes(email) ? ["UNREAD", "SENT", "INBOX"] : ["SENT"];
  const threadId = text(message["threadId"]);
  const is_reply = threadId !== "" && all.list().some((one) => threadOf(one) === threadId);
  if (threadId !== "" && !is_reply) return missing();
  const added = all.add({ data: { labelIds, ...(is_reply ? { threadId } : {}), ...said }, content });
  return json(200, labelled(added));
}

const send = inMailbox((context, { account }, all) => {
  const content = bytesIn(context, context.incoming.json);
  return Buffer.isBuffer(content) ? sendBytes(all, account, content, context.incoming.json) : content;
});

const modify = onMessage(({ incoming }, all, found) => {
  const removed = list(incoming.json["removeLabelIds"]).map(text);
  const added = list(incoming.json["addLabelIds"]).map(text);
  if (removed.length + added.length === 0) return invalid("No label add or removes specified");
  const labelIds = [...new Set([...labelsOf(found).filter((label) => !removed.includes(label)), ...added])];
  return json(200, labelled(all.replace(found.id, { ...found.data, labelIds })));
});

const trash = onMessage((_, all, found) => {
  const labelIds = [...labelsOf(found).filter((label) => label !== "INBOX"), "TRASH"];
  return json(200, labelled(all.replace(found.id, { ...found.data, labelIds })));
});

const remove = onMessage((_, all, found) => {
  all.remove(found.id);
  return empty(204);
});

const createDraft = inMailbox((context, { account }) => {
  const message = object(context.incoming.json["message"]);
  const content = bytesIn(context, message);
  if (!Buffer.isBuffer(content)) return content;
  const data = { labelIds: ["DRAFT"], ...essence(parseMessage(content)) };
  const added = context.objects(drafts, account.email).add({ data, content });
  return json(200, {
    id: added.id,
    message: { id: added.id.slice(1), threadId: added.id.slice(1), labelIds: ["DRAFT"] },
  });
});

const sendDraft = inMailbox((context, { account }, all) => {
  const stored = context.objects(drafts, account.email);
  const draft = stored.get(text(context.incoming.json["id"]));
  if (draft === undefined) return missing();
  const reply = sendBytes(all, account, Buffer.from(bytesOf(draft)), {});
  if (reply.status === 200) stored.remove(draft.id);
  return reply;
});

const SYSTEM_LABELS = ["INBOX", "SENT", "DRAFT", "UNREAD", "STARRED", "IMPORTANT", "SPAM", "TRASH"];

const labels = inMailbox(() =>
  json(200, { labels: SYSTEM_LABELS.map((name) => ({ id: name, name, type: "system" })) }),
);

const profile = inMailbox((_, { account }, all) => {
  const stored = all.list();
  const threadsTotal = new Set(stored.map(threadOf)).size;
  const historyId = String(1000 + (stored.at(-1)?.n ?? 0));
  return json(200, { emailAddress: account.email, messagesTotal: stored.length, threadsTotal, historyId });
});

const USER = "/gmail/v1/users/:user";
const ALL = "https://mail.google.com/";
const MODIFY = [ALL, "gmail.modify"];
const READ = [...MODIFY, "gmail.readonly"];
const gmail = (scopes: readonly string[], table: Readonly<Record<string, Handler>>): TokenRoute[] =>
  // The older host serves the same API.
  ["gmail.googleapis.com", "www.googleapis.com"].flatMap((host) => googleEndpoints("gmail", host, scopes, table));

export const gmailRoutes: readonly TokenRoute[] = [
  ...gmail([...READ, "gmail.metadata", "gmail.compose"], { [`GET ${USER}/profile`]: profile }),
  ...gmail([...READ, "gmail.metadata"], {
    [`GET ${USER}/messages`]: listMessages,
    [`GET ${USER}/messages/:id`]: getMessage,
    [`GET ${USER}/threads`]: listThreads,
    [`GET ${USER}/threads/:id`]: getThread,
  }),
  ...gmail([...READ, "gmail.metadata", "gmail.labels"], { [`GET ${USER}/labels`]: labels }),
  ...gmail(READ, { [`GET ${USER}/messages/:id/attachments/:attachment`]: getAttachment }),
  ...gmail([...MODIFY, "gmail.send", "gmail.compose"], {
    [`POST ${USER}/messages/send`]: send,
    [`POST /upload${USER}/messages/send`]: send,
  }),
  ...gmail([...MODIFY, "gmail.compose"], {
    [`POST ${USER}/drafts`]: createDraft,
    [`POST ${USER}/drafts/send`]: sendDraft,
  }),
  ...gmail(MODIFY, { [`POST ${USER}/messages/:id/modify`]: modify, [`POST ${USER}/messages/:id/trash`]: trash }),
  ...gmail([ALL], { [`DELETE ${USER}/messages/:id`]: remove }),
];
