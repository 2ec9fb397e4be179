/**
 * The audit trail: who did what to which app, without any secret. Releases of credentials are far too many to write one by
 * one, so they wait in a bounded buffer for at most `audit_flush_ms`; what does not fit is counted and said, never silent.
 */
import type { Limits } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { Store } from "../store/store.ts";
import type { AuditEventsTable } from "../store/tables.ts";
import type { Log } from "../telemetry/log.ts";

export interface AuditEntry {
  readonly app_id: string;
  /** A token's or session's public id, never the credential. */
  readonly actor: string;
  readonly action: string;
  readonly target: string | null;
  readonly request_id: string | null;
}

export interface Audit {
  record(entry: AuditEntry): void;
  flush(): Promise<void>;
}

export function createAudit({
  store,
  clock,
  limits,
  log,
}: {
  store: Store;
  clock: Clock;
  limits: Limits;
  log: Log;
}): Audit {
  let buffer: Omit<AuditEventsTable, "id">[] = [];
  let lost = 0;
  let scheduled = false;

  async function flush(): Promise<void> {
    scheduled = false;
    const events = buffer;
    buffer = [];
    if (lost > 0) {
      log.error("audit_lost", { count: lost });
      lost = 0;
    }
    if (events.length === 0) return;
    try {
      // Ids are made here: on the hot path each would cost as much as the rest of the record.
      await store.appendAudit(events.map((event) => ({ ...event, id: newId("evt") })));
    } catch (error) {
      // Put back what still fits; the database may be away for a moment only.
      const room = limits.audit_buffer_events - buffer.length;
      buffer = [...events.slice(0, room), ...buffer];
      lost += Math.max(0, events.length - room);
      log.error("audit_delayed", { count: events.length, error });
      schedule();
    }
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    clock.after(limits.audit_flush_ms, () => void flush());
  }

  return {
    record(entry) {
      if (buffer.length >= limits.audit_buffer_events) {
        lost += 1;
        return;
      }
      buffer.push({ ...entry, at: clock.now() });
      schedule();
    },
    flush,
  };
}
