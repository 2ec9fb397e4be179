/** What a database engine must offer so that the store's operations run on it. */
import type { Operation, Transaction } from "./operation.ts";

export interface Engine {
  /** Runs a reading operation. Sees every write that was acknowledged before. */
  read<T>(operation: (tx: Transaction) => Operation<T>): Promise<T>;
  /** Runs a writing operation atomically; resolves after the commit is durable. */
  write<T>(operation: (tx: Transaction) => Operation<T>): Promise<T>;
  /** A number that changes when another process wrote. */
  version(): number;
  /** Whether the process that took a lease is known to be gone, so that nobody else will answer for it. */
  ownerIsDead(owner: string, own: string): boolean;
  close(): Promise<void>;
}
