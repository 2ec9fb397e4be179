/**
 * HubSpot's CRM objects: contacts, companies and deals of a portal.
 * https://developers.hubspot.com/docs/api-reference/latest/crm/objects (shapes in
 * recorded/hubspot.json)
 *
 * The same API is at `/crm/v3/objects/` and at a dated path. Property values are texts. A read
 * returns the default properties and those that are named. Simplified: every property exists, and
 * associations are kept without effect.
 */
import { empty, json } from "../engine/reply.ts";
import type { Collection, Objects, Stored } from "../engine/objects.ts";
import type { Caller, Json, JsonObject, Reply, RouteContext, TokenRoute } from "../engine/types.ts";
import { isObject, stableUuid } from "../engine/values.ts";
import {
  endpoints,
  iso,
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
import { compareFolded } from "./kit/filter.ts";

export const correlationId = stableUuid("hubspot", "correlation");

interface ObjectType {
  readonly name: string;
  /** The id that can stand for the name. */
  readonly type_id: string;
  readonly label: string;
  /** Returned by reads that name no properties. */
  readonly defaults: readonly string[];
  readonly modified: string;
  /** A property that only one object can have. */
  readonly unique?: string;
}

const TYPES: readonly ObjectType[] = [
  {
    name: "contacts",
    type_id: "0-1",
    label: "CONTACT",
    defaults: ["createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"],
    modified: "lastmodifieddate",
    unique: "email",
  },
  {
    name: "companies",
    type_id: "0-2",
    label: "COMPANY",
    defaults: ["createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"],
    modified: "hs_lastmodifieddate",
  },
  {
    name: "deals",
    type_id: "0-3",
    label: "DEAL",
    defaults: [
      "amount",
      "closedate",
      "createdate",
      "dealname",
      "dealstage",
      "hs_lastmodifieddate",
      "hs_object_id",
      "pipeline",
    ],
    modified: "hs_lastmodifieddate",
  },
];

const collectionOf = ({ name }: ObjectType): Collection => ({
  name,
  newId: (_, n) => String(n),
  seed: (owner) => {
    const maria = { email: `maria@${owner}.example`, firstname: "Maria", lastname: "Johnson" };
    return name === "contacts" ? [{ data: { properties: maria } }] : [];
  },
});

const error = (status: number, category: string, message: string): Reply =>
  json(status, { status: "error", message, correlationId, category });

const invalid = (message: string): Reply => error(400, "VALIDATION_ERROR", message);
const missing = (): Reply => error(404, "OBJECT_NOT_FOUND", "Object not found.  objectId are usually numeric.");

const invalidProperty = (name: string, code: string, message: string): Reply =>
  invalid(`Property values were not valid: ${JSON.stringify([{ isValid: false, message, error: code, name }])}`);

/** Returns all properties, with those that HubSpot computes. */
function allProperties(type: ObjectType, { id, data, created_at, changed_at }: Stored): JsonObject {
  const computed = { createdate: iso(created_at), [type.modified]: iso(changed_at), hs_object_id: id };
  return { ...object(data["properties"]), ...computed };
}

/** @param names null: all properties that are set. */
function render(type: ObjectType, stored: Stored, names: readonly string[] | null): JsonObject {
  const all = allProperties(type, stored);
  const shown = names === null ? pick(all, Object.keys(all)) : withNulls(all, [...type.defaults, ...names]);
  return {
    id: stored.id,
    properties: shown,
    createdAt: iso(stored.created_at),
    updatedAt: iso(stored.changed_at),
    archived: false,
  };
}

const withNulls = (all: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(names.map((name) => [name, all[name] ?? null]));

const namesIn = (query: URLSearchParams): string[] =>
  query
    .getAll("properties")
    .flatMap((names) => names.split(","))
    .filter((name) => name !== "");

/** Returns property values as HubSpot keeps them. An empty text clears a property. */
const texts = (properties: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(properties).flatMap(([name, value]): [string, Json][] => {
      if (value === undefined || value === null || value === "") return [];
      return [[name, typeof value === "object" ? JSON.stringify(value) : String(value)]];
    }),
  );

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/** Returns why HubSpot refuses the properties, or null. */
function problem(type: ObjectType, all: Objects, given: JsonObject, own_id?: string): Reply | null {
  const { email } = given;
  if (type.unique === "email" && typeof email === "string" && email !== "" && !EMAIL.test(email)) {
    return invalidProperty("email", "INVALID_EMAIL", `Email address ${email} is invalid`);
  }
  const value = type.unique === undefined ? undefined : given[type.unique];
  const same = value === undefined ? undefined : findBy(all, type.unique ?? "", text(value));
  if (same === undefined || same.id === own_id) return null;
  return error(409, "CONFLICT", `Contact already exists. Existing ID: ${same.id}`);
}

const findBy = (all: Objects, property: string, value: string): Stored | undefined =>
  all.list().find(({ data }) => compareFolded(object(data["properties"])[property], value) === 0);

/** Creates one object, or returns the refusal. */
function createOne(type: ObjectType, all: Objects, input: JsonObject): Stored | Reply {
  const { properties, associations } = input;
  if (!isObject(properties) || Object.keys(properties).length === 0) {
    return invalid(`Error creating ${type.label}. Some required properties were not set.`);
  }
  const linked = list(associations).length === 0 ? {} : { associations };
  return problem(type, all, properties) ?? all.add({ data: { properties: texts(properties), ...linked } });
}

function updateOne(type: ObjectType, all: Objects, found: Stored, input: JsonObject): Stored | Reply {
  const { properties } = input;
  if (!isObject(properties)) return invalid("Invalid input JSON: properties is required.");
  const cleared = Object.keys(properties).filter((name) => properties[name] === "");
  const before = object(found.data["properties"]);
  const kept = pick(
    before,
    Object.keys(before).filter((name) => !cleared.includes(name)),
  );
  const data = { ...found.data, properties: { ...kept, ...texts(properties) } };
  return problem(type, all, properties, found.id) ?? all.replace(found.id, data);
}

const OPERATORS: Readonly<Record<string, (value: Json | undefined, filter: JsonObject) => boolean>> = {
  EQ: (value, { value: wanted }) => value !== undefined && compareFolded(value, wanted) === 0,
  NEQ: (value, { value: wanted }) => compareFolded(value, wanted) !== 0,
  LT: (value, { value: wanted }) => value !== undefined && compareFolded(value, wanted) < 0,
  LTE: (value, { value: wanted }) => value !== undefined && compareFolded(value, wanted) <= 0,
  GT: (value, { value: wanted }) => value !== undefined && compareFolded(value, wanted) > 0,
  GTE: (value, { value: wanted }) => value !== undefined && compareFolded(value, wanted) >= 0,
  BETWEEN: (value, { value: low, highValue }) =>
    value !== undefined && compareFolded(value, low) >= 0 && compareFolded(value, highValue) <= 0,
  IN: (value, { values }) => list(values).some((one) => value !== undefined && compareFolded(value, one) === 0),
  NOT_IN: (value, { values }) => !list(values).some((one) => compareFolded(value, one) === 0),
  HAS_PROPERTY: (value) => value !== undefined,
  NOT_HAS_PROPERTY: (value) => value === undefined,
  CONTAINS_TOKEN: (value, { value: token }) => hasToken(value, token),
  NOT_CONTAINS_TOKEN: (value, { value: token }) => !hasToken(value, token),
};

/** `*` stands for any characters. */
function hasToken(value: Json | undefined, token: Json | undefined): boolean {
  const wanted = text(token).toLowerCase();
  const words = text(value)
    .toLowerCase()
    .split(/[\s@.,]+/);
  const bare = wanted.replaceAll("*", "");
  return wanted.includes("*")
    ? text(value).toLowerCase().includes(bare)
    : [...words, text(value).toLowerCase()].includes(bare);
}

const GROUPS_MAX = 5;
const SEARCH_DEFAULT = 10;

const isKnownFilter = ({ operator, propertyName }: JsonObject): boolean =>
  Object.hasOwn(OPERATORS, text(operator)) && typeof propertyName === "string";

function search(type: ObjectType, { incoming }: RouteContext, all: Objects): Reply {
  const { json: body } = incoming;
  const groups = objects(body["filterGroups"]).map(({ filters }) => objects(filters));
  const size = sizeOf(typeof body["limit"] === "number" ? body["limit"] : null, SEARCH_DEFAULT, 200);
  if (size === null || groups.length > GROUPS_MAX || !groups.flat().every(isKnownFilter)) {
    return invalid("There was a problem with the request.");
  }
  const words = text(body["query"]).toLowerCase();
  const found = all.list().filter((one) => {
    const own = allProperties(type, one);
    const passes = (filter: JsonObject) =>
      OPERATORS[text(filter["operator"])]?.(own[text(filter["propertyName"])], filter);
    const is_named = Object.values(own).some((value) => text(value).toLowerCase().includes(words));
    return is_named && (groups.length === 0 || groups.some((filters) => filters.every(passes)));
  });
  const [sort] = list(body["sorts"]);
  const order = isObject(sort) ? sort : { propertyName: sort ?? "hs_object_id" };
  const name = text(order["propertyName"]);
  const way = order["direction"] === "DESCENDING" ? -1 : 1;
  const sorted = found.toSorted((one, other) => {
    return way * compareFolded(allProperties(type, one)[name], allProperties(type, other)[name]);
  });
  const after = body["after"];
  const page = pageOf(sorted, size, typeof after === "number" ? String(after) : text(after));
  if (page === null) return invalid("There was a problem with the request.");
  const names = list(body["properties"]).map(text);
  const results = page.items.map((one) => render(type, one, names));
  return json(200, { total: found.length, results, ...paging(page.next) });
}

const paging = (next: string | null): JsonObject =>
  next === null ? {} : { paging: { next: { after: next, link: `?after=${next}` } } };

type OnObject = (context: RouteContext, all: Objects, found: Stored) => Reply;

/** Returns the handlers of one type. */
function handlersOf(type: ObjectType) {
  const collection = collectionOf(type);
  const allOf = ({ objects: stored }: RouteContext, { account }: Caller): Objects => stored(collection, account.org);
  const finish = (status: 200 | 201, made: Stored | Reply): Reply =>
    "delivery" in made ? made : json(status, render(type, made, null));
  const onObject =
    (handle: OnObject): Handler =>
    (context, caller) => {
      const all = allOf(context, caller);
      const id = context.params["id"] ?? "";
      const property = context.incoming.query.get("idProperty");
      const found = property === null ? all.get(id) : findBy(all, property, id);
      return found === undefined ? missing() : handle(context, all, found);
    };
  const batch =
    (run: (all: Objects, input: JsonObject) => Stored | Reply | null): Handler =>
    (context, caller) => {
      const all = allOf(context, caller);
      const inputs = objects(context.incoming.json["inputs"]);
      if (inputs.length === 0 || inputs.length > 100) return invalid("inputs must have 1 to 100 items.");
      const results: JsonObject[] = [];
      for (const input of inputs) {
        const made = run(all, input);
        if (made !== null && "delivery" in made) return made;
        if (made !== null) results.push(render(type, made, null));
      }
      const at = iso(context.now);
      const status = context.incoming.path.endsWith("/create") ? 201 : 200;
      return json(status, { status: "COMPLETE", results, startedAt: at, completedAt: at });
    };
  return { allOf, finish, onObject, batch };
}

function tableOf(type: ObjectType, path: string) {
  const { allOf, finish, onObject, batch } = handlersOf(type);
  const listObjects: Handler = (context, caller) => {
    const { query } = context.incoming;
    const size = sizeOf(query.get("limit"), 10, 100);
    const page = size === null ? null : pageOf(allOf(context, caller).list(), size, query.get("after"));
    if (page === null) return invalid("Invalid paging parameters.");
    return json(200, { results: page.items.map((one) => render(type, one, namesIn(query))), ...paging(page.next) });
  };
  const read = {
    [`GET ${path}`]: listObjects,
    [`GET ${path}/:id`]: onObject(({ incoming }, _, found) => json(200, render(type, found, namesIn(incoming.query)))),
    [`POST ${path}/search`]: ((context, caller) => search(type, context, allOf(context, caller))) satisfies Handler,
    [`POST ${path}/batch/read`]: batch((all, { id }) => all.get(text(id)) ?? null),
  };
  const write = {
    [`POST ${path}`]: ((context, caller) =>
      finish(201, createOne(type, allOf(context, caller), context.incoming.json))) satisfies Handler,
    [`POST ${path}/batch/create`]: batch((all, input) => createOne(type, all, input)),
    [`POST ${path}/batch/update`]: batch((all, input) => {
      const found = all.get(text(input["id"]));
      return found === undefined ? missing() : updateOne(type, all, found, input);
    }),
    [`PATCH ${path}/:id`]: onObject(({ incoming }, all, found) =>
      finish(200, updateOne(type, all, found, incoming.json)),
    ),
    [`DELETE ${path}/:id`]: onObject((_, all, found) => {
      all.remove(found.id);
      return empty(204);
    }),
  };
  return { read, write };
}

export const hubspotRoutes = (base: ApiBase): TokenRoute[] =>
  TYPES.flatMap((type) => {
    const scope = `crm.objects.${type.name}`;
    const paths = [
      `/crm/v3/objects/${type.name}`,
      `/crm/v3/objects/${type.type_id}`,
      `/crm/objects/2026-03/${type.name}`,
    ];
    return paths.flatMap((path) => {
      const { read, write } = tableOf(type, path);
      return [
        ...endpoints(base, [`${scope}.read`, `${scope}.write`], read),
        ...endpoints(base, [`${scope}.write`], write),
      ];
    });
  });
