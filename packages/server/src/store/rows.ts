/**
 * Converts columns to values and back: JSON text, lists separated by spaces, and 0 or 1 for false
 * or true. Only store/ converts.
 *
 * A damaged column never throws, since one damaged row must not fail a query that returns others. A
 * list is then empty. `config` and `payload` are null, and the reader refuses them.
 */
import { isJsonObject, stringEntries, type ConnectionConfig, type JsonObject } from "../core/types.ts";

interface Column<Stored, Value> {
  readonly read: (stored: Stored) => Value;
  readonly write: (value: Value) => Stored;
}

type Columns = Readonly<
  Record<string, { readonly read: (stored: never) => unknown; readonly write: (value: never) => unknown }>
>;
type Decoded<Row, C extends Columns> = {
  [Name in keyof Row]: Name extends keyof C ? ReturnType<C[Name]["read"]> : Row[Name];
};
type Encoded<Values, C extends Columns> = {
  [Name in keyof Values]: Name extends keyof C ? ReturnType<C[Name]["write"]> : Values[Name];
};

interface Codec<C extends Columns> {
  /** Returns a row as values. A row can have some of the columns. */
  readonly decode: <Row extends object>(row: Row) => Decoded<Row, C>;
  /** Returns values as columns. */
  readonly encode: <Values extends object>(values: Values) => Encoded<Values, C>;
  readonly first: <Row extends object>(query: Query<Row>) => Promise<Decoded<Row, C> | null>;
  readonly all: <Row extends object>(query: Query<Row>) => Promise<Decoded<Row, C>[]>;
}

interface Query<Row> {
  execute(): Promise<Row[]>;
}

function codec<C extends Columns>(columns: C): Codec<C> {
  // Decoded and Encoded pair each name with its column.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above.
  const decode = <Row extends object>(row: Row) => convert(columns, row, "read") as Decoded<Row, C>;
  return {
    decode,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above.
    encode: <Values extends object>(values: Values) => convert(columns, values, "write") as Encoded<Values, C>,
    first: async (query) => {
      const [row] = await query.execute();
      return row === undefined ? null : decode(row);
    },
    all: async (query) => (await query.execute()).map((row) => decode(row)),
  };
}

function convert(columns: Columns, row: object, direction: "read" | "write"): object {
  const converted: Record<string, unknown> = { ...row };
  for (const [name, column] of Object.entries(columns)) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see codec.
    if (name in converted) converted[name] = column[direction](converted[name] as never);
  }
  return converted;
}

const flag: Column<number, boolean> = { read: (stored) => stored !== 0, write: (value) => (value ? 1 : 0) };

const jsonList: Column<string, readonly string[]> = {
  read(stored) {
    const value = parseJson(stored);
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
  },
  write: (value) => JSON.stringify(value),
};

/** RFC 6749 §3.3. */
const spacedList: Column<string, readonly string[]> = {
  read: (stored) => stored.split(" "),
  write: (value) => value.join(" "),
};

const jsonObject: Column<string, JsonObject | null> = {
  read(stored) {
    const value = parseJson(stored);
    return isJsonObject(value) ? value : null;
  },
  write: (value) => JSON.stringify(value ?? {}),
};

const jsonArray: Column<string, readonly unknown[]> = {
  read(stored) {
    const value = parseJson(stored);
    return Array.isArray(value) ? value : [];
  },
  write: (value) => JSON.stringify(value),
};

const connectionConfig: Column<string, ConnectionConfig | null> = {
  read(stored) {
    const value = parseJson(stored);
    return value === undefined ? null : stringEntries(value);
  },
  write: (value) => JSON.stringify(value ?? {}),
};

/** Sorted by name: flows are compared by this text, and clients send fields in any order. */
const flowConfig: Column<string, ConnectionConfig> = {
  read: (stored) => stringEntries(parseJson(stored)),
  write: (value) => JSON.stringify(Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))),
};

/** Returns undefined if the text is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const CONNECTION = codec({
  scopes_requested: jsonList,
  scopes_granted: jsonList,
  config: connectionConfig,
});
export const FLOW = codec({ scopes: jsonList, config: flowConfig });
export const CONNECTOR = codec({ scopes: jsonList });
export const ISSUER = codec({ audiences: jsonList });
export const OUTBOX = codec({ payload: jsonObject });
export const OAUTH_CLIENT = codec({ shared_callback: flag });
export const GOVERNANCE = codec({ builder_connection_enabled: flag, per_user_connection_enabled: flag });
export const APP = codec({ functions_enabled: flag });
export const DATA_KEY = codec({ is_current: flag });
export const USER = codec({ email_verified: flag });
/** Functions and their versions. */
export const FUNCTION = codec({ automations: jsonArray });
/** Device codes and CLI sessions. */
export const LOGIN = codec({ scope: spacedList });
