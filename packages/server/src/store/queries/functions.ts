/**
 * Backend functions of apps, their immutable versions, and the content that versions share by
 * digest. Content is stored and deleted in the transaction of its version, so none is left over.
 */
import type { AppId, WorkspaceId } from "../../core/types.ts";
import { all, first, run, type Transaction } from "../operation.ts";
import type { FunctionBlobsTable } from "../function-tables.ts";
import { FUNCTION } from "../rows.ts";
import type { FunctionRow, FunctionVersionRow } from "../tables.ts";
import { requireApp } from "./owners.ts";

const DIGESTS = ["source_digest", "bundle_digest", "map_digest", "lock_digest"] as const;
const VERSION_COLUMNS = [
  "id",
  "app_id",
  "function_name",
  "number",
  "entry",
  "automations",
  ...DIGESTS,
  "built_with",
  "created_at",
  "created_by",
] as const;

const functionId = (app_id: AppId, name: string): string => `${app_id}/${name}`;

function selectFunctions({ db }: Transaction, app_id: AppId) {
  return db
    .selectFrom("functions")
    .innerJoin("function_versions", "function_versions.id", "functions.live_version")
    .select([
      "functions.app_id",
      "functions.name",
      "functions.live_version",
      "functions.automations",
      "functions.created_at",
      "functions.updated_at",
      "function_versions.number",
      "function_versions.entry",
      "function_versions.built_with",
      "function_versions.created_by",
    ])
    .select(DIGESTS.map((digest) => `function_versions.${digest}` as const))
    .where("functions.app_id", "=", app_id);
}

/** Returns the functions of an app, each with its live version, by name. */
export async function listFunctions(tx: Transaction, app_id: AppId): Promise<FunctionRow[]> {
  return await FUNCTION.all(selectFunctions(tx, app_id).orderBy("functions.name"));
}

export async function getFunction(tx: Transaction, app_id: AppId, name: string): Promise<FunctionRow | null> {
  return await FUNCTION.first(selectFunctions(tx, app_id).where("functions.name", "=", name));
}

/** Reports whether any app has a function. */
export async function hasFunctions({ db }: Transaction): Promise<boolean> {
  return (await first(db.selectFrom("functions").select("name").limit(1))) !== null;
}

/** Returns the workspaces whose apps have functions, at most two. */
export async function functionWorkspaces({ db }: Transaction): Promise<readonly WorkspaceId[]> {
  const found = await all(
    db
      .selectFrom("functions")
      .innerJoin("apps", "apps.id", "functions.app_id")
      .select("apps.workspace_id")
      .distinct()
      .limit(2),
  );
  return found.map(({ workspace_id }) => workspace_id);
}

/** Returns the names among `names` that are functions of the app. */
export async function functionNames({ db }: Transaction, app_id: AppId, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const found = await all(
    db.selectFrom("functions").select("name").where("app_id", "=", app_id).where("name", "in", names),
  );
  return found.map(({ name }) => name);
}

/** Returns the kept versions of a function, the latest first. */
export async function listFunctionVersions(
  { db }: Transaction,
  app_id: AppId,
  function_name: string,
): Promise<FunctionVersionRow[]> {
  return await FUNCTION.all(
    db
      .selectFrom("function_versions")
      .select(VERSION_COLUMNS)
      .where("app_id", "=", app_id)
      .where("function_name", "=", function_name)
      .orderBy("number", "desc"),
  );
}

/** Returns content by its digest, or null. */
export async function getFunctionBlob(
  { db }: Transaction,
  digest: string,
): Promise<Pick<FunctionBlobsTable, "bytes" | "size"> | null> {
  return await first(db.selectFrom("function_blobs").select(["bytes", "size"]).where("digest", "=", digest));
}

export type NewFunctionVersion = Omit<FunctionVersionRow, "number" | "created_at">;

export interface VersionLimits {
  /** The number of functions of an app. */
  readonly functions: number;
  /** The source of an app's live functions together. */
  readonly source_bytes: number;
  /** The number of versions that a function keeps, the live one included. */
  readonly versions: number;
}

export type DeployOutcome =
  | { readonly kind: "deployed"; readonly number: number }
  /** The app would have too many functions. */
  | { readonly kind: "too_many" }
  /** The app would have too much source. */
  | { readonly kind: "too_large" };

/**
 * Stores a version with its content and makes it live, in one step. Deletes the oldest versions
 * beyond the limit. Changes nothing if the app would exceed a limit.
 *
 * @throws CodedError `not_found` if the app does not exist
 */
export async function deployFunction(
  tx: Transaction,
  version: NewFunctionVersion,
  blobs: readonly FunctionBlobsTable[],
  limits: VersionLimits,
): Promise<DeployOutcome> {
  const { db, now, invalidates } = tx;
  const { id, app_id, function_name, automations } = version;
  await requireApp(tx, app_id);
  const others = (await sourceSizes(tx, app_id)).filter(({ name }) => name !== function_name);
  if (others.length >= limits.functions) return { kind: "too_many" };
  const source_size = blobs.find(({ digest }) => digest === version.source_digest)?.size ?? 0;
  if (others.reduce((sum, { size }) => sum + size, source_size) > limits.source_bytes) return { kind: "too_large" };
  await insertBlobs(tx, blobs);
  const earlier = await listFunctionVersions(tx, app_id, function_name);
  const number = (earlier[0]?.number ?? 0) + 1;
  await run(db.insertInto("function_versions").values({ ...FUNCTION.encode(version), number, created_at: now }));
  const live = FUNCTION.encode({ live_version: id, automations });
  invalidates("functions", functionId(app_id, function_name));
  await run(
    db
      .insertInto("functions")
      .values({ app_id, name: function_name, ...live, created_at: now, updated_at: now })
      .onConflict((conflict) => conflict.columns(["app_id", "name"]).doUpdateSet({ ...live, updated_at: now })),
  );
  await deleteVersions(tx, earlier.slice(limits.versions - 1));
  return { kind: "deployed", number };
}

/** Returns the size of all content that the kept versions of an app use, before compression. */
export async function storedBytes({ db }: Transaction, app_id: AppId): Promise<number> {
  const of_app = (column: (typeof DIGESTS)[number]) =>
    db.selectFrom("function_versions").select(`${column} as digest`).where("app_id", "=", app_id);
  const digests = of_app("source_digest")
    .union(of_app("bundle_digest"))
    .union(of_app("map_digest"))
    .union(of_app("lock_digest"));
  const sizes = await all(db.selectFrom("function_blobs").select("size").where("digest", "in", digests));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

/** Returns the size of the sources of all live versions of an app. */
export async function liveSourceBytes(tx: Transaction, app_id: AppId): Promise<number> {
  return (await sourceSizes(tx, app_id)).reduce((sum, { size }) => sum + size, 0);
}

async function sourceSizes({ db }: Transaction, app_id: AppId): Promise<{ name: string; size: number }[]> {
  return await all(
    db
      .selectFrom("functions")
      .innerJoin("function_versions", "function_versions.id", "functions.live_version")
      .innerJoin("function_blobs", "function_blobs.digest", "function_versions.source_digest")
      .select(["functions.name", "function_blobs.size"])
      .where("functions.app_id", "=", app_id),
  );
}

/** Stores content. Content that is already stored stays, unless its bytes are damaged. */
async function insertBlobs({ db }: Transaction, blobs: readonly FunctionBlobsTable[]): Promise<void> {
  for (const blob of blobs)
    await run(
      db
        .insertInto("function_blobs")
        .values(blob)
        .onConflict((conflict) =>
          conflict
            .column("digest")
            .doUpdateSet({ bytes: blob.bytes, size: blob.size })
            .where((where) => where("function_blobs.bytes", "<>", where.ref("excluded.bytes"))),
        ),
    );
}

/**
 * Makes a kept version live again, with its automations. Returns it, or null if the function has no
 * such version.
 */
export async function switchFunction(
  tx: Transaction,
  app_id: AppId,
  function_name: string,
  number: number,
): Promise<FunctionVersionRow | null> {
  const { db, now, invalidates } = tx;
  const versions = await listFunctionVersions(tx, app_id, function_name);
  const version = versions.find((kept) => kept.number === number);
  if (version === undefined) return null;
  const { id, automations } = version;
  invalidates("functions", functionId(app_id, function_name));
  const switched = db
    .updateTable("functions")
    .set({ ...FUNCTION.encode({ live_version: id, automations }), updated_at: now })
    .where("app_id", "=", app_id)
    .where("name", "=", function_name);
  return (await run(switched)) === 1 ? version : null;
}

/** Deletes a function with its versions, log and schedules. Returns false if there is none. */
export async function deleteFunction(tx: Transaction, app_id: AppId, name: string): Promise<boolean> {
  const { db, invalidates } = tx;
  await deleteVersions(tx, await listFunctionVersions(tx, app_id, name));
  await run(db.deleteFrom("function_schedules").where("app_id", "=", app_id).where("function_name", "=", name));
  await run(db.deleteFrom("function_logs").where("app_id", "=", app_id).where("function_name", "=", name));
  invalidates("functions", functionId(app_id, name));
  return (await run(db.deleteFrom("functions").where("app_id", "=", app_id).where("name", "=", name))) === 1;
}

/** Deletes an app's rows in the tables of functions, except its secrets. */
export async function deleteFunctionsOf(tx: Transaction, app_id: AppId): Promise<void> {
  const { db, invalidates } = tx;
  const versions = db.selectFrom("function_versions").select(VERSION_COLUMNS).where("app_id", "=", app_id);
  await deleteVersions(tx, await all(versions));
  await run(db.deleteFrom("function_schedules").where("app_id", "=", app_id));
  await run(db.deleteFrom("function_logs").where("app_id", "=", app_id));
  const deleted = await all(db.deleteFrom("functions").where("app_id", "=", app_id).returning("name"));
  invalidates(
    "functions",
    deleted.map(({ name }) => functionId(app_id, name)),
  );
}

/** Deletes versions, and the content that no other version uses. */
async function deleteVersions(
  { db }: Transaction,
  versions: readonly Pick<FunctionVersionRow, "id" | (typeof DIGESTS)[number]>[],
): Promise<void> {
  if (versions.length === 0) return;
  const digests = [...new Set(versions.flatMap((version) => DIGESTS.map((digest) => version[digest])))];
  await run(
    db.deleteFrom("function_versions").where(
      "id",
      "in",
      versions.map(({ id }) => id),
    ),
  );
  const isUsed = (column: (typeof DIGESTS)[number]) =>
    db.selectFrom("function_versions").select(`${column} as digest`).where(column, "in", digests);
  const used = isUsed("source_digest")
    .union(isUsed("bundle_digest"))
    .union(isUsed("map_digest"))
    .union(isUsed("lock_digest"));
  await run(db.deleteFrom("function_blobs").where("digest", "in", digests).where("digest", "not in", used));
}
