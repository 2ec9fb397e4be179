/**
 * Airtable: the records of tables.
 * https://airtable.com/developers/web/api/list-records (shapes in recorded/airtable.json)
 *
 * Simplified: every well-formed base id is a base, every table name a table, and every field
 * exists. A formula supports comparisons, AND, OR, NOT and a few text functions.
 */
import { json } from "../engine/reply.ts";
import type { Collection, Objects, Stored } from "../engine/objects.ts";
import type { Caller, Json, JsonObject, Reply, RouteContext, TokenRoute } from "../engine/types.ts";
import { isObject, stableId } from "../engine/values.ts";
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
import { compare, comparisons, parseFilter, passes, type Language } from "./kit/filter.ts";

const records: Collection = {
  name: "records",
  newId: (owner, n) => `rec${stableId("airtable record", `${owner} ${n}`, 14)}`,
};

const error = (status: number, type: string, message: string): Reply => json(status, { error: { type, message } });
const badRequest = (): Reply =>
  error(422, "INVALID_REQUEST_UNKNOWN", "Invalid request: parameter validation failed. Check your request data.");
const noFields = (): Reply =>
  error(422, "INVALID_REQUEST_MISSING_FIELDS", 'Could not find field "fields" in the request body');
const noModel = (): Reply =>
  error(
    403,
    "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
    "Invalid permissions, or the requested model was not found. Check that both your user and your token have the " +
      "required permissions, and that the model names and/or ids are correct.",
  );

const words = (value: Json | undefined): string => (typeof value === "number" ? String(value) : text(value));

const FORMULA: Language = {
  operators: comparisons(["=", "!=", "<", "<=", ">", ">="], compare),
  functions: {
    true: () => true,
    false: () => false,
    blank: () => "",
    find: (wanted, value) => words(value).indexOf(words(wanted)) + 1,
    search: (wanted, value) => words(value).toLowerCase().indexOf(words(wanted).toLowerCase()) + 1,
    lower: (value) => words(value).toLowerCase(),
    upper: (value) => words(value).toUpperCase(),
    trim: (value) => words(value).trim(),
    len: (value) => words(value).length,
    concatenate: (...values) => values.map(words).join(""),
  },
};

interface Table {
  readonly base: string;
  readonly table: string;
  readonly all: Objects;
}

const recordsOf = ({ base, table, all }: Table): readonly Stored[] =>
  all.list().filter(({ data }) => data["base"] === base && data["table"] === table);

const render = ({ id, data, created_at }: Stored, names: readonly string[] = []): JsonObject => {
  const fields = object(data["fields"]);
  return { id, createdTime: iso(created_at), fields: names.length === 0 ? fields : pick(fields, names) };
};

type OnTable = (context: RouteContext, table: Table) => Reply;

const onTable =
  (handle: OnTable): Handler =>
  (context: RouteContext, { account }: Caller) => {
    const { base = "", table = "" } = context.params;
    if (!/^app[A-Za-z0-9]{14}$/.test(base)) return noModel();
    return handle(context, { base, table, all: context.objects(records, account.org) });
  };

const onRecord = (handle: (context: RouteContext, table: Table, found: Stored) => Reply): Handler =>
  onTable((context, table) => {
    const found = recordsOf(table).find(({ id }) => id === context.params["record"]);
    return found === undefined ? json(404, { error: "NOT_FOUND" }) : handle(context, table, found);
  });

interface Wanted {
  readonly formula: string;
  readonly page_size: string | number | null;
  readonly most: string | number | null;
  readonly offset: string;
  readonly fields: readonly string[];
  readonly sort: readonly JsonObject[];
}

const numeric = (value: Json | undefined): string | number | null =>
  typeof value === "number" || typeof value === "string" ? value : null;

/** Parses a query such as `sort[0][field]=Name&fields[]=Name`. */
function wantedInQuery(query: URLSearchParams): Wanted {
  const sort = [...query.keys()].flatMap((key) => {
    const index = /^sort\[(\d+)\]\[field\]$/.exec(key)?.[1];
    return index === undefined ? [] : [{ field: query.get(key), direction: query.get(`sort[${index}][direction]`) }];
  });
  const fields = [...query].flatMap(([key, value]) => (/^fields(?:\[\d*\])?$/.test(key) ? [value] : []));
  return {
    formula: query.get("filterByFormula") ?? "",
    page_size: query.get("pageSize"),
    most: query.get("maxRecords"),
    offset: query.get("offset") ?? "",
    fields,
    sort,
  };
}

const wantedInBody = (body: JsonObject): Wanted => ({
  formula: text(body["filterByFormula"]),
  page_size: numeric(body["pageSize"]),
  most: numeric(body["maxRecords"]),
  offset: text(body["offset"]),
  fields: list(body["fields"]).map(text),
  sort: objects(body["sort"]),
});

const ALL = 1_000_000;

function listWanted(table: Table, wanted: Wanted): Reply {
  const size = sizeOf(wanted.page_size, 100, 100);
  const most = sizeOf(wanted.most, ALL, ALL);
  if (size === null || most === null) return badRequest();
  const filter = wanted.formula === "" ? undefined : parseFilter(wanted.formula, FORMULA);
  if (filter === null) {
    const message = `The formula for filtering records is invalid: ${wanted.formula}`;
    return error(422, "INVALID_FILTER_BY_FORMULA", message);
  }
  const found = recordsOf(table).filter(({ data }) => {
    return filter === undefined || passes(filter, FORMULA, (name) => object(data["fields"])[name]);
  });
  const sorted = wanted.sort.toReversed().reduce<readonly Stored[]>((rows, { field, direction }) => {
    const way = direction === "desc" ? -1 : 1;
    const valueOf = ({ data }: Stored) => object(data["fields"])[text(field)];
    return rows.toSorted((one, other) => way * compare(valueOf(one), valueOf(other)));
  }, found);
  const page = pageOf(sorted.slice(0, most), size, wanted.offset.replace(/^itr/, ""));
  if (page === null) return error(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "The iterator is not available.");
  const rows = page.items.map((one) => render(one, wanted.fields));
  return json(200, { records: rows, ...(page.next === null ? {} : { offset: `itr${page.next}` }) });
}

const listByQuery = onTable(({ incoming }, table) => listWanted(table, wantedInQuery(incoming.query)));
const listByBody = onTable(({ incoming }, table) => listWanted(table, wantedInBody(incoming.json)));

const BATCH_MAX = 10;

/** Returns the rows of a batch, or null if it is empty, too large or has no fields. */
function batchOf(body: JsonObject): readonly JsonObject[] | null {
  const rows = objects(body["records"]);
  return rows.length > 0 && rows.length <= BATCH_MAX && rows.every(({ fields }) => isObject(fields)) ? rows : null;
}

/** An empty value clears a field. */
const cleared = (fields: JsonObject): JsonObject =>
  pick(
    fields,
    Object.keys(fields).filter((name) => fields[name] !== null && fields[name] !== ""),
  );

const create = onTable(({ incoming }, { base, table, all }) => {
  const { json: body } = incoming;
  const add = (fields: JsonObject) => render(all.add({ data: { base, table, fields: cleared(fields) } }));
  if (isObject(body["fields"])) return json(200, add(body["fields"]));
  if (body["records"] === undefined) return noFields();
  const rows = batchOf(body);
  return rows === null ? badRequest() : json(200, { records: rows.map(({ fields }) => add(object(fields))) });
});

function change({ all }: Table, found: Stored, fields: JsonObject, method: string): JsonObject {
  const before = method === "PUT" ? {} : object(found.data["fields"]);
  return render(all.replace(found.id, { ...found.data, fields: cleared({ ...before, ...fields }) }));
}

const update = onRecord(({ incoming }, table, found) => {
  const { fields } = incoming.json;
  return isObject(fields) ? json(200, change(table, found, fields, incoming.method)) : noFields();
});

const updateBatch = onTable(({ incoming }, table) => {
  const rows = batchOf(incoming.json);
  if (rows === null) return badRequest();
  const known = rows.map(({ id, fields }) => ({ found: recordsOf(table).find((one) => one.id === id), fields }));
  if (known.some(({ found }) => found === undefined)) {
    return error(422, "ROW_DOES_NOT_EXIST", "Record ID does not exist in this table.");
  }
  const changed = known.flatMap(({ found, fields }) =>
    found === undefined ? [] : [change(table, found, object(fields), incoming.method)],
  );
  return json(200, { records: changed });
});

const get = onRecord((_, __, found) => json(200, render(found)));

const remove = onRecord((_, { all }, found) => {
  all.remove(found.id);
  return json(200, { deleted: true, id: found.id });
});

const removeBatch = onTable(({ incoming }, table) => {
  const ids = [...incoming.query].flatMap(([key, value]) => (key === "records[]" ? [value] : []));
  const known = recordsOf(table).map(({ id }) => id);
  if (ids.length === 0 || ids.length > BATCH_MAX || !ids.every((id) => known.includes(id))) return badRequest();
  for (const id of ids) table.all.remove(id);
  return json(200, { records: ids.map((id) => ({ deleted: true, id })) });
});

const TABLE = "/v0/:base/:table";

export const airtableRoutes = (base: ApiBase): TokenRoute[] => [
  ...endpoints(base, ["data.records:read", "data.records:write"], {
    [`GET ${TABLE}`]: listByQuery,
    [`POST ${TABLE}/listRecords`]: listByBody,
    [`GET ${TABLE}/:record`]: get,
  }),
  ...endpoints(base, ["data.records:write"], {
    [`POST ${TABLE}`]: create,
    [`PATCH ${TABLE}`]: updateBatch,
    [`PUT ${TABLE}`]: updateBatch,
    [`DELETE ${TABLE}`]: removeBatch,
    [`PATCH ${TABLE}/:record`]: update,
    [`PUT ${TABLE}/:record`]: update,
    [`DELETE ${TABLE}/:record`]: remove,
  }),
];
