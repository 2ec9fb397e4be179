/**
 * The interface of a database engine. The store's operations run on any engine that implements it.
 * SQLite (sqlite.ts) serves one node, PostgreSQL (postgres.ts) serves several.
 *
 * An engine knows transactions, time and liveness. It knows no table.
 */
import type { Clock } from "../core/clock.ts";
import type { Instant } from "../core/types.ts";
import type { Operation } from "./operation.ts";

/** Why caches of this process can be stale. */
export type ChangeNotice =
  /** Another process wrote rows that caches hold. */
  | "written"
  /** The engine cannot know what others write. It repeats this notice until it knows again. */
  | "unknown"
  /**
   * The connection is back. It can lead to another database than before: a standby that took over
   * without the latest commits.
   */
  | "reconnected";

/** The owner of a lease, and when it acquired the lease by the database's clock. */
export interface Lease {
  readonly owner: string;
  readonly taken_at: Instant;
}

export interface Engine {
  /** The database's time. Between statements, this process's monotonic clock advances it. */
  readonly clock: Clock;
  /** Runs a reading operation. It sees every write that was acknowledged before. */
  read<T>(operation: Operation<T>): Promise<T>;
  /** Runs a writing operation atomically. Resolves after the commit is durable. */
  write<T>(operation: Operation<T>): Promise<T>;
  /**
   * Runs an operation whose statements commit one by one. For bookkeeping that no decision depends
   * on: inside a transaction it would only conflict with the writes that matter.
   */
  writeEach<T>(operation: Operation<T>): Promise<T>;
  /** Calls `listener` with each notice. The returned function stops it. */
  onChange(listener: (notice: ChangeNotice) => void): () => void;
  /**
   * Reports whether the owner of a lease is certainly dead. A dead owner stores no late response.
   */
  ownerIsDead(lease: Lease, own: string): Promise<boolean>;
  /**
   * Removes deleted and replaced data from the files now, or at the next commit with no concurrent
   * reader. Unset if the files belong to another program.
   */
  purge?(): Promise<void>;
  close(): Promise<void>;
}
