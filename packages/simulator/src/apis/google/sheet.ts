/** A stored sheet: its title and its rows. Cells beyond a row's end are empty. Pure. */
import type { Stored } from "../../engine/objects.ts";
import type { Json, JsonObject } from "../../engine/types.ts";
import { list, objects, text } from "../kit/endpoints.ts";

export type Cells = readonly (readonly Json[])[];

export interface Sheet extends JsonObject {
  readonly sheetId: number;
  readonly title: string;
  readonly values: readonly Json[];
}

/** The size of a new sheet's grid. */
export const ROWS = 1000;
export const COLUMNS = 26;

export const sheet = (title: string, sheetId: number, values: Cells = []): Sheet => ({ sheetId, title, values });

/** Returns the stored sheets. */
export const sheetsOf = ({ data }: Pick<Stored, "data">): Sheet[] =>
  objects(data["sheets"]).map(({ sheetId, title, values }) =>
    sheet(text(title), Number(sheetId), list(values).map(list)),
  );

export const cellsOf = ({ values }: Sheet): Json[][] => values.map((row) => [...list(row)]);

export const properties = ({ sheetId, title, values }: Sheet, index: number): JsonObject => ({
  sheetId,
  title,
  index,
  sheetType: "GRID",
  gridProperties: { rowCount: Math.max(ROWS, values.length), columnCount: COLUMNS },
});
