/**
 * Salesforce: records of an org by SOQL and by id.
 * https://developer.salesforce.com/docs/platform/api-rest/guide (shapes: recorded/salesforce.json)
 *
 * Ids begin with the prefix of their type. Simplified: nine standard types and every custom one,
 * and every field exists. A query has SELECT, FROM, WHERE, ORDER BY, LIMIT and OFFSET, the fields
 * of a parent, and `COUNT()`. It has no aggregates, subqueries or date literals.
 */
import { empty, json } from "../engine/reply.ts";
import type { Collection, Objects, Stored } from "../engine/objects.ts";
import type { Caller, Json, JsonObject, Reply, RouteContext, TokenRoute } from "../engine/types.ts";
import { parseJson, stableId } from "../engine/values.ts";
import { endpoints, iso, list, object, objects, pick, text, type ApiBase, type Handler } from "./kit/endpoints.ts";
import { compareFolded, comparisons, parseFilter, passes, type Filter, type Language } from "./kit/filter.ts";

interface ObjectType {
  readonly prefix: string;
  readonly required: readonly string[];
}

const TYPES: Readonly<Record<string, ObjectType>> = {
  Account: { prefix: "001", required: ["Name"] },
  Contact: { prefix: "003", required: ["LastName"] },
  Lead: { prefix: "00Q", required: ["LastName", "Company"] },
  Opportunity: { prefix: "006", required: ["Name", "StageName", "CloseDate"] },
  Case: { prefix: "500", required: [] },
  Task: { prefix: "00T", required: [] },
  Event: { prefix: "00U", required: [] },
  Campaign: { prefix: "701", required: ["Name"] },
  User: { prefix: "005", required: ["LastName"] },
};

const CUSTOM: ObjectType = { prefix: "a00", required: [] };

/** Names of types are not case-sensitive. */
function typeOf(given: string): { readonly name: string; readonly type: ObjectType } | null {
  const name = Object.keys(TYPES).find((known) => known.toLowerCase() === given.toLowerCase());
  if (name !== undefined) return { name, type: TYPES[name] ?? CUSTOM };
  return /^\w+__c$/i.test(given) ? { name: given, type: CUSTOM } : null;
}

function collectionOf(name: string, { prefix, required }: ObjectType): Collection {
  const fields = Object.fromEntries(required.map((field) => [field, `First ${name}`]));
  return {
    name,
    newId: (owner, n) => `${prefix}SIM${stableId("salesforce record", `${owner} ${name} ${n}`, 12)}`,
    seed: () => (name.endsWith("__c") ? [] : [{ data: { ...fields, Name: `First ${name}` } }]),
  };
}

const error = (status: number, errorCode: string, message: string, fields?: readonly string[]): Reply =>
  json(status, [{ message, errorCode, ...(fields === undefined ? {} : { fields }) }]);

const unknownType = (given: string): Reply => error(400, "INVALID_TYPE", `sObject type '${given}' is not supported.`);
const notFound = (): Reply => error(404, "NOT_FOUND", "The requested resource does not exist");
const malformed = (words: string): Reply => error(400, "MALFORMED_QUERY", words);

/** `2026-11-29T00:00:00.000+0000`. */
const instant = (at: number): string => iso(at).replace("Z", "+0000");

interface Org {
  readonly context: RouteContext;
  readonly caller: Caller;
}

const allOf = ({ context, caller }: Org, name: string, type: ObjectType): Objects =>
  context.objects(collectionOf(name, type), caller.account.org);

/** Returns every field of a record, with those that Salesforce computes. */
function fieldsOf({ id, data, created_at, changed_at }: Stored): JsonObject {
  const person = [data["FirstName"], data["LastName"]].map(text).filter((part) => part !== "");
  const name = data["LastName"] === undefined ? {} : { Name: person.join(" ") };
  const times = { CreatedDate: instant(created_at), LastModifiedDate: instant(changed_at) };
  return { ...data, ...name, Id: id, IsDeleted: false, ...times, SystemModstamp: instant(changed_at) };
}

const attributes = ({ context }: Org, type: string, id: string): JsonObject => ({
  type,
  url: `/services/data/${context.params["version"] ?? ""}/sobjects/${type}/${id}`,
});

/** Returns a member without regard to case, as SOQL names fields. */
function member(fields: JsonObject, name: string): readonly [string, Json] {
  const known = Object.keys(fields).find((one) => one.toLowerCase() === name.toLowerCase());
  return [known ?? name, (known === undefined ? undefined : fields[known]) ?? null];
}

/** Returns the parent that `Account` of `Account.Name` means, by the field AccountId. */
function parentOf(org: Org, fields: JsonObject, relation: string): readonly [string, Stored | undefined] {
  const found = typeOf(relation === "Owner" || relation === "CreatedBy" ? "User" : relation);
  if (found === null) return [relation, undefined];
  const [, id] = member(fields, `${relation}Id`);
  return [found.name, allOf(org, found.name, found.type).get(text(id))];
}

function valueOf(org: Org, fields: JsonObject, path: string): Json {
  const [first = "", ...rest] = path.split(".");
  if (rest.length === 0) return member(fields, first)[1];
  const [, parent] = parentOf(org, fields, first);
  return parent === undefined ? null : valueOf(org, fieldsOf(parent), rest.join("."));
}

/** Returns the members of a row for the selected paths. Parents are objects of their own. */
function selected(org: Org, fields: JsonObject, paths: readonly string[]): JsonObject {
  const row: Record<string, Json> = {};
  for (const path of paths) {
    const [first = "", ...rest] = path.split(".");
    const [name, value] = member(fields, first);
    if (rest.length === 0) row[name] = value;
    else {
      const [type, parent] = parentOf(org, fields, first);
      const inner = paths.filter((one) => one.startsWith(`${first}.`)).map((one) => one.slice(first.length + 1));
      row[first] =
        parent === undefined
          ? null
          : { attributes: attributes(org, type, parent.id), ...selected(org, fieldsOf(parent), inner) };
    }
  }
  return row;
}

/**
 * `%` stands for any characters, `_` for one. Not a regular expression, because one with many `%`
 * could run forever.
 */
function isLike(value: Json | undefined, pattern: Json | undefined): boolean {
  const [words, wanted] = [text(value).toLowerCase(), text(pattern).toLowerCase()];
  let [at, p] = [0, 0];
  let retry: { readonly at: number; readonly p: number } | null = null;
  while (at < words.length) {
    if (wanted[p] === "%") {
      retry = { at, p };
      p += 1;
    } else if (p < wanted.length && (wanted[p] === "_" || wanted[p] === words[at])) {
      at += 1;
      p += 1;
    } else if (retry === null) return false;
    else {
      // Lets the last `%` take one character more.
      retry = { at: retry.at + 1, p: retry.p };
      [at, p] = [retry.at, retry.p + 1];
    }
  }
  return /^%*$/.test(wanted.slice(p));
}

const isIn = (value: Json | undefined, all: Json | undefined): boolean =>
  list(all).some((one) => compareFolded(value, one) === 0);

const SOQL: Language = {
  operators: {
    ...comparisons(["=", "!=", "<", "<=", ">", ">="], compareFolded),
    "<>": (one, other) => compareFolded(one, other) !== 0,
    like: isLike,
    in: isIn,
    "not in": (value, all) => !isIn(value, all),
  },
  functions: {},
};

interface Query {
  readonly fields: readonly string[];
  readonly name: string;
  readonly type: ObjectType;
  readonly filter: Filter | undefined;
  readonly order: readonly { readonly field: string; readonly way: 1 | -1 }[];
  readonly limit: number;
  readonly offset: number;
}

const CLAUSES = ["select", "from", "where", "order by", "limit", "offset"] as const;
type Clause = (typeof CLAUSES)[number];
const FIELD = /^[A-Za-z]\w*(?:\.[A-Za-z]\w*)*$/;
const QUERY_MAX = 20_000;

const isClause = (word: string): word is Clause => CLAUSES.some((clause) => clause === word);

/** Splits a query at its keywords, outside of quotes. Null: they are not in their order. */
function clausesOf(given: string): ReadonlyMap<Clause, string> | null {
  const clauses = new Map<Clause, string>();
  let open: { readonly clause: Clause; readonly start: number } | null = null;
  for (const match of given.matchAll(/'(?:[^'\\]|\\.)*'|\b(?:select|from|where|order\s+by|limit|offset)\b/gi)) {
    const word = match[0].toLowerCase().replace(/\s+/, " ");
    if (!isClause(word)) continue;
    if (open !== null) clauses.set(open.clause, given.slice(open.start, match.index).trim());
    if (open !== null && CLAUSES.indexOf(word) <= CLAUSES.indexOf(open.clause)) return null;
    if (open === null && given.slice(0, match.index).trim() !== "") return null;
    open = { clause: word, start: match.index + match[0].length };
  }
  if (open !== null) clauses.set(open.clause, given.slice(open.start).trim());
  return clauses.has("select") && clauses.has("from") ? clauses : null;
}

/** Returns a limit or an offset, or null if it is not a number. */
const countIn = (given: string | undefined, fallback: number): number | null =>
  given === undefined ? fallback : /^\d{1,9}$/.test(given) ? Number(given) : null;

/** Reads a query, or returns the refusal. */
function parseQuery(given: string): Query | Reply {
  const clauses = given.length > QUERY_MAX ? null : clausesOf(given);
  if (clauses === null) return malformed("unexpected token: the query needs SELECT and FROM, in this order");
  const table = clauses.get("from") ?? "";
  if (!/^\w+$/.test(table)) return malformed(`unexpected token: '${table}'`);
  const found = typeOf(table);
  if (found === null) return unknownType(table);
  const fields = (clauses.get("select") ?? "").split(",").map((field) => field.trim());
  const is_whole = fields.length === 1 && /^(?:count\(\)|fields\((?:all|standard|custom)\))$/i.test(fields[0] ?? "");
  const wrong = is_whole ? undefined : fields.find((field) => !FIELD.test(field));
  if (wrong !== undefined) return malformed(`unexpected token: '${wrong}'`);
  const where = clauses.get("where");
  const filter = where === undefined ? undefined : parseFilter(where, SOQL);
  const [limit, offset] = [countIn(clauses.get("limit"), Infinity), countIn(clauses.get("offset"), 0)];
  if (filter === null || limit === null || offset === null) return malformed(`unexpected token in '${given}'`);
  const orders = (clauses.get("order by") ?? "").split(",").map((one) => one.trim().split(/\s+/));
  const order = orders.map(([field = "", way]) => ({ field, way: way?.toLowerCase() === "desc" ? -1 : 1 }) as const);
  return { fields, ...found, filter, order, limit, offset };
}

const query: Handler = (context, caller) => {
  const org = { context, caller };
  const wanted = parseQuery(context.incoming.query.get("q") ?? "");
  if ("delivery" in wanted) return wanted;
  const { fields, name, type, filter, order, limit, offset } = wanted;
  const rows = allOf(org, name, type).list().map(fieldsOf);
  const found = rows.filter((row) => filter === undefined || passes(filter, SOQL, (path) => valueOf(org, row, path)));
  const sorted = found.toSorted((one, other) => {
    const steps = order.map(
      ({ field, way }) => way * compareFolded(valueOf(org, one, field), valueOf(org, other, field)),
    );
    return steps.find((step) => step !== 0) ?? 0;
  });
  const [first = ""] = fields;
  if (first.toLowerCase() === "count()") return json(200, { totalSize: found.length, done: true, records: [] });
  const records = sorted.slice(offset, offset + limit).map((row) => {
    const members = first.toLowerCase().startsWith("fields(") ? row : selected(org, row, fields);
    return { attributes: attributes(org, name, text(row["Id"])), ...members };
  });
  return json(200, { totalSize: records.length, done: true, records });
};

/** Returns why Salesforce refuses the fields of a record, or null. */
function fieldProblem({ required }: ObjectType, fields: JsonObject, is_new: boolean): Reply | null {
  if (Object.keys(fields).some((name) => name.toLowerCase() === "id")) {
    return error(400, "INVALID_FIELD", "The Id field should not be specified in the sobject data.");
  }
  const isBlank = (name: string) =>
    (is_new || Object.hasOwn(fields, name)) && ["", null, undefined].includes(fieldText(fields[name]));
  const missing = required.filter(isBlank);
  if (missing.length === 0) return null;
  return error(400, "REQUIRED_FIELD_MISSING", `Required fields are missing: [${missing.join(", ")}]`, missing);
}

const fieldText = (value: Json | undefined): string | null | undefined =>
  typeof value === "object" || value === undefined ? (value === undefined ? undefined : null) : String(value);

/** `attributes` names the type in some calls, and is not a field. */
const withoutAttributes = (body: JsonObject): JsonObject =>
  pick(
    body,
    Object.keys(body).filter((name) => name !== "attributes"),
  );

function createRecord(org: Org, name: string, type: ObjectType, body: JsonObject): Stored | Reply {
  const data = withoutAttributes(body);
  return fieldProblem(type, data, true) ?? allOf(org, name, type).add({ data });
}

const create: Handler = (context, caller) => {
  const given = context.params["type"] ?? "";
  const found = typeOf(given);
  if (found === null) return notFound();
  const made = createRecord({ context, caller }, found.name, found.type, context.incoming.json);
  return "delivery" in made ? made : json(201, { id: made.id, success: true, errors: [] });
};

type OnRecord = (
  org: Org,
  found: Stored,
  place: { readonly name: string; readonly type: ObjectType; readonly all: Objects },
) => Reply;

const onRecord =
  (handle: OnRecord): Handler =>
  (context, caller) => {
    const known = typeOf(context.params["type"] ?? "");
    if (known === null) return notFound();
    const org = { context, caller };
    const all = allOf(org, known.name, known.type);
    const id = context.params["id"] ?? "";
    // An id of 15 characters is the same without its check digits.
    const found = all.get(id) ?? all.list().find((one) => id.length === 15 && one.id.startsWith(id));
    return found === undefined ? notFound() : handle(org, found, { ...known, all });
  };

const get = onRecord((org, found, { name }) => {
  const wanted = org.context.incoming.query.get("fields");
  const fields = fieldsOf(found);
  const shown = wanted === null ? fields : selected(org, fields, ["Id", ...wanted.split(",").map((one) => one.trim())]);
  return json(200, { attributes: attributes(org, name, found.id), ...shown });
});

const update = onRecord(({ context }, found, { type, all }) => {
  const data = withoutAttributes(context.incoming.json);
  const problem = fieldProblem(type, data, false);
  if (problem !== null) return problem;
  all.replace(found.id, { ...found.data, ...data });
  return empty(204);
});

const remove = onRecord((_, found, { all }) => {
  all.remove(found.id);
  return empty(204);
});

/** Updates the record whose external id has this value, or creates it. */
const upsert: Handler = (context, caller) => {
  const known = typeOf(context.params["type"] ?? "");
  if (known === null) return notFound();
  const org = { context, caller };
  const { field = "", value = "" } = context.params;
  const all = allOf(org, known.name, known.type);
  const same = all.list().find((one) => text(member(one.data, field)[1]) === value);
  const data = { ...withoutAttributes(context.incoming.json), [field]: value };
  if (same === undefined) {
    const made = createRecord(org, known.name, known.type, data);
    return "delivery" in made ? made : json(201, { id: made.id, success: true, errors: [], created: true });
  }
  const problem = fieldProblem(known.type, data, false);
  if (problem !== null) return problem;
  all.replace(same.id, { ...same.data, ...data });
  return json(200, { id: same.id, success: true, errors: [], created: false });
};

/** Creates up to 200 records. Each has a result of its own. */
const createMany: Handler = (context, caller) => {
  const rows = objects(context.incoming.json["records"]);
  if (rows.length === 0 || rows.length > 200) return error(400, "INVALID_INPUT", "Send 1 to 200 records.");
  const results = rows.map((row): JsonObject => {
    const given = text(object(row["attributes"])["type"]);
    const found = typeOf(given);
    const made = found === null ? unknownType(given) : createRecord({ context, caller }, found.name, found.type, row);
    if (!("delivery" in made)) return { id: made.id, success: true, errors: [] };
    const [why] = objects(parseJson(Buffer.from(made.body).toString("utf8")));
    return {
      success: false,
      errors: [{ statusCode: why?.["errorCode"], message: why?.["message"], fields: why?.["fields"] ?? [] }],
    };
  });
  return json(200, results);
};

const describeGlobal: Handler = () =>
  json(200, {
    encoding: "UTF-8",
    sobjects: Object.keys(TYPES).map((name) => ({ name, label: name, keyPrefix: TYPES[name]?.prefix })),
  });

const DATA = "/services/data/:version";

/** @param wrap runs a call only at the token's own instance. */
export const salesforceRoutes = (base: ApiBase, wrap: (handle: Handler) => Handler): TokenRoute[] => {
  const table: Readonly<Record<string, Handler>> = {
    [`GET ${DATA}/query`]: query,
    [`GET ${DATA}/sobjects`]: describeGlobal,
    [`POST ${DATA}/sobjects/:type`]: create,
    [`GET ${DATA}/sobjects/:type/:id`]: get,
    [`PATCH ${DATA}/sobjects/:type/:id`]: update,
    [`DELETE ${DATA}/sobjects/:type/:id`]: remove,
    [`PATCH ${DATA}/sobjects/:type/:field/:value`]: upsert,
    [`POST ${DATA}/composite/sobjects`]: createMany,
  };
  const wrapped = Object.entries(table).map(([key, handle]) => [key, wrap(handle)]);
  return endpoints(base, ["api", "full"], Object.fromEntries(wrapped));
};
