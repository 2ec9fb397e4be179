/**
 * Outlook mail in Microsoft Graph: messages and folders of the user's own mailbox.
 * https://learn.microsoft.com/en-us/graph/api/resources/message (shapes in recorded/outlook.json)
 *
 * Simplified: three folders. `$filter` knows the comparisons, `contains` and `startswith`. Nothing
 * is delivered: a message to oneself is in the inbox, too.
 */
import { empty, json } from "../engine/reply.ts";
import type { Collection, Objects, Stored } from "../engine/objects.ts";
import type { Account, Caller, Json, JsonObject, Reply, RouteContext, TokenRoute } from "../engine/types.ts";
import { person, sha256, stableUuid } from "../engine/values.ts";
import {
  at,
  endpoints,
  isoSeconds,
  list,
  object,
  objects,
  pageOf,
  pick,
  sizeOf,
  text,
  type ApiBase,
  type Handler,
} from "./kit/endpoints.ts";
import { compareFolded, comparisons, parseFilter, passes, type Filter, type Language } from "./kit/filter.ts";
import { header, parseMessage, textOf } from "./kit/mime.ts";

type Folder = "inbox" | "drafts" | "sentitems";

const NAMES: Readonly<Record<Folder, string>> = { inbox: "Inbox", drafts: "Drafts", sentitems: "Sent Items" };

const isFolder = (name: string): name is Folder => Object.hasOwn(NAMES, name);
const folderId = (folder: Folder): string => `AAMkSIM${Buffer.from(folder).toString("base64url")}=`;

const recipient = (address: string): JsonObject => ({ emailAddress: { name: address, address } });

const messages: Collection = {
  name: "messages",
  newId: (owner, n) => `AAMk${Buffer.from(sha256(`outlook ${owner} ${n}`), "hex").toString("base64url")}=`,
  seed: (owner) => [
    {
      data: {
        folder: "inbox",
        subject: "Lunch on Friday",
        body: { contentType: "text", content: "Shall we meet at noon?" },
        from: recipient("bob@example.com"),
        toRecipients: [recipient(owner)],
        isRead: false,
      },
    },
  ],
};

const WRITABLE = (
  "subject body toRecipients ccRecipients bccRecipients replyTo importance isRead categories " +
  "hasAttachments attachments flag"
).split(" ");

const sender = ({ account }: Caller): JsonObject => ({
  emailAddress: { name: person(account).full, address: account.email },
});

function render({ id, data, created_at, changed_at, n }: Stored): JsonObject {
  const { folder, attachments, ...given } = data;
  const instant = isoSeconds(created_at);
  const content = text(object(data["body"])["content"]);
  return {
    "@odata.etag": `W/"${changed_at}"`,
    id,
    createdDateTime: instant,
    lastModifiedDateTime: isoSeconds(changed_at),
    changeKey: String(changed_at),
    categories: [],
    receivedDateTime: instant,
    sentDateTime: instant,
    hasAttachments: list(attachments).length > 0,
    internetMessageId: `<${n}@sim.prod.outlook.com>`,
    subject: "",
    bodyPreview: content.replaceAll(/<[^>]*>/g, "").slice(0, 255),
    importance: "normal",
    parentFolderId: folderId(FOLDERS.find((name) => name === folder) ?? "inbox"),
    conversationId: stableUuid("outlook conversation", id),
    isDeliveryReceiptRequested: false,
    isReadReceiptRequested: false,
    isRead: true,
    isDraft: folder === "drafts",
    webLink: `https://outlook.office365.com/owa/?ItemID=${encodeURIComponent(id)}`,
    inferenceClassification: "focused",
    body: { contentType: "text", content: "" },
    toRecipients: [],
    ccRecipients: [],
    bccRecipients: [],
    replyTo: [],
    flag: { flagStatus: "notFlagged" },
    sender: data["from"] ?? null,
    ...given,
  };
}

const graphError = (status: number, code: string, message: string): Reply =>
  json(status, {
    error: {
      code,
      message,
      innerError: { date: "2026-01-01T00:00:00", "request-id": stableUuid("microsoft", "trace") },
    },
  });

const badRequest = (message: string): Reply => graphError(400, "BadRequest", message);
const itemNotFound = (): Reply =>
  graphError(404, "ErrorItemNotFound", "The specified object was not found in the store.");

const has = (value: Json | undefined, wanted: Json | undefined): boolean =>
  text(value).toLowerCase().includes(text(wanted).toLowerCase());

const ODATA: Language = {
  operators: comparisons(["eq", "ne", "lt", "le", "gt", "ge"], compareFolded),
  functions: {
    contains: (value, wanted) => has(value, wanted),
    startswith: (value, wanted) => text(value).toLowerCase().startsWith(text(wanted).toLowerCase()),
  },
};

const valueIn = (row: JsonObject) => (name: string) => at(row, name.split("/"));

/** Returns the filter of `$filter`, undefined without one, null if it is malformed. */
function filterOf(query: URLSearchParams): Filter | null | undefined {
  const given = query.get("$filter");
  return given === null ? undefined : parseFilter(given, ODATA);
}

function sorted(rows: readonly JsonObject[], order: string): readonly JsonObject[] {
  const [name = "", way] = order.trim().split(/\s+/);
  return rows.toSorted((one, other) => {
    return (way === "desc" ? -1 : 1) * compareFolded(valueIn(one)(name), valueIn(other)(name));
  });
}

const selected = (row: JsonObject, query: URLSearchParams): JsonObject => {
  const names = query.get("$select");
  return names === null ? row : pick(row, ["@odata.etag", "id", ...names.split(",").map((name) => name.trim())]);
};

const CONTEXT = "https://graph.microsoft.com/v1.0/$metadata#users";
const contextOf = ({ email }: Account): string => `${CONTEXT}('${stableUuid("microsoft user", email)}')/messages`;

/** Newest first, unless the query says otherwise. */
function listIn(context: RouteContext, { account }: Caller, all: readonly Stored[]): Reply {
  const { query, path } = context.incoming;
  const filter = filterOf(query);
  const size = sizeOf(query.get("$top"), 10, 1000);
  if (filter === null) return badRequest(`Invalid filter clause: ${query.get("$filter") ?? ""}`);
  if (size === null) return badRequest("Invalid value for the query option $top.");
  const words = (query.get("$search") ?? "").replaceAll('"', "").replace(/^\w+:/, "");
  const rows = all
    .toReversed()
    .map(render)
    .filter((row) => {
      const is_found = words === "" || [row["subject"], row["bodyPreview"]].some((value) => has(value, words));
      return is_found && (filter === undefined || passes(filter, ODATA, valueIn(row)));
    });
  const order = query.get("$orderby");
  const page = pageOf(order === null ? rows : sorted(rows, order), size, query.get("$skip"));
  if (page === null) return badRequest("Invalid value for the query option $skip.");
  const next = new URLSearchParams(query);
  next.set("$skip", page.next ?? "");
  const link = page.next === null ? {} : { "@odata.nextLink": `https://graph.microsoft.com${path}?${next.toString()}` };
  const counted = query.get("$count") === "true" ? { "@odata.count": rows.length } : {};
  const value = page.items.map((row) => selected(row, query));
  return json(200, { "@odata.context": contextOf(account), ...counted, value, ...link });
}

type InMailbox = (context: RouteContext, caller: Caller, all: Objects) => Reply;

/** Runs a call in the caller's own mailbox. */
const inMailbox =
  (handle: InMailbox): Handler =>
  (context, caller) => {
    const { email } = caller.account;
    const user = context.params["user"] ?? email;
    if (user !== email && user !== stableUuid("microsoft user", email)) {
      return graphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.");
    }
    return handle(context, caller, context.objects(messages, email));
  };

type OnMessage = (context: RouteContext, caller: Caller, all: Objects, found: Stored) => Reply;

const onMessage = (handle: OnMessage): Handler =>
  inMailbox((context, caller, all) => {
    const found = all.get(context.params["id"] ?? "");
    return found === undefined ? itemNotFound() : handle(context, caller, all, found);
  });

const addressesOf = (data: JsonObject): string[] =>
  ["toRecipients", "ccRecipients", "bccRecipients"].flatMap((name) =>
    objects(data[name]).map((one) => text(at(one, ["emailAddress", "address"]))),
  );

/** Returns why a message cannot be sent, or null. */
function sendProblem(data: JsonObject): Reply | null {
  const addresses = addressesOf(data);
  const wrong = addresses.find((address) => !/^[^\s@]+@[^\s@]+$/.test(address));
  if (addresses.length > 0 && wrong === undefined) return null;
  const why =
    wrong === undefined
      ? "A message can't be sent because it contains no recipients."
      : `Recipient '${wrong}' is not resolved.`;
  return graphError(400, "ErrorInvalidRecipients", `At least one recipient isn't valid., ${why}`);
}

/** Puts a copy into Sent Items, and into the inbox if the caller is a recipient. */
function deliver(caller: Caller, all: Objects, given: JsonObject, keeps_copy: boolean): void {
  const data = { ...given, from: sender(caller) };
  if (keeps_copy) all.add({ data: { ...data, folder: "sentitems" } });
  if (addressesOf(data).includes(caller.account.email)) all.add({ data: { ...data, folder: "inbox", isRead: false } });
}

/** Returns the message of a MIME body in base64, or null if it is not base64. */
function mimeMessage(raw: Buffer): JsonObject | null {
  const encoded = raw.toString("utf8").replaceAll(/\s/g, "");
  if (!/^[\w+/]+={0,2}$/.test(encoded)) return null;
  const part = parseMessage(Buffer.from(encoded, "base64"));
  const addresses = (name: string) => header(part, name).match(/[^\s<>,"]+@[^\s<>,"]+/g) ?? [];
  return {
    subject: header(part, "subject"),
    body: { contentType: "text", content: textOf(part, "text/plain") },
    toRecipients: addresses("to").map(recipient),
    ccRecipients: addresses("cc").map(recipient),
  };
}

const sendMail = inMailbox(({ incoming }, caller, all) => {
  const is_mime = (incoming.headers["content-type"] ?? "").startsWith("text/plain");
  const { json: body } = incoming;
  const given = is_mime ? mimeMessage(incoming.raw) : object(body["message"] ?? body["Message"]);
  if (given === null) return badRequest("Invalid base64 string for MIME content.");
  if (Object.keys(given).length === 0) return badRequest("The parameter Message is required.");
  const problem = sendProblem(given);
  if (problem !== null) return problem;
  // Microsoft's own example sends the flag as text.
  const keeps_copy = body["saveToSentItems"] !== false && body["saveToSentItems"] !== "false";
  deliver(caller, all, pick(given, WRITABLE), keeps_copy);
  return empty(202);
});

const listMessages = inMailbox((context, caller, all) => listIn(context, caller, all.list()));

const getMessage = onMessage(({ incoming }, { account }, _, found) =>
  json(200, { "@odata.context": `${contextOf(account)}/$entity`, ...selected(render(found), incoming.query) }),
);

const createDraft = inMailbox(({ incoming }, caller, all) => {
  const data = { ...pick(incoming.json, WRITABLE), folder: "drafts", from: sender(caller) };
  return json(201, { "@odata.context": `${contextOf(caller.account)}/$entity`, ...render(all.add({ data })) });
});

const sendDraft = onMessage((_, caller, all, found) => {
  if (found.data["folder"] !== "drafts") return graphError(400, "ErrorInvalidOperation", "The message is not a draft.");
  const problem = sendProblem(found.data);
  if (problem !== null) return problem;
  all.remove(found.id);
  deliver(caller, all, pick(found.data, WRITABLE), true);
  return empty(202);
});

const reply = onMessage(({ incoming }, caller, all, found) => {
  const comment = text(incoming.json["comment"]);
  const from = object(found.data["from"]);
  const subject = `RE: ${text(found.data["subject"])}`;
  deliver(caller, all, { subject, body: { contentType: "text", content: comment }, toRecipients: [from] }, true);
  return empty(202);
});

const update = onMessage(({ incoming }, { account }, all, found) => {
  const changed = all.replace(found.id, { ...found.data, ...pick(incoming.json, WRITABLE) });
  return json(200, { "@odata.context": `${contextOf(account)}/$entity`, ...render(changed) });
});

const remove = onMessage((_, __, all, found) => {
  all.remove(found.id);
  return empty(204);
});

const folderOf = (all: Objects, folder: Folder): readonly Stored[] =>
  all.list().filter(({ data }) => data["folder"] === folder);

const describe = (all: Objects, folder: Folder): JsonObject => {
  const own = folderOf(all, folder);
  const unreadItemCount = own.filter(({ data }) => data["isRead"] === false).length;
  return { id: folderId(folder), displayName: NAMES[folder], unreadItemCount, totalItemCount: own.length };
};

const FOLDERS = Object.keys(NAMES).filter(isFolder);

const onFolder = (handle: (context: RouteContext, caller: Caller, all: Objects, folder: Folder) => Reply): Handler =>
  inMailbox((context, caller, all) => {
    const given = context.params["folder"] ?? "";
    const folder = FOLDERS.find((name) => given.toLowerCase() === name || given === folderId(name));
    return folder === undefined ? itemNotFound() : handle(context, caller, all, folder);
  });

const listFolders = inMailbox((_, __, all) => json(200, { value: FOLDERS.map((folder) => describe(all, folder)) }));
const getFolder = onFolder((_, __, all, folder) => json(200, describe(all, folder)));
const listInFolder = onFolder((context, caller, all, folder) => listIn(context, caller, folderOf(all, folder)));

const READ = ["Mail.Read", "Mail.ReadWrite"];
const USERS = ["/v1.0/me", "/v1.0/users/:user"];

export const outlookRoutes = (base: ApiBase): TokenRoute[] =>
  USERS.flatMap((user) => [
    ...endpoints(base, [...READ, "Mail.ReadBasic"], {
      [`GET ${user}/messages`]: listMessages,
      [`GET ${user}/messages/:id`]: getMessage,
      [`GET ${user}/mailFolders`]: listFolders,
      [`GET ${user}/mailFolders/:folder`]: getFolder,
      [`GET ${user}/mailFolders/:folder/messages`]: listInFolder,
    }),
    ...endpoints(base, ["Mail.ReadWrite"], {
      [`POST ${user}/messages`]: createDraft,
      [`PATCH ${user}/messages/:id`]: update,
      [`DELETE ${user}/messages/:id`]: remove,
    }),
    ...endpoints(base, ["Mail.Send"], {
      [`POST ${user}/sendMail`]: sendMail,
      [`POST ${user}/messages/:id/send`]: sendDraft,
      [`POST ${user}/messages/:id/reply`]: reply,
    }),
  ]);
