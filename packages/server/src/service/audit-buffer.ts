/**
 * Events of the audit trail that wait to be written, for at most `audit_flush_ms` and at most
 * `audit_buffer_events` of them. Events that do not fit are dropped and counted. The log reports
 * the count (`audit_lost`).
 */
import { newId } from "../core/ids.ts";
import type { AuditEventsTable } from "../store/tables.ts";
import type { Ground } from "./ground.ts";

type BufferedEvent = Omit<AuditEventsTable, "id">;
type BufferDeps = Pick<Ground, "store" | "clock" | "limits" | "log">;

export interface AuditBuffer {
  add(event: BufferedEvent): void;
  /** Writes all events. Returns false, and keeps them, if the database refused. */
  flush(): Promise<boolean>;
  /** Writes all events for the last time, and logs how many could not be written. */
  close(): Promise<void>;
}

interface Buffer {
  events: BufferedEvent[];
  /** Dropped events that the log does not have yet. */
  lost: number;
  is_scheduled: boolean;
}

export function createAuditBuffer(deps: BufferDeps): AuditBuffer {
  const buffer: Buffer = { events: [], lost: 0, is_scheduled: false };
  return {
    add: (event) => add(deps, buffer, event),
    flush: () => flush(deps, buffer),
    close: () => close(deps, buffer),
  };
}

function add(deps: BufferDeps, buffer: Buffer, event: BufferedEvent): void {
  if (buffer.events.length >= deps.limits.audit_buffer_events) {
    buffer.lost += 1;
    return;
  }
  buffer.events.push(event);
  schedule(deps, buffer);
}

function schedule(deps: BufferDeps, buffer: Buffer): void {
  if (buffer.is_scheduled) return;
  buffer.is_scheduled = true;
  deps.clock.after(deps.limits.audit_flush_ms, () => void flush(deps, buffer));
}

async function flush(deps: BufferDeps, buffer: Buffer): Promise<boolean> {
  const { store, limits, log } = deps;
  const { events } = buffer;
  buffer.is_scheduled = false;
  buffer.events = [];
  logLost(deps, buffer);
  if (events.length === 0) return true;
  try {
    // Ids are generated here: in `add`, on the hot path, each would double the cost of a record.
    await store.appendAudit(events.map((event) => ({ ...event, id: newId("evt") })));
    return true;
  } catch (error) {
    // Keep the events that still fit. The database may be unreachable only for a moment.
    const room = limits.audit_buffer_events - buffer.events.length;
    buffer.events = [...events.slice(0, room), ...buffer.events];
    buffer.lost += Math.max(0, events.length - room);
    log.error("audit_delayed", { count: events.length, error });
    schedule(deps, buffer);
    return false;
  }
}

async function close(deps: BufferDeps, buffer: Buffer): Promise<void> {
  if (await flush(deps, buffer)) return;
  buffer.lost += buffer.events.length;
  buffer.events = [];
  logLost(deps, buffer);
}

function logLost({ log }: BufferDeps, buffer: Buffer): void {
  if (buffer.lost > 0) log.error("audit_lost", { count: buffer.lost });
  buffer.lost = 0;
}
