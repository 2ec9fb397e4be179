/**
 * Google Sheets: spreadsheets, and the values of their cells.
 * https://developers.google.com/workspace/sheets/api/reference/rest (shapes in
 * recorded/googlesheets.json)
 *
 * `USER_ENTERED` turns texts into numbers and booleans, as typing them would. Simplified: formulas
 * are stored but not computed. `batchUpdate` adds, renames and deletes sheets, and keeps every
 * other request in the object without applying it.
 */
import { isReply, json } from "../../engine/reply.ts";
import type { Stored } from "../../engine/objects.ts";
import type { Caller, Json, JsonObject, Reply, RouteContext, TokenRoute } from "../../engine/types.ts";
import { stableNumber } from "../../engine/values.ts";
import { at, list, objects, text, type Handler } from "../kit/endpoints.ts";
import { formatRange, parseRange, type Range } from "./a1.ts";
import { cellsOf, COLUMNS, properties, ROWS, sheet, sheetsOf, type Cells, type Sheet } from "./sheet.ts";
import { applyRequests } from "./requests.ts";
import { SHEET_STEPS } from "./sheets-batch.ts";
import { badArgument, googleEndpoints, notFound } from "./common.ts";
import { createDocument, openDocument, SPREADSHEET, type DocumentKind, type OpenDocument } from "./files.ts";

const kind: DocumentKind = {
  mime_type: SPREADSHEET,
  collection: {
    name: "spreadsheets",
    newId: () => "",
    seed: () => {
      const rows = [
        ["Name", "Amount"],
        ["Ada", 10],
        ["Bob", 20],
      ];
      return [{ id: "sheet-1", data: { title: "Numbers", sheets: [sheet("Sheet1", 0, rows)] } }];
    },
  },
  blank: (title) => ({ title, sheets: [sheet("Sheet1", 0)] }),
};

const render = (stored: Stored): JsonObject => ({
  spreadsheetId: stored.id,
  properties: { title: stored.data["title"], locale: "en_US", autoRecalc: "ON_CHANGE", timeZone: "Etc/GMT" },
  sheets: sheetsOf(stored).map((one, index) => ({ properties: properties(one, index) })),
  spreadsheetUrl: `https://docs.google.com/spreadsheets/d/${stored.id}/edit`,
});

const create: Handler = (context, caller) => {
  const body = context.incoming.json;
  const title = text(at(body, ["properties", "title"])) || "Untitled spreadsheet";
  const titles = objects(body["sheets"]).map((one) => text(at(one, ["properties", "title"])));
  const named = titles.map((name, n) => sheet(name || `Sheet${n + 1}`, n === 0 ? 0 : stableNumber("sheet", name)));
  const data = named.length === 0 ? kind.blank(title) : { title, sheets: named };
  return json(200, render(createDocument(context, caller, kind, data)));
};

type OnSpreadsheet = (context: RouteContext, open: OpenDocument) => Reply;

const onSpreadsheet =
  (handle: OnSpreadsheet): Handler =>
  (context: RouteContext, caller: Caller) => {
    const open = openDocument(context, caller, kind, context.params["spreadsheet"]);
    return open === null ? notFound() : handle(context, open);
  };

const get = onSpreadsheet((_, { found }) => json(200, render(found)));

interface Place {
  readonly sheets: readonly Sheet[];
  readonly target: Sheet;
  readonly range: Range;
}

/** Finds the sheet of a range, or the refusal. */
function placeOf(stored: Stored, given: string): Place | Reply {
  const sheets = sheetsOf(stored);
  const range = parseRange(
    given,
    sheets.map(({ title }) => title),
  );
  const target = sheets.find(({ title }) => title === (range?.sheet ?? sheets[0]?.title));
  if (range === null || target === undefined) return badArgument(`Unable to parse range: ${given}`);
  return { sheets, target, range };
}

const transposed = (rows: Cells): Json[][] => {
  const width = Math.max(0, ...rows.map((row) => row.length));
  return Array.from({ length: width }, (_, column) => rows.map((row) => row[column] ?? ""));
};

const isEmptyCell = (value: Json | undefined): boolean => value === undefined || value === null || value === "";

/** Drops empty cells at the end of rows, and empty rows at the end. */
function trimmed(rows: Cells): Json[][] {
  const cut = rows.map((row) => row.slice(0, row.findLastIndex((value) => !isEmptyCell(value)) + 1));
  return cut.slice(0, cut.findLastIndex((row) => row.length > 0) + 1);
}

function shown(value: Json, option: string | null): Json {
  if (option === "UNFORMATTED_VALUE" || option === "FORMULA") return value ?? "";
  if (typeof value === "boolean") return String(value).toUpperCase();
  return typeof value === "number" ? String(value) : text(value);
}

function valueRange({ target, range }: Place, query: URLSearchParams): JsonObject {
  const rows = target.values.length;
  const last_row = Math.min(range.last_row ?? Infinity, Math.max(ROWS, rows) - 1);
  const last_column = Math.min(range.last_column ?? Infinity, COLUMNS - 1);
  const option = query.get("valueRenderOption");
  const inside = cellsOf(target)
    .slice(range.row, last_row + 1)
    .map((row) => row.slice(range.column, last_column + 1).map((value) => shown(value, option)));
  const by_columns = query.get("majorDimension") === "COLUMNS";
  const values = trimmed(by_columns ? transposed(inside) : inside);
  return {
    range: formatRange(target.title, range.row, range.column, last_row, last_column),
    majorDimension: by_columns ? "COLUMNS" : "ROWS",
    ...(values.length === 0 ? {} : { values }),
  };
}

const getValues = onSpreadsheet(({ incoming, params }, { found }) => {
  const place = placeOf(found, params["range"] ?? "");
  return isReply(place) ? place : json(200, valueRange(place, incoming.query));
});

const batchGet = onSpreadsheet(({ incoming }, { found }) => {
  const places = incoming.query.getAll("ranges").map((range) => placeOf(found, range));
  const problem = places.find(isReply);
  if (problem !== undefined) return problem;
  const ranges = places.flatMap((place) => (isReply(place) ? [] : [valueRange(place, incoming.query)]));
  return json(200, { spreadsheetId: found.id, valueRanges: ranges });
});

const OPTIONS = ["RAW", "USER_ENTERED"];
const optionProblem = (option: string | null): Reply | null =>
  OPTIONS.includes(option ?? "") ? null : badArgument("'valueInputOption' is required but not specified");

/** Returns the value as Sheets stores it. Null leaves the cell unchanged. */
function entered(value: Json, option: string): Json {
  if (typeof value !== "string" || option === "RAW" || value === "") return value;
  if (/^(?:true|false)$/i.test(value)) return value.toLowerCase() === "true";
  return /^-?(?:\d+\.?\d*|\.\d+)$/.test(value) ? Number(value) : value;
}

/** Returns the rows of a request body, or the refusal. */
function rowsOf(body: JsonObject): Cells | Reply {
  const given = list(body["values"]);
  const rows = given.map((row) => list(row));
  const is_flat = given.every(
    (row, n) => Array.isArray(row) && rows[n]?.every((value) => typeof value !== "object" || value === null),
  );
  if (!Array.isArray(body["values"]) || !is_flat) {
    return badArgument('Invalid value at "data.values" (type.googleapis.com/google.protobuf.ListValue)');
  }
  return body["majorDimension"] === "COLUMNS" ? transposed(rows) : rows;
}

interface Written {
  readonly sheets: readonly Sheet[];
  readonly summary: JsonObject;
}

/** Writes rows from a cell on, and describes what changed. */
function write({ sheets, target }: Place, row: number, column: number, rows: Cells, option: string): Written {
  const cells = cellsOf(target);
  for (const [down, values] of rows.entries()) {
    while (cells.length <= row + down) cells.push([]);
    const line = cells[row + down] ?? [];
    for (const [right, value] of values.entries()) {
      while (line.length < column + right) line.push("");
      if (value !== null) line[column + right] = entered(value, option);
      else line[column + right] ??= "";
    }
  }
  const width = Math.max(1, ...rows.map((values) => values.length));
  const last_row = row + Math.max(1, rows.length) - 1;
  return {
    sheets: sheets.map((one) => (one === target ? { ...one, values: cells } : one)),
    summary: {
      updatedRange: formatRange(target.title, row, column, last_row, column + width - 1),
      updatedRows: rows.length,
      updatedColumns: width,
      updatedCells: rows.reduce((sum, values) => sum + values.length, 0),
    },
  };
}

/** Returns why rows do not fit into a range, or null. */
function fitProblem({ target, range }: Place, rows: Cells): Reply | null {
  const [last_row, last_column] = [range.last_row ?? Infinity, range.last_column ?? Infinity];
  const width = Math.max(0, ...rows.map((values) => values.length));
  const row = range.row + rows.length - 1;
  const column = range.column + width - 1;
  if (row >= Math.max(ROWS, target.values.length) || column >= COLUMNS) {
    return badArgument(`Range exceeds grid limits. Max rows: ${ROWS}, max columns: ${COLUMNS}`);
  }
  const is_cell = last_row === range.row && last_column === range.column;
  if (is_cell || (row <= last_row && column <= last_column)) return null;
  return badArgument(`Requested writing within range [${target.title}], but tried writing outside of it`);
}

/** Writes one range of a spreadsheet, or returns the refusal. */
function updateRange(
  { all, found }: OpenDocument,
  given: string,
  body: JsonObject,
  option: string,
): JsonObject | Reply {
  const stored = all.get(found.id) ?? found;
  const place = placeOf(stored, given);
  if (isReply(place)) return place;
  const rows = rowsOf(body);
  if (isReply(rows)) return rows;
  const problem = fitProblem(place, rows);
  if (problem !== null) return problem;
  const { sheets, summary } = write(place, place.range.row, place.range.column, rows, option);
  all.replace(found.id, { ...stored.data, sheets });
  return { spreadsheetId: found.id, ...summary };
}

const updateValues = onSpreadsheet(({ incoming, params }, open) => {
  const option = incoming.query.get("valueInputOption");
  const problem = optionProblem(option);
  if (problem !== null) return problem;
  const updated = updateRange(open, params["range"] ?? "", incoming.json, option ?? "RAW");
  return isReply(updated) ? updated : json(200, updated);
});

const batchUpdateValues = onSpreadsheet(({ incoming }, open) => {
  const option = text(incoming.json["valueInputOption"]);
  const problem = optionProblem(option);
  if (problem !== null) return problem;
  const responses: JsonObject[] = [];
  for (const one of objects(incoming.json["data"])) {
    const updated = updateRange(open, text(one["range"]), one, option);
    if (isReply(updated)) return updated;
    responses.push(updated);
  }
  const sum = (name: string) => responses.reduce((total, one) => total + Number(one[name]), 0);
  return json(200, {
    spreadsheetId: open.found.id,
    totalUpdatedRows: sum("updatedRows"),
    totalUpdatedColumns: sum("updatedColumns"),
    totalUpdatedCells: sum("updatedCells"),
    totalUpdatedSheets: new Set(responses.map((one) => text(one["updatedRange"]).split("!")[0])).size,
    responses,
  });
});

/** Appends below the last row that is not empty. */
const append = onSpreadsheet(({ incoming, params }, { all, found }) => {
  const option = incoming.query.get("valueInputOption");
  const problem = optionProblem(option);
  if (problem !== null) return problem;
  const place = placeOf(found, params["range"] ?? "");
  if (isReply(place)) return place;
  const rows = rowsOf(incoming.json);
  if (isReply(rows)) return rows;
  const { target, range } = place;
  const table = trimmed(cellsOf(target));
  const width = Math.max(0, ...table.map((row) => row.length));
  const is_empty = table.length === 0;
  const { sheets, summary } = write(place, is_empty ? range.row : table.length, range.column, rows, option ?? "RAW");
  all.replace(found.id, { ...found.data, sheets });
  const tableRange = is_empty ? {} : { tableRange: formatRange(target.title, 0, 0, table.length - 1, width - 1) };
  return json(200, { spreadsheetId: found.id, ...tableRange, updates: { spreadsheetId: found.id, ...summary } });
});

const clear = onSpreadsheet(({ incoming, params }, { all, found }) => {
  const place = placeOf(found, params["range"] ?? "");
  if (isReply(place)) return place;
  const { target, range, sheets } = place;
  const values = cellsOf(target).map((row, down) =>
    row.map((value, right) => {
      const is_inside = down >= range.row && down <= (range.last_row ?? Infinity);
      return is_inside && right >= range.column && right <= (range.last_column ?? Infinity) ? "" : value;
    }),
  );
  all.replace(found.id, {
    ...found.data,
    sheets: sheets.map((one) => (one === target ? { ...one, values: trimmed(values) } : one)),
  });
  return json(200, { spreadsheetId: found.id, clearedRange: valueRange(place, incoming.query)["range"] });
});

const batchUpdate = onSpreadsheet(({ incoming }, { all, found }) => {
  const requests = objects(incoming.json["requests"]);
  if (requests.length === 0) return badArgument("Must specify at least one request.");
  const applied = applyRequests(found.data, requests, SHEET_STEPS);
  if (isReply(applied)) return applied;
  all.replace(found.id, applied.data);
  return json(200, { spreadsheetId: found.id, replies: applied.replies });
});

const ONE = "/v4/spreadsheets/:spreadsheet";
const WRITE = ["spreadsheets", "drive", "drive.file"];
const READ = [...WRITE, "spreadsheets.readonly", "drive.readonly"];
const sheets = (scopes: readonly string[], table: Readonly<Record<string, Handler>>): TokenRoute[] =>
  googleEndpoints("googlesheets", "sheets.googleapis.com", scopes, table);

export const sheetsRoutes: readonly TokenRoute[] = [
  ...sheets(READ, {
    [`GET ${ONE}`]: get,
    [`GET ${ONE}/values:batchGet`]: batchGet,
    [`GET ${ONE}/values/:range`]: getValues,
  }),
  ...sheets(WRITE, {
    "POST /v4/spreadsheets": create,
    [`POST ${ONE}:batchUpdate`]: batchUpdate,
    [`POST ${ONE}/values:batchUpdate`]: batchUpdateValues,
    [`POST ${ONE}/values/:range:append`]: append,
    [`POST ${ONE}/values/:range:clear`]: clear,
    [`PUT ${ONE}/values/:range`]: updateValues,
  }),
];
