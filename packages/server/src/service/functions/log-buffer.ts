/**
 * Buffers the output of functions before it is written, for at most `function_log_flush_ms` and up
 * to `function_log_buffer_bytes`. Records that do not fit are dropped, and a record of the same
 * function reports the number.
 */
import { newId } from "../../core/ids.ts";
import type { AppId, Instant } from "../../core/types.ts";
import { visibleText } from "../../core/visible-text.ts";
import type { NewFunctionLog } from "../../store/queries/functions/logs.ts";
import type { Ground } from "../ground.ts";

export type LogLevel = "debug" | "info" | "warning" | "error";

export interface FunctionRecord {
  readonly app_id: AppId;
  readonly function_name: string;
  /** The id of the version that ran. Null if no version did. */
  readonly version: string | null;
  /** Null for output outside any call. */
  readonly request_id: string | null;
  readonly level: LogLevel;
  readonly message: string;
  readonly time: Instant;
}

export interface LogBuffer {
  add(record: FunctionRecord): void;
  /** Writes all records. Keeps them if the database refused. */
  flush(): Promise<void>;
}

type BufferDeps = Pick<Ground, "store" | "clock" | "limits" | "log">;

/** A record with the id and the size of its row. */
type Row = FunctionRecord & Pick<NewFunctionLog, "id" | "size">;

interface Buffer {
  records: Row[];
  bytes: number;
  /** Dropped records by function. */
  readonly dropped: Map<string, { readonly last: FunctionRecord; count: number }>;
  is_scheduled: boolean;
  /** Bytes of each app since its storage was last trimmed. Without an entry, it is trimmed next. */
  readonly untrimmed: Map<AppId, number>;
}

/** Size of a row besides its message. Empty messages in a loop take space, too. */
const ROW_BYTES = 200;
/** An app's storage is trimmed after it grows by this fraction of its limit. */
const TRIM_PART = 16;

export function createLogBuffer(deps: BufferDeps): LogBuffer {
  const buffer: Buffer = { records: [], bytes: 0, dropped: new Map(), is_scheduled: false, untrimmed: new Map() };
  return { add: (record) => add(deps, buffer, record), flush: () => flush(deps, buffer) };
}

function add(deps: BufferDeps, buffer: Buffer, record: FunctionRecord): void {
  schedule(deps, buffer);
  keep(buffer, rowOf(record), deps.limits.function_log_buffer_bytes);
}

function keep(buffer: Buffer, row: Row, buffer_bytes: number): void {
  if (buffer.bytes + row.size > buffer_bytes) return drop(buffer, row);
  buffer.bytes += row.size;
  buffer.records.push(row);
}

function rowOf(record: FunctionRecord): Row {
  const message = visibleText(record.message);
  return { ...record, message, id: newId("log"), size: Buffer.byteLength(message) + ROW_BYTES };
}

function drop({ dropped }: Buffer, last: FunctionRecord): void {
  const key = `${last.app_id}/${last.function_name}`;
  dropped.set(key, { last, count: (dropped.get(key)?.count ?? 0) + 1 });
}

function schedule(deps: BufferDeps, buffer: Buffer): void {
  if (buffer.is_scheduled) return;
  buffer.is_scheduled = true;
  deps.clock.after(deps.limits.function_log_flush_ms, () => void flush(deps, buffer));
}

async function flush(deps: BufferDeps, buffer: Buffer): Promise<void> {
  const { store, limits, log } = deps;
  const records = [...buffer.records, ...droppedRecords(buffer)];
  buffer.is_scheduled = false;
  buffer.records = [];
  buffer.bytes = 0;
  if (records.length === 0) return;
  try {
    await store.appendFunctionLogs(records);
  } catch (error) {
    // Keep the records that still fit. The database can be unreachable for just a moment.
    log.warn("function_logs_delayed", { count: records.length, error });
    const later = buffer.records;
    buffer.records = [];
    buffer.bytes = 0;
    for (const row of [...records, ...later]) keep(buffer, row, limits.function_log_buffer_bytes);
    schedule(deps, buffer);
    return;
  }
  await trim(deps, buffer, records).catch((error: unknown) => log.warn("function_logs_not_trimmed", { error }));
}

function droppedRecords({ dropped }: Buffer): readonly Row[] {
  const records = [...dropped.values()].map(({ last, count }) =>
    rowOf({
      ...last,
      request_id: null,
      level: "warning",
      message: `${count} records were dropped here: too much output at once.`,
    }),
  );
  dropped.clear();
  return records;
}

/** Deletes the oldest records of the apps that wrote much since their last trim. */
async function trim({ store, limits }: BufferDeps, { untrimmed }: Buffer, records: readonly Row[]): Promise<void> {
  const most = limits.function_log_bytes / TRIM_PART;
  for (const { app_id, size } of records) untrimmed.set(app_id, (untrimmed.get(app_id) ?? most) + size);
  for (const [app_id, bytes] of untrimmed) {
    if (bytes < most) continue;
    await store.trimFunctionLogs(app_id, limits.function_log_bytes);
    untrimmed.set(app_id, 0);
  }
}
