/**
 * The database adapter of the account library, over our store. Its rows use the same connection,
 * clock and durable commits as all others. Must not import the library: only library.ts does.
 */
import type { Plan } from "../../core/roles.ts";
import type { Ground } from "../ground.ts";
import { columnOf, tableOf, toConditions, toRecord, toRow, type LibraryCondition } from "./library-rows.ts";

export interface AdapterDeps extends Pick<Ground, "store" | "clock"> {
  /** The plan of new workspaces. The library does not know plans. */
  readonly default_plan: Plan;
}

type LibraryRecord = Record<string, unknown>;

interface Query {
  readonly model: string;
  readonly where?: readonly LibraryCondition[] | undefined;
}

interface Page extends Query {
  readonly limit: number;
  readonly sortBy?: { readonly field: string; readonly direction: "asc" | "desc" } | undefined;
  readonly offset?: number | undefined;
}

interface Update extends Query {
  readonly update: object;
}

/** Returns the methods that the library calls. */
export function createLibraryAdapter(deps: AdapterDeps) {
  const { store, clock } = deps;
  return {
    create: (creation: { model: string; data: LibraryRecord }) => create(deps, creation),
    findOne: (query: Query) => findOne(deps, query),
    findMany: (page: Page) => findMany(deps, page),
    update: (update: Update) => updateOne(deps, update),
    updateMany: (update: Update) => updateMany(deps, update),
    async delete(query: Query) {
      await deleteMany(deps, query);
    },
    deleteMany: (query: Query) => deleteMany(deps, query),
    count: ({ model, where }: Query) => store.countLibraryRows(tableOf(model), toConditions(clock, where)),
  };
}

async function create(
  { store, clock, default_plan }: AdapterDeps,
  { model, data }: { readonly model: string; readonly data: LibraryRecord },
): Promise<LibraryRecord> {
  const table = tableOf(model);
  const record = table === "workspaces" ? { ...data, plan: default_plan } : data;
  await store.insertLibraryRow(table, toRow(clock, table, record));
  return data;
}

async function findOne(deps: AdapterDeps, { model, where }: Query): Promise<LibraryRecord | null> {
  const [record] = await findMany(deps, { model, where, limit: 1 });
  return record ?? null;
}

async function findMany({ store, clock }: AdapterDeps, page: Page): Promise<readonly LibraryRecord[]> {
  const { model, where, limit, sortBy, offset } = page;
  const order = sortBy === undefined ? undefined : { ...sortBy, column: columnOf(sortBy.field) };
  const rows = await store.findLibraryRows(tableOf(model), toConditions(clock, where), { limit, order, offset });
  const token = where?.find(({ field, operator }) => field === "token" && operator === "eq")?.value;
  return rows.map((row) => toRecord(clock, row, token));
}

async function updateOne(deps: AdapterDeps, update: Update): Promise<LibraryRecord | null> {
  await updateMany(deps, update);
  return await findOne(deps, update);
}

async function updateMany({ store, clock }: AdapterDeps, { model, where, update }: Update): Promise<number> {
  const table = tableOf(model);
  return await store.updateLibraryRows(table, toConditions(clock, where), toRow(clock, table, update));
}

async function deleteMany({ store, clock }: AdapterDeps, { model, where }: Query): Promise<number> {
  return await store.deleteLibraryRows(tableOf(model), toConditions(clock, where));
}
