/**
 * Slack's Web API: channels, messages and users of a workspace.
 * https://docs.slack.dev/reference/methods (shapes in recorded/slack.json)
 *
 * Quirks: GET and POST are the same. Arguments are a form, JSON or the query, and lists inside a
 * form are JSON text. Errors are HTTP 200 with `ok: false`. A message is named by its channel and
 * its time. Messages belong to the workspace, so a bot sees what a user posted.
 */
import { json } from "../engine/reply.ts";
import type { Collection, Objects, Stored } from "../engine/objects.ts";
import type { Account, Caller, Incoming, Json, JsonObject, Reply, RouteContext, TokenRoute } from "../engine/types.ts";
import { DEFAULT_ORG, parseJson, person, stableId } from "../engine/values.ts";
import { endpoints, list, objects, pageOf, sizeOf, text, type ApiBase, type Handler } from "./kit/endpoints.ts";

export const APP_ID = "A0SIMAPP01";

export const failed = (error: string, more: JsonObject = {}): Reply => json(200, { ok: false, error, ...more });

const succeeded = (more: JsonObject): Reply => json(200, { ok: true, ...more });

export function team({ org }: Pick<Account, "org">): { readonly id: string; readonly name: string } {
  const id = org === DEFAULT_ORG ? "T0SIMTEAM1" : `T0SIM${stableId("slack team", org, 6)}`;
  return { id, name: org === DEFAULT_ORG ? "Acme" : org };
}

export const userId = ({ email }: Pick<Account, "email">): string => `U0SIM${stableId("slack user", email, 6)}`;
export const botUserId = ({ org }: Account): string => `U0BOT${stableId("slack bot user", org, 6)}`;
export const botId = ({ org }: Account): string => `B0SIM${stableId("slack bot", org, 6)}`;

const messages: Collection = { name: "messages", newId: (_, n) => String(n) };

const CHANNELS = [
  { id: "C0SIMGENER", name: "general" },
  { id: "C0SIMRANDO", name: "random" },
];

/** Members that every workspace has beside the caller. */
const NAMES = ["ada", "bob", "carol"];

/** Returns an argument of the form, the JSON body or the query. */
function argument({ fields, json: body, query }: Incoming, name: string): Json | undefined {
  const given = body[name] ?? fields.get(name) ?? query.get(name) ?? undefined;
  const is_json_text = typeof given === "string" && /^\s*[[{]/.test(given);
  return is_json_text ? (parseJson(given) ?? given) : given;
}

const string = (incoming: Incoming, name: string): string => {
  const given = argument(incoming, name);
  return typeof given === "number" || typeof given === "boolean" ? String(given) : text(given);
};

const domainOf = (account: Account): string => account.email.slice(account.email.indexOf("@") + 1);

const memberOf = (account: Account, name: string): Account => ({
  name,
  org: account.org,
  email: `${name}@${domainOf(account)}`,
});

const membersOf = (account: Account): Account[] =>
  [...new Set([...NAMES, account.name])].map((name) => memberOf(account, name));

function user(account: Account): JsonObject {
  const { first, last, full } = person(account);
  const names = { real_name: full, real_name_normalized: full, display_name: account.name };
  const profile = { ...names, display_name_normalized: account.name, email: account.email, first_name: first };
  const flags = { is_admin: false, is_owner: false, is_primary_owner: false, is_restricted: false };
  return {
    id: userId(account),
    team_id: team(account).id,
    name: account.name,
    deleted: false,
    real_name: full,
    tz: "Etc/UTC",
    tz_label: "Coordinated Universal Time",
    tz_offset: 0,
    profile: { ...profile, last_name: last, title: "", status_text: "", status_emoji: "", team: team(account).id },
    ...flags,
    is_ultra_restricted: false,
    is_bot: false,
    is_app_user: false,
    is_email_confirmed: true,
    updated: 0,
  };
}

function channel({ id, name }: (typeof CHANNELS)[number], account: Account): JsonObject {
  const words = { value: "", creator: "", last_set: 0 };
  const kinds = { is_channel: true, is_group: false, is_im: false, is_mpim: false, is_private: false };
  const shared = { is_shared: false, is_ext_shared: false, is_org_shared: false, is_pending_ext_shared: false };
  return {
    id,
    name,
    name_normalized: name,
    ...kinds,
    ...shared,
    pending_shared: [],
    created: 0,
    creator: userId(memberOf(account, "ada")),
    is_archived: false,
    is_general: name === "general",
    is_member: true,
    unlinked: 0,
    topic: words,
    purpose: words,
    previous_names: [],
    num_members: NAMES.length,
  };
}

const directId = (one: Account): string => `D0SIM${stableId("slack direct", one.email, 6)}`;

/** Returns the id of a channel given by id or name, or of the direct channel with a member. */
function channelId(given: string, account: Account): string | undefined {
  const named = CHANNELS.find(({ id, name }) => given === id || given === name || given === `#${name}`);
  const direct = membersOf(account).find((one) => given === userId(one) || given === directId(one));
  return named?.id ?? (direct === undefined ? undefined : directId(direct));
}

/** The time of a message, which is also its name in the channel. */
const tsOf = ({ created_at, n }: Stored): string => `${Math.floor(created_at / 1000)}.${String(n).padStart(6, "0")}`;

function message(stored: Stored): JsonObject {
  const { channel: _channel, ...data } = stored.data;
  return { type: "message", ...data, ts: tsOf(stored) };
}

const inChannel = (all: Objects, id: string): readonly Stored[] =>
  all.list().filter(({ data }) => data["channel"] === id);

function content(incoming: Incoming): JsonObject {
  const blocks = list(argument(incoming, "blocks"));
  const attachments = list(argument(incoming, "attachments"));
  return {
    text: string(incoming, "text"),
    ...(blocks.length === 0 ? {} : { blocks }),
    ...(attachments.length === 0 ? {} : { attachments }),
  };
}

const isEmpty = ({ text: words, ...rest }: JsonObject): boolean => words === "" && Object.keys(rest).length === 0;

const TEXT_MAX = 40_000;

/** Returns why Slack refuses the content, or null. */
function contentProblem(incoming: Incoming, given: JsonObject): string | null {
  const blocks = argument(incoming, "blocks");
  const all_typed = objects(given["blocks"]).every(({ type }) => typeof type === "string");
  if (blocks !== undefined && blocks !== "" && (!Array.isArray(blocks) || !all_typed)) return "invalid_blocks";
  if (text(given["text"]).length > TEXT_MAX) return "msg_too_long";
  return isEmpty(given) ? "no_text" : null;
}

const postMessage: Handler = ({ incoming, objects: stored }, { account, label }) => {
  const id = channelId(string(incoming, "channel"), account);
  if (id === undefined) return failed("channel_not_found");
  const given = content(incoming);
  const problem = contentProblem(incoming, given);
  if (problem !== null) return failed(problem);
  const thread_ts = string(incoming, "thread_ts");
  const all = stored(messages, account.org);
  if (thread_ts !== "" && !inChannel(all, id).some((one) => tsOf(one) === thread_ts)) return failed("thread_not_found");
  const bot = { user: botUserId(account), bot_id: botId(account), app_id: APP_ID };
  const author = label === "bot" ? bot : { user: userId(account) };
  const thread = thread_ts === "" ? {} : { thread_ts };
  const data = { channel: id, ...author, ...given, team: team(account).id, ...thread };
  const added = all.add({ data });
  return succeeded({ channel: id, ts: tsOf(added), message: message(added) });
};

/** Finds the message of `channel` and `ts`, or the refusal. */
function findMessage({ incoming, objects: stored }: RouteContext, { account }: Caller) {
  const id = channelId(string(incoming, "channel"), account);
  if (id === undefined) return "channel_not_found";
  const all = stored(messages, account.org);
  const found = inChannel(all, id).find((one) => tsOf(one) === string(incoming, "ts"));
  return found === undefined ? "message_not_found" : { id, all, found };
}

const update: Handler = (context, caller) => {
  const place = findMessage(context, caller);
  if (typeof place === "string") return failed(place);
  const given = content(context.incoming);
  const problem = contentProblem(context.incoming, given);
  if (problem !== null) return failed(problem);
  const { id, all, found } = place;
  const changed = all.replace(found.id, { ...found.data, ...given });
  return succeeded({ channel: id, ts: tsOf(changed), text: given["text"], message: message(changed) });
};

const remove: Handler = (context, caller) => {
  const place = findMessage(context, caller);
  if (typeof place === "string") return failed(place);
  place.all.remove(place.found.id);
  return succeeded({ channel: place.id, ts: tsOf(place.found) });
};

/** Returns a page of a list, in the form that all list methods share. */
function paged(incoming: Incoming, name: string, all: readonly JsonObject[], more: JsonObject = {}): Reply {
  const size = sizeOf(string(incoming, "limit"), 100, 1000);
  if (size === null) return failed("invalid_limit");
  const page = pageOf(all, size, string(incoming, "cursor"));
  if (page === null) return failed("invalid_cursor");
  const next = { response_metadata: { next_cursor: page.next ?? "" } };
  return succeeded({ [name]: page.items, ...more, ...next });
}

/** Newest first. A page that is not the last has a cursor. */
const history: Handler = ({ incoming, objects: stored }, { account }) => {
  const id = channelId(string(incoming, "channel"), account);
  if (id === undefined) return failed("channel_not_found");
  const all = inChannel(stored(messages, account.org), id).filter(({ data }) => data["thread_ts"] === undefined);
  return paged(incoming, "messages", all.map(message).toReversed(), { has_more: false });
};

const replies: Handler = ({ incoming, objects: stored }, { account }) => {
  const id = channelId(string(incoming, "channel"), account);
  if (id === undefined) return failed("channel_not_found");
  const ts = string(incoming, "ts");
  const all = inChannel(stored(messages, account.org), id);
  const thread = all.filter((one) => tsOf(one) === ts || one.data["thread_ts"] === ts);
  if (thread.length === 0) return failed("thread_not_found");
  return paged(incoming, "messages", thread.map(message), { has_more: false });
};

const listChannels: Handler = ({ incoming }, { account }) => {
  const types = string(incoming, "types").split(",");
  const has_public = types[0] === "" || types.includes("public_channel");
  return paged(incoming, "channels", has_public ? CHANNELS.map((one) => channel(one, account)) : []);
};

const channelInfo: Handler = ({ incoming }, { account }) => {
  const found = CHANNELS.find(({ id }) => id === string(incoming, "channel"));
  return found === undefined ? failed("channel_not_found") : succeeded({ channel: channel(found, account) });
};

const openDirect: Handler = ({ incoming }, { account }) => {
  const found = membersOf(account).find((one) => userId(one) === string(incoming, "users"));
  return found === undefined ? failed("user_not_found") : succeeded({ channel: { id: directId(found) } });
};

/** Every address of the organization's domain is a member, so that functions can look up anyone. */
const lookupByEmail: Handler = ({ incoming }, { account }) => {
  const given = string(incoming, "email").toLowerCase();
  if (given === "") return failed("invalid_arguments");
  const [name = "", domain] = given.split("@");
  const is_member = /^[a-z0-9][a-z0-9._-]*$/.test(name) && domain === domainOf(account);
  return is_member ? succeeded({ user: user(memberOf(account, name)) }) : failed("users_not_found");
};

const userInfo: Handler = ({ incoming }, { account }) => {
  const found = membersOf(account).find((one) => userId(one) === string(incoming, "user"));
  return found === undefined ? failed("user_not_found") : succeeded({ user: user(found) });
};

const listUsers: Handler = ({ incoming }, { account }) => paged(incoming, "members", membersOf(account).map(user));

interface Method {
  readonly scopes: readonly string[];
  readonly handle: Handler;
}

const READ_CHANNELS = ["channels:read", "groups:read", "im:read", "mpim:read"];
const READ_HISTORY = ["channels:history", "groups:history", "im:history", "mpim:history"];

const METHODS: Readonly<Record<string, Method>> = {
  "chat.postMessage": { scopes: ["chat:write"], handle: postMessage },
  "chat.update": { scopes: ["chat:write"], handle: update },
  "chat.delete": { scopes: ["chat:write"], handle: remove },
  "conversations.list": { scopes: READ_CHANNELS, handle: listChannels },
  "conversations.info": { scopes: READ_CHANNELS, handle: channelInfo },
  "conversations.history": { scopes: READ_HISTORY, handle: history },
  "conversations.replies": { scopes: READ_HISTORY, handle: replies },
  "conversations.open": { scopes: ["im:write", "channels:manage", "groups:write", "mpim:write"], handle: openDirect },
  "users.list": { scopes: ["users:read"], handle: listUsers },
  "users.info": { scopes: ["users:read"], handle: userInfo },
  "users.lookupByEmail": { scopes: ["users:read.email"], handle: lookupByEmail },
};

export const slackRoutes = (base: ApiBase): TokenRoute[] =>
  Object.entries(METHODS).flatMap(([name, { scopes, handle }]) =>
    endpoints(base, scopes, { [`GET /api/${name}`]: handle, [`POST /api/${name}`]: handle }),
  );
