/** The data_keys table in the shape that the vault expects. */
import type { Store } from "./store.ts";
import type { DataKeyRow } from "./tables.ts";

type Row = Omit<DataKeyRow, "is_current">;

/**
 * Returns the DataKeyStore of vault/. Does not import that type, because the two layers do not know
 * each other.
 */
export function dataKeyStore(store: Store) {
  return {
    load: (dek_id: string): Promise<Row | null> => store.getDataKey(dek_id),
    current: (scope: string): Promise<Row | null> => store.currentDataKey(scope),
    insert: (row: Row, replaces: string | null): Promise<Row> => store.insertDataKey(row, replaces),
    reserve: (dek_id: string, count: number): Promise<number> => store.reserveEncryptions(dek_id, count),
    all: (): Promise<readonly Row[]> => store.listDataKeys(),
    rewrap: (dek_id: string, from_kek_id: string, wrapped: Uint8Array, kek_id: string): Promise<boolean> =>
      store.rewrapDataKey(dek_id, from_kek_id, { kek_id, wrapped }),
  };
}
