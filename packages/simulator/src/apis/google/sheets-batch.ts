/**
 * The requests of `spreadsheets.batchUpdate` that are applied: those about sheets and titles.
 * https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets/request
 */
import type { Reply } from "../../engine/types.ts";
import { stableNumber } from "../../engine/values.ts";
import { at, object, text } from "../kit/endpoints.ts";
import { badArgument } from "./common.ts";
import type { Step } from "./requests.ts";
import { properties, sheet, sheetsOf, type Sheet } from "./sheet.ts";

const taken = (sheets: readonly Sheet[], title: string, where: string): Reply | null =>
  sheets.some((one) => one.title === title)
    ? badArgument(`${where}: A sheet with the name "${title}" already exists. Please enter another name.`)
    : null;

const noSheet = (where: string, id: unknown): Reply => badArgument(`${where}: No grid with id: ${String(id)}`);

export const SHEET_STEPS: Readonly<Record<string, Step>> = {
  addSheet: (data, given, where) => {
    const sheets = sheetsOf({ data });
    const wanted = object(given["properties"]);
    const title = text(wanted["title"]) || `Sheet${sheets.length + 1}`;
    const problem = taken(sheets, title, where);
    if (problem !== null) return problem;
    const added = sheet(
      title,
      typeof wanted["sheetId"] === "number" ? wanted["sheetId"] : stableNumber("sheet", title),
    );
    const reply = { addSheet: { properties: properties(added, sheets.length) } };
    return { data: { ...data, sheets: [...sheets, added] }, reply };
  },
  deleteSheet: (data, { sheetId }, where) => {
    const sheets = sheetsOf({ data });
    const kept = sheets.filter((one) => one.sheetId !== sheetId);
    if (kept.length === sheets.length) return noSheet(where, sheetId);
    if (kept.length === 0) return badArgument(`${where}: You can't remove all the sheets in a document.`);
    return { data: { ...data, sheets: kept }, reply: {} };
  },
  updateSheetProperties: (data, given, where) => {
    const sheets = sheetsOf({ data });
    const { sheetId, title } = object(given["properties"]);
    const found = sheets.find((one) => one.sheetId === (sheetId ?? 0));
    if (found === undefined) return noSheet(where, sheetId);
    const problem = title === undefined || title === found.title ? null : taken(sheets, text(title), where);
    if (problem !== null) return problem;
    const changed = sheets.map((one) => (one === found ? { ...one, title: text(title) || one.title } : one));
    return { data: { ...data, sheets: changed }, reply: {} };
  },
  updateSpreadsheetProperties: (data, given) => {
    const title = text(at(given, ["properties", "title"]));
    return { data: title === "" ? data : { ...data, title }, reply: {} };
  },
};
