/** What a database engine must offer so that the store's operations run on it. */
import type { Clock } from "../core/clock.ts";
import type { Instant } from "../core/types.ts";
import type { Operation } from "./operation.ts";

export type News =
  /** Another process wrote something that caches may hold. */
  | "written"
  /** That cannot be known now. Comes over and over. */
  | "unknown"
  /** The database was away, and may be another one than before: the copy that took over, without the latest commits. */
  | "reconnected";

/** Who took a lease, and when by the database's clock. */
export interface Lease {
  readonly owner: string;
  readonly taken_at: Instant;
}

export interface Engine {
  /** Time as the database has it, between its statements by this process's monotonic clock. */
  readonly clock: Clock;
  /** Runs a reading operation. Sees every write that was acknowledged before. */
  read<T>(operation: Operation<T>): Promise<T>;
  /** Runs a writing operation atomically; resolves after the commit is durable. */
  write<T>(operation: Operation<T>): Promise<T>;
  /**
   * Runs an operation whose statements each write by themselves. For bookkeeping that no decision rests on, and that would
   * only get into the way of the transactions that do: it takes no part in their serialization.
   */
  writeEach<T>(operation: Operation<T>): Promise<T>;
  /** Calls `listener` with each piece of news. Returns how to stop. */
  onChange(listener: (news: News) => void): () => void;
  /** Whether the process that took a lease is known to be gone, so that nobody else will answer for it. */
  ownerIsDead(lease: Lease, own: string): Promise<boolean>;
  /**
   * Takes what was deleted or replaced out of the database's files, at the latest with the next commit that nobody reads
   * behind. Unset: the files are another program's.
   */
  purge?(): Promise<void>;
  close(): Promise<void>;
}
