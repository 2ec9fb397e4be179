/** Ranges in A1 notation: `Sheet1!A1:C3`, `'My sheet'!B:D`, `A2`, `Sheet1`. Pure. */

/** Zero-based, both ends included. An open end is null. */
export interface Range {
  /** null: the first sheet. */
  readonly sheet: string | null;
  readonly row: number;
  readonly column: number;
  readonly last_row: number | null;
  readonly last_column: number | null;
}

const CELL = /^\$?([A-Z]{1,3})?\$?([1-9]\d{0,6})?$/i;

/** Returns the zero-based number of a column: A is 0, AA is 26. */
const columnNumber = (letters: string): number =>
  Array.from(letters.toUpperCase()).reduce((sum, letter) => sum * 26 + (letter.codePointAt(0) ?? 64) - 64, 0) - 1;

function columnName(column: number): string {
  const rest = Math.floor(column / 26);
  return `${rest === 0 ? "" : columnName(rest - 1)}${String.fromCodePoint(65 + (column % 26))}`;
}

interface Cell {
  readonly row: number | null;
  readonly column: number | null;
}

function parseCell(text: string): Cell | null {
  const match = CELL.exec(text);
  if (match === null || text === "") return null;
  const [, letters, digits] = match;
  return {
    column: letters === undefined ? null : columnNumber(letters),
    row: digits === undefined ? null : Number(digits) - 1,
  };
}

/** @param sheets the names of the spreadsheet's sheets. `A1` can be one of them. */
export function parseRange(text: string, sheets: readonly string[]): Range | null {
  const [, quoted, plain, cells] = /^(?:'((?:[^']|'')+)'|([^'!]+))(?:!(.*))?$/s.exec(text) ?? [];
  const name = quoted?.replaceAll("''", "'") ?? plain ?? "";
  const whole = { row: 0, column: 0, last_row: null, last_column: null };
  if (cells === undefined && sheets.includes(name)) return { sheet: name, ...whole };
  if (cells === undefined && quoted !== undefined) return null;
  if (cells !== undefined && !sheets.includes(name)) return null;
  const sheet = cells === undefined ? null : name;
  const [first = "", second, ...more] = (cells ?? name).split(":");
  const from = parseCell(first);
  const to = second === undefined ? from : parseCell(second);
  if (from === null || to === null || more.length > 0) return null;
  // A single `A` is not a range, `A:A` is.
  if (second === undefined && (from.row === null || from.column === null)) return null;
  return {
    sheet,
    row: Math.min(from.row ?? 0, to.row ?? Infinity),
    column: Math.min(from.column ?? 0, to.column ?? Infinity),
    last_row: to.row === null ? null : Math.max(from.row ?? 0, to.row),
    last_column: to.column === null ? null : Math.max(from.column ?? 0, to.column),
  };
}

const sheetName = (name: string): string => (/^[A-Za-z_]\w*$/.test(name) ? name : `'${name.replaceAll("'", "''")}'`);

/** Formats a range whose ends are known. One cell has no colon. */
export function formatRange(sheet: string, row: number, column: number, last_row: number, last_column: number): string {
  const first = `${columnName(column)}${row + 1}`;
  const last = `${columnName(last_column)}${last_row + 1}`;
  return `${sheetName(sheet)}!${first === last ? first : `${first}:${last}`}`;
}
