/** What a database engine must offer so that the store's operations run on it. */
import type { Operation, Transaction } from "./operation.ts";

export interface Engine {
  /** Runs a reading operation. Sees every write that was acknowledged before. */
  read<T>(operation: (tx: Transaction) => Operation<T>): Promise<T>;
  /** Runs a writing operation atomically; resolves after the commit is durable. */
  write<T>(operation: (tx: Transaction) => Operation<T>): Promise<T>;
  /**
   * Calls `listener` soon after another process wrote something that caches may hold, and over and over while that cannot
   * be known. Returns how to stop.
   */
  onChange(listener: () => void): () => void;
  /** Whether the process that took a lease is known to be gone, so that nobody else will answer for it. */
  ownerIsDead(owner: string, own: string): Promise<boolean>;
  close(): Promise<void>;
}
