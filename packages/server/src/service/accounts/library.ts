/**
 * The account library, better-auth: the only file that knows it. It makes and checks passwords (scrypt) and sessions, and
 * keeps organizations, which are our workspaces, and their members. Its HTTP interface is not reachable: pages and routes
 * call it through service/accounts/accounts.ts. It sends nothing anywhere.
 *
 * Its rows go through the store like everybody else's: one connection, one clock, the same durable commits. Three things
 * change on the way. Names become our tables and columns. Session tokens become SHA-256, so that a copy of the database lets
 * nobody in. Times: the library reads the system's clock, the database has a clock of its own; each time is moved by the
 * difference, in both directions.
 *
 * Loaded at its first use, off the path of tokens: it takes longer to load than the server to start.
 */
import { createAdapterFactory, type CleanedWhere } from "better-auth/adapters";
import { betterAuth } from "better-auth/minimal";
import { bearer } from "better-auth/plugins/bearer";
import { createAccessControl } from "better-auth/plugins/access";
import { organization } from "better-auth/plugins/organization";
import type { Limits } from "../../config.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { newId, newUserId, newWorkspaceId } from "../../core/ids.ts";
import type { Plan } from "../../core/roles.ts";
import { sha256Hex } from "../../core/secret.ts";
import {
  LIBRARY_COLUMNS,
  type Condition,
  type LibraryRow,
  type LibraryTable,
  type LibraryValue,
} from "../../store/queries/accounts.ts";
import type { Store } from "../../store/store.ts";
import { ADDRESS_HEADER, PASSWORD_LENGTH } from "./password-rules.ts";

/** A session's use is written at most once in this time. */
const TOUCH_EVERY_S = 60;

const TABLES: Readonly<Record<string, LibraryTable>> = {
  user: "auth_user",
  session: "auth_session",
  account: "auth_account",
  member: "auth_member",
  organization: "workspaces",
};
/** Where our word differs from the library's. */
const COLUMNS: Readonly<Record<string, string>> = { organizationId: "workspace_id", token: "token_hash" };
const INSTANTS = new Set(["created_at", "updated_at", "expires_at"]);

export interface LibraryDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Signs what the library signs. */
  readonly secret: string;
  readonly public_url: string;
  /** Of new workspaces. The library does not know plans. */
  readonly default_plan: Plan;
}

export type AccountLibrary = ReturnType<typeof createAccountLibrary>;

export function createAccountLibrary({ store, clock, limits, secret, public_url, default_plan }: LibraryDeps) {
  // What each may do is decided by service/access/authorization.ts; the library is only to know that there are these four.
  const access = createAccessControl({ workspace: ["use"] });
  const role = access.newRole({ workspace: ["use"] });
  return betterAuth({
    secret,
    baseURL: public_url,
    database: rowsOf(store, clock, default_plan),
    telemetry: { enabled: false },
    // Its messages name e-mail addresses. What goes wrong comes back as an error.
    logger: { disabled: true },
    // Counted in the database instead, for all nodes together.
    rateLimit: { enabled: false },
    emailAndPassword: {
      enabled: true,
      minPasswordLength: PASSWORD_LENGTH.least,
      maxPasswordLength: PASSWORD_LENGTH.most,
    },
    session: { expiresIn: limits.session_idle_ms / 1_000, updateAge: TOUCH_EVERY_S },
    advanced: {
      database: { generateId: ({ model }) => idOf(model) },
      ipAddress: { ipAddressHeaders: [ADDRESS_HEADER] },
    },
    plugins: [
      bearer(),
      organization({
        ac: access,
        roles: { owner: role, admin: role, editor: role, viewer: role },
        creatorRole: "owner",
        membershipLimit: limits.members_per_workspace,
      }),
    ],
  });
}

function idOf(model: string): string {
  if (model === "user") return newUserId();
  if (model === "organization") return newWorkspaceId();
  if (model === "session") return newId("ses");
  return newId(model === "member" ? "mem" : "acc");
}

/** The library's adapter, over our store. */
function rowsOf(store: Store, clock: Clock, plan: Plan) {
  const ahead_ms = (): number => clock.now() - systemClock.now();

  const stored = (column: string, value: unknown): LibraryValue => {
    if (value === null || value === undefined) return null;
    if (value instanceof Date) return value.getTime() + ahead_ms();
    if (typeof value === "number") return value;
    if (typeof value !== "string") throw new Error(`The account library gave ${column} a value that has no column.`);
    return column === "token_hash" ? sha256Hex(value) : value;
  };

  const toRow = (table: LibraryTable, data: Readonly<Record<string, unknown>>): LibraryRow => {
    const known: readonly string[] = LIBRARY_COLUMNS[table];
    const cells = Object.entries(data).map(([field, value]) => {
      const column = columnOf(field);
      return [column, stored(column, value)] as const;
    });
    // Fields for what is not used here, such as pictures, come empty and have no column.
    return Object.fromEntries(cells.filter(([column, value]) => value !== null || known.includes(column)));
  };

  /** @param token what the row was found by: only its hash is stored */
  const toRecord = (row: LibraryRow, token: unknown): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(row).map(([column, value]) => {
        if (column === "token_hash") return ["token", typeof token === "string" ? token : value];
        if (INSTANTS.has(column) && typeof value === "number") return [fieldOf(column), new Date(value - ahead_ms())];
        return [fieldOf(column), value];
      }),
    );

  const conditions = (where: readonly CleanedWhere[] = []): Condition[] =>
    where.map(({ field, value, operator, connector }, index) => {
      const sign = operator === undefined ? "=" : SIGNS[operator];
      if (sign === undefined || (index > 0 && connector !== "AND"))
        throw new Error(`The account library asks for what the store does not know: ${connector} ${operator}.`);
      const column = columnOf(field);
      return {
        column,
        operator: sign,
        value: Array.isArray(value) ? value.map((one) => stored(column, one)) : stored(column, value),
      };
    });

  return createAdapterFactory({
    config: {
      adapterId: "holdfast",
      supportsBooleans: false,
      supportsJSON: false,
      supportsNumericIds: false,
      // It would stay open while the library waits, and hold up every other write.
      transaction: false,
    },
    adapter: () => {
      const find = async (model: string, where: readonly CleanedWhere[] | undefined, limit: number, rest = {}) => {
        const rows = await store.findLibraryRows(tableOf(model), conditions(where), { limit, ...rest });
        const token = where?.find(({ field, operator }) => field === "token" && operator === "eq")?.value;
        return rows.map((row) => toRecord(row, token));
      };
      const adapter = {
        create: async ({ model, data }: { model: string; data: Record<string, unknown> }) => {
          const table = tableOf(model);
          await store.insertLibraryRow(table, toRow(table, table === "workspaces" ? { ...data, plan } : data));
          return data;
        },
        findOne: async ({ model, where }: { model: string; where: CleanedWhere[] }) =>
          (await find(model, where, 1))[0] ?? null,
        findMany: async ({ model, where, limit, sortBy, offset }: FindMany) => {
          const order = sortBy === undefined ? undefined : { ...sortBy, column: columnOf(sortBy.field) };
          return find(model, where, limit, { order, offset });
        },
        update: async ({ model, where, update }: { model: string; where: CleanedWhere[]; update: unknown }) => {
          const table = tableOf(model);
          await store.updateLibraryRows(table, conditions(where), toRow(table, Object(update)));
          return (await find(model, where, 1))[0] ?? null;
        },
        updateMany: async ({ model, where, update }: { model: string; where: CleanedWhere[]; update: unknown }) => {
          const table = tableOf(model);
          return store.updateLibraryRows(table, conditions(where), toRow(table, Object(update)));
        },
        delete: async ({ model, where }: { model: string; where: CleanedWhere[] }) => {
          await store.deleteLibraryRows(tableOf(model), conditions(where));
        },
        deleteMany: async ({ model, where }: { model: string; where: CleanedWhere[] }) =>
          store.deleteLibraryRows(tableOf(model), conditions(where)),
        count: async ({ model, where }: { model: string; where?: CleanedWhere[] | undefined }) =>
          store.countLibraryRows(tableOf(model), conditions(where)),
      };
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library promises its callers any shape of row.
      return adapter as never;
    },
  });
}

interface FindMany {
  readonly model: string;
  readonly where?: CleanedWhere[] | undefined;
  readonly limit: number;
  readonly sortBy?: { field: string; direction: "asc" | "desc" } | undefined;
  readonly offset?: number | undefined;
}

const SIGNS: Readonly<Record<string, Condition["operator"]>> = {
  eq: "=",
  ne: "<>",
  lt: "<",
  lte: "<=",
  gt: ">",
  gte: ">=",
  in: "in",
};

function tableOf(model: string): LibraryTable {
  const table = TABLES[model];
  if (table === undefined) throw new Error(`The account library asks for ${model}, which has no table.`);
  return table;
}

const columnOf = (field: string): string =>
  COLUMNS[field] ?? field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const FIELDS = new Map(Object.entries(COLUMNS).map(([field, column]) => [column, field]));
const fieldOf = (column: string): string =>
  FIELDS.get(column) ?? column.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
