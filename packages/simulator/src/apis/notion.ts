/**
 * Notion: pages, databases and blocks of a workspace.
 * https://developers.notion.com/reference (shapes in recorded/notion.json)
 *
 * A page of a database has the database's properties, and no others. Text is sent short and
 * returned long. Simplified: every database is also its only data source, with the same id.
 */
import { json } from "../engine/reply.ts";
import type { Collection, Objects, Stored } from "../engine/objects.ts";
import type { Account, Caller, Json, JsonObject, Reply, RouteContext, TokenRoute } from "../engine/types.ts";
import { isObject, stableUuid } from "../engine/values.ts";
import {
  endpoints,
  iso,
  object,
  objects,
  pageOf,
  pick,
  sizeOf,
  text,
  type ApiBase,
  type Handler,
} from "./kit/endpoints.ts";
import { compareFolded } from "./kit/filter.ts";
import { matchesFilter, plainValue, propertyValue, richText, typeOfValue } from "./notion-properties.ts";

export const apiError = (status: number, code: string, message: string): Reply =>
  json(status, { object: "error", status, code, message });

const invalid = (message: string): Reply => apiError(400, "validation_error", message);

const unshared = (what: string, id: string): Reply =>
  apiError(
    404,
    "object_not_found",
    `Could not find ${what} with ID: ${id}. Make sure the relevant pages and databases are shared with your integration.`,
  );

const SCHEMA = { Name: { title: {} }, Status: { select: {} }, Due: { date: {} }, Done: { checkbox: {} } };
const title = (words: string): JsonObject => ({ title: [{ text: { content: words } }] });
const firstPage = (owner: string): string => stableUuid("notion page", owner);
const firstDatabase = (owner: string): string => stableUuid("notion database", owner);

const pages: Collection = {
  name: "pages",
  newId: (owner, n) => stableUuid("notion page", `${owner} ${n}`),
  seed: (owner) => [
    {
      id: firstPage(owner),
      data: { parent: { type: "workspace", workspace: true }, properties: { title: title("Home") } },
    },
  ],
};

const databases: Collection = {
  name: "databases",
  newId: (owner, n) => stableUuid("notion database", `${owner} ${n}`),
  seed: (owner) => {
    const parent = { type: "page_id", page_id: firstPage(owner) };
    const data = { parent, title: [{ text: { content: "Tasks" } }], properties: SCHEMA };
    return [{ id: firstDatabase(owner), data }];
  },
};

const blocks: Collection = { name: "blocks", newId: (owner, n) => stableUuid("notion block", `${owner} ${n}`) };

/** Returns an id with its hyphens. Notion accepts it without. */
const uuid = (given: string): string => {
  const hex = given.replaceAll("-", "").toLowerCase();
  return /^[0-9a-f]{32}$/.test(hex) ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5") : given;
};

const author = ({ email }: Account): JsonObject => ({ object: "user", id: stableUuid("notion user", email) });

const common = ({ created_at, changed_at, data }: Stored, { account }: Caller): JsonObject => ({
  created_time: iso(created_at),
  last_edited_time: iso(changed_at),
  created_by: author(account),
  last_edited_by: author(account),
  archived: data["archived"] === true,
  in_trash: data["archived"] === true,
});

const webUrl = (id: string): string => `https://www.notion.so/${id.replaceAll("-", "")}`;

function renderPage(stored: Stored, caller: Caller): JsonObject {
  const { id, data } = stored;
  const properties = Object.entries(object(data["properties"])).map(([name, value]): [string, Json] => [
    name,
    propertyValue(name, object(value)),
  ]);
  return {
    object: "page",
    id,
    ...common(stored, caller),
    cover: data["cover"] ?? null,
    icon: data["icon"] ?? null,
    parent: data["parent"] ?? null,
    is_locked: false,
    properties: Object.fromEntries(properties),
    url: webUrl(id),
    public_url: null,
  };
}

function renderDatabase(stored: Stored, caller: Caller): JsonObject {
  const { id, data } = stored;
  const properties = Object.entries(object(data["properties"])).map(([name, given]): [string, Json] => {
    const type = typeOfValue(object(given)) ?? "rich_text";
    return [name, { id: type === "title" ? "title" : encodeURIComponent(name), name, type, ...object(given) }];
  });
  return {
    object: "database",
    id,
    ...common(stored, caller),
    cover: null,
    icon: null,
    title: richText(data["title"]),
    description: [],
    is_inline: false,
    is_locked: false,
    parent: data["parent"] ?? null,
    properties: Object.fromEntries(properties),
    url: webUrl(id),
    public_url: null,
  };
}

function renderBlock(stored: Stored, caller: Caller): JsonObject {
  const { page_id, type, ...data } = stored.data;
  const content = object(data[text(type)]);
  const long = content["rich_text"] === undefined ? content : { ...content, rich_text: richText(content["rich_text"]) };
  return {
    object: "block",
    id: stored.id,
    parent: { type: "page_id", page_id },
    ...common(stored, caller),
    has_children: false,
    type,
    [text(type)]: long,
  };
}

const allOf = ({ objects: stored }: RouteContext, { account }: Caller, collection: Collection): Objects =>
  stored(collection, account.org);

/** Returns a page of a list, in the form that all list calls share. */
function listReply(
  rows: readonly JsonObject[],
  given: { readonly size: Json | undefined; readonly cursor: Json | undefined },
  type: string,
): Reply {
  const size = sizeOf(typeof given.size === "number" || typeof given.size === "string" ? given.size : null, 100, 100);
  if (size === null) return invalid("body failed validation: body.page_size should be a number between 1 and 100.");
  const cursor = text(given.cursor);
  const page = pageOf(rows, size, cursor.replace(/^cursor-/, ""));
  if (page === null) return invalid("The start_cursor provided is invalid.");
  const next_cursor = page.next === null ? null : `cursor-${page.next}`;
  return json(200, {
    object: "list",
    results: page.items,
    next_cursor,
    has_more: page.next !== null,
    type,
    [type]: {},
  });
}

/** Returns why Notion refuses property values for a parent, or null. */
function propertyProblem(properties: JsonObject, schema: JsonObject | null): Reply | null {
  for (const [name, value] of Object.entries(properties)) {
    const type = typeOfValue(object(value));
    const expected = schema === null ? (name === "title" ? "title" : undefined) : typeOfValue(object(schema[name]));
    if (expected === undefined) return invalid(`${name} is not a property that exists.`);
    // A title and a plain list are the same in the short form of a page's title.
    if (!Array.isArray(value) && type !== expected) return invalid(`${name} is expected to be ${expected}.`);
  }
  return null;
}

interface Parent {
  readonly parent: JsonObject;
  readonly schema: JsonObject | null;
}

/** Finds the page or database that a parent names, or the refusal. */
function findParent(context: RouteContext, caller: Caller, given: JsonObject): Parent | Reply {
  const page_id = uuid(text(given["page_id"]));
  const database_id = uuid(text(given["database_id"]) || text(given["data_source_id"]));
  if (page_id !== "") {
    const found = allOf(context, caller, pages).get(page_id);
    return found === undefined ? unshared("page", page_id) : { parent: { type: "page_id", page_id }, schema: null };
  }
  const found = allOf(context, caller, databases).get(database_id);
  if (database_id === "")
    return invalid("body failed validation: body.parent should be defined, instead was `undefined`.");
  if (found === undefined) return unshared("database", database_id);
  const type = given["data_source_id"] === undefined ? "database_id" : "data_source_id";
  return { parent: { type, [type]: database_id }, schema: object(found.data["properties"]) };
}

const isBlock = ({ type, ...block }: JsonObject): boolean => typeof type === "string" && isObject(block[type]);

/** Blocks can omit their type, which is then the only member that is an object. */
const withType = (block: JsonObject): JsonObject => ({
  type: block["type"] ?? Object.keys(block).find((name) => name !== "object" && isObject(block[name])),
  ...block,
});

function addBlocks(context: RouteContext, caller: Caller, page_id: string, given: readonly JsonObject[]): Stored[] {
  const all = allOf(context, caller, blocks);
  return given.map(({ object: _object, ...block }) => all.add({ data: { page_id, ...block } }));
}

const badBlocks = (): Reply =>
  invalid("body failed validation: body.children[0].type should be defined, instead was `undefined`.");

const createPage: Handler = (context, caller) => {
  const { json: body } = context.incoming;
  const place = findParent(context, caller, object(body["parent"]));
  if ("delivery" in place) return place;
  if (!isObject(body["properties"])) {
    return invalid("body failed validation: body.properties should be defined, instead was `undefined`.");
  }
  const children = objects(body["children"]).map(withType);
  if (!children.every(isBlock)) return badBlocks();
  const problem = propertyProblem(body["properties"], place.schema);
  if (problem !== null) return problem;
  const data = { parent: place.parent, properties: body["properties"], ...pick(body, ["icon", "cover"]) };
  const added = allOf(context, caller, pages).add({ data });
  addBlocks(context, caller, added.id, children);
  return json(200, renderPage(added, caller));
};

type OnStored = (context: RouteContext, caller: Caller, found: Stored, all: Objects) => Reply;

const on =
  (collection: Collection, what: string, handle: OnStored): Handler =>
  (context, caller) => {
    const id = uuid(context.params["id"] ?? "");
    const all = allOf(context, caller, collection);
    const found = all.get(id);
    return found === undefined ? unshared(what, id) : handle(context, caller, found, all);
  };

const getPage = on(pages, "page", (_, caller, found) => json(200, renderPage(found, caller)));

const updatePage = on(pages, "page", (context, caller, found, all) => {
  const { json: body } = context.incoming;
  const place = findParent(context, caller, object(found.data["parent"]));
  const schema = "delivery" in place ? null : place.schema;
  const problem = propertyProblem(object(body["properties"]), schema);
  if (problem !== null) return problem;
  const trashed = body["in_trash"] ?? body["archived"];
  const properties = { ...object(found.data["properties"]), ...object(body["properties"]) };
  const archived = trashed === undefined ? {} : { archived: trashed };
  const data = { ...found.data, properties, ...archived, ...pick(body, ["icon", "cover"]) };
  return json(200, renderPage(all.replace(found.id, data), caller));
});

const createDatabase: Handler = (context, caller) => {
  const { json: body } = context.incoming;
  const place = findParent(context, caller, object(body["parent"]));
  if ("delivery" in place) return place;
  // Newer versions of the API send the properties of the first data source.
  const properties = object(body["properties"] ?? object(body["initial_data_source"])["properties"]);
  if (!Object.values(properties).some((one) => typeOfValue(object(one)) === "title")) {
    return invalid("body failed validation: body.properties should have one title property.");
  }
  const data = { parent: place.parent, title: body["title"] ?? [], properties };
  return json(200, renderDatabase(allOf(context, caller, databases).add({ data }), caller));
};

const getDatabase = on(databases, "database", (_, caller, found) => json(200, renderDatabase(found, caller)));

/** Returns the value by which a sort compares pages. */
function sortKey(page: Stored, { property, timestamp }: JsonObject): Json {
  if (timestamp !== undefined) return timestamp === "created_time" ? page.created_at : page.changed_at;
  return plainValue(object(object(page.data["properties"])[text(property)]));
}

const query = on(databases, "database", (context, caller, database) => {
  const { json: body } = context.incoming;
  const schema = object(database.data["properties"]);
  const inside = allOf(context, caller, pages)
    .list()
    .filter(({ data }) => {
      const parent = object(data["parent"]);
      return data["archived"] !== true && [parent["database_id"], parent["data_source_id"]].includes(database.id);
    });
  const filter = body["filter"];
  const verdicts = inside.map((page) =>
    isObject(filter) ? matchesFilter(object(page.data["properties"]), schema, filter) : true,
  );
  const refusal = isObject(filter) ? matchesFilter({}, schema, filter) : true;
  if (typeof refusal === "string") return invalid(refusal);
  const sorted = objects(body["sorts"])
    .toReversed()
    .reduce<readonly Stored[]>(
      (rows, sort) => {
        const way = sort["direction"] === "descending" ? -1 : 1;
        return rows.toSorted((one, other) => way * compareFolded(sortKey(one, sort), sortKey(other, sort)));
      },
      inside.filter((_, n) => verdicts[n] === true),
    );
  const rows = sorted.map((page) => renderPage(page, caller));
  const type = context.incoming.path.startsWith("/v1/data_sources/") ? "page_or_data_source" : "page_or_database";
  return listReply(rows, { size: body["page_size"], cursor: body["start_cursor"] }, type);
});

const search: Handler = (context, caller) => {
  const { json: body } = context.incoming;
  const words = text(body["query"]).toLowerCase();
  const wanted = text(object(body["filter"])["value"]);
  const rows = [
    ...allOf(context, caller, pages)
      .list()
      .map((page) => renderPage(page, caller)),
    ...allOf(context, caller, databases)
      .list()
      .map((database) => renderDatabase(database, caller)),
  ].filter((row) => {
    const is_wanted =
      wanted === "" || wanted === row["object"] || (wanted === "data_source" && row["object"] === "database");
    const named = JSON.stringify([row["title"] ?? Object.values(object(row["properties"]))]).toLowerCase();
    return is_wanted && row["archived"] !== true && named.includes(words);
  });
  return listReply(rows, { size: body["page_size"], cursor: body["start_cursor"] }, "page_or_database");
};

const getChildren: Handler = (context, caller) => {
  const id = uuid(context.params["id"] ?? "");
  if (allOf(context, caller, pages).get(id) === undefined) return unshared("block", id);
  const own = allOf(context, caller, blocks)
    .list()
    .filter(({ data }) => data["page_id"] === id);
  const { query: params } = context.incoming;
  const given = { size: params.get("page_size") ?? undefined, cursor: params.get("start_cursor") ?? undefined };
  return listReply(
    own.map((block) => renderBlock(block, caller)),
    given,
    "block",
  );
};

const addChildren: Handler = (context, caller) => {
  const id = uuid(context.params["id"] ?? "");
  const children = objects(context.incoming.json["children"]).map(withType);
  if (allOf(context, caller, pages).get(id) === undefined) return unshared("block", id);
  if (children.length === 0 || !children.every(isBlock)) return badBlocks();
  const added = addBlocks(context, caller, id, children);
  return listReply(
    added.map((block) => renderBlock(block, caller)),
    { size: undefined, cursor: undefined },
    "block",
  );
};

export const notionRoutes = (base: ApiBase): TokenRoute[] =>
  endpoints(base, null, {
    "POST /v1/search": search,
    "POST /v1/pages": createPage,
    "GET /v1/pages/:id": getPage,
    "PATCH /v1/pages/:id": updatePage,
    "POST /v1/databases": createDatabase,
    "GET /v1/databases/:id": getDatabase,
    "POST /v1/databases/:id/query": query,
    "GET /v1/data_sources/:id": getDatabase,
    "POST /v1/data_sources/:id/query": query,
    "GET /v1/blocks/:id/children": getChildren,
    "PATCH /v1/blocks/:id/children": addChildren,
  });
