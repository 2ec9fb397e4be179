/**
 * SQLite: the engine for one node.
 *
 * WAL with synchronous=FULL: an acknowledged commit survives a power cut. Losing the commit of a
 * rotated refresh token would lose the connection.
 *
 * Writes share fsyncs. They wait in a queue, and one turn of the event loop commits the whole
 * queue. Each has its own savepoint, so that one failure does not undo the others.
 */
import { every } from "../core/clock.ts";
import { CodedError } from "../core/errors.ts";
import type { ChangeNotice, Engine } from "./engine.ts";
import { invalidatesNothing, type Invalidates, type Operation } from "./operation.ts";
import {
  dataVersion,
  emptyLog,
  openConnection,
  runOperation,
  translate,
  type Connection,
  type SqliteOptions,
} from "./sqlite-driver.ts";
import { migrate } from "./sqlite-migrate.ts";

/** A queued write. */
interface Pending {
  /** Runs inside its savepoint. Resolves to the function that settles the caller's promise. */
  readonly run: () => Promise<() => void>;
  readonly reject: (error: unknown) => void;
}

interface State extends SqliteOptions {
  readonly connection: Connection;
  queue: Pending[];
  is_scheduled: boolean;
  is_closed: boolean;
  /** The write-ahead log still holds purged data. */
  must_empty_log: boolean;
  /** The running group commit. Reads wait for it, because they share its connection. */
  committing: Promise<void> | null;
}

export async function openSqlite(options: SqliteOptions): Promise<Engine> {
  const connection = openConnection(options);
  await migrate(connection.raw);
  const state: State = {
    ...options,
    connection,
    queue: [],
    is_scheduled: false,
    is_closed: false,
    must_empty_log: false,
    committing: null,
  };
  return {
    clock: options.clock,
    read: (operation) => read(state, operation),
    // Other processes notice each commit by the data version, so declarations have no reader.
    write: (operation) => enqueue(state, operation, () => {}),
    writeEach: (operation) => enqueue(state, operation, invalidatesNothing),
    onChange: (listener) => watchDataVersion(state, listener),
    // Only the process that holds the directory's lock calls this, so any other owner is dead.
    ownerIsDead: async ({ owner }, own) => owner !== own,
    purge: () => purge(state),
    close: () => close(state),
  };
}

async function read<T>(state: State, operation: Operation<T>): Promise<T> {
  await commitEnded(state);
  if (!state.connection.raw.open) throw shuttingDown();
  try {
    return await runOperation(state.connection, operation, invalidatesNothing);
  } catch (error) {
    throw translate(error);
  }
}

function enqueue<T>(state: State, operation: Operation<T>, invalidates: Invalidates): Promise<T> {
  return new Promise((resolve, reject) => {
    if (state.is_closed) {
      reject(shuttingDown());
      return;
    }
    const run = async (): Promise<() => void> => {
      const outcome = await runInSavepoint(state.connection, operation, invalidates);
      return () => (outcome.kind === "done" ? resolve(outcome.value) : reject(translate(outcome.error)));
    };
    state.queue.push({ run, reject });
    schedule(state);
  });
}

type Outcome<T> = { readonly kind: "done"; readonly value: T } | { readonly kind: "failed"; readonly error: unknown };

/** @throws the driver's error if the whole transaction is lost */
async function runInSavepoint<T>(
  connection: Connection,
  operation: Operation<T>,
  invalidates: Invalidates,
): Promise<Outcome<T>> {
  const { raw, control } = connection;
  control.savepoint.run();
  try {
    const value: T = await runOperation(connection, operation, invalidates);
    control.release.run();
    return { kind: "done", value };
  } catch (error) {
    // A full disk ends the transaction and its savepoints.
    if (!raw.inTransaction) throw error;
    control.undo.run();
    control.release.run();
    return { kind: "failed", error };
  }
}

function schedule(state: State): void {
  if (state.is_scheduled || state.committing !== null) return;
  state.is_scheduled = true;
  setImmediate(() => void flush(state));
}

const shuttingDown = (): CodedError =>
  new CodedError("database_unavailable", { message: "The server is shutting down." });

/** Commits up to `group_commit_items` of the queue. */
async function flush(state: State): Promise<void> {
  state.is_scheduled = false;
  // close() commits the queue itself, so a flush that was scheduled before finds nothing to do.
  if (state.committing !== null || !state.connection.raw.open) return;
  const batch = state.queue.slice(0, state.limits.group_commit_items);
  state.queue = state.queue.slice(batch.length);
  state.committing = commit(state.connection, batch);
  try {
    await state.committing;
  } finally {
    state.committing = null;
  }
  if (state.queue.length > 0) schedule(state);
  emptyLogIfDue(state);
}

async function commit({ raw, control }: Connection, batch: readonly Pending[]): Promise<void> {
  try {
    control.begin.run();
    const settles: (() => void)[] = [];
    for (const item of batch) settles.push(await item.run());
    control.commit.run();
    // Not earlier: a caller would act on a write that then fails to commit.
    for (const settle of settles) settle();
  } catch (error) {
    if (raw.inTransaction) control.rollback.run();
    for (const item of batch) item.reject(translate(error));
  }
}

function emptyLogIfDue(state: State): void {
  if (state.must_empty_log) state.must_empty_log = !emptyLog(state.connection, state.limits.busy_timeout_ms);
}

async function purge(state: State): Promise<void> {
  state.must_empty_log = true;
  if (!state.is_closed && state.committing === null) emptyLogIfDue(state);
}

/**
 * Watches the data version for writes of other processes. Polls, because SQLite sends no
 * notifications.
 */
function watchDataVersion({ connection, clock, limits }: State, listener: (notice: ChangeNotice) => void): () => void {
  let known = dataVersion(connection);
  return every(clock, limits.data_version_poll_ms, () => {
    const version = dataVersion(connection);
    if (version === known) return;
    known = version;
    listener("written");
  });
}

async function commitEnded(state: State): Promise<void> {
  for (let running = state.committing; running !== null; running = state.committing) await running;
}

async function close(state: State): Promise<void> {
  state.is_closed = true;
  await commitEnded(state);
  while (state.queue.length > 0) await flush(state);
  // A read that began before ends within its turn of the event loop.
  await new Promise((resolve) => void setImmediate(resolve));
  state.connection.raw.close();
}
