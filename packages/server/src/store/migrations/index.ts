/** All migrations in order. A released one never changes; a change is a new file that older servers can live with. */
import type { Migration } from "kysely/migration";
import { initial } from "./0001-initial.ts";
import type { ColumnTypes } from "./types.ts";

export const migrations = (types: ColumnTypes): Record<string, Migration> => ({ "0001-initial": initial(types) });
