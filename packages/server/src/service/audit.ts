/**
 * The audit trail: who did what to which app and service, from where, by which request; without any secret. Events are only
 * ever added. Most wait in a bounded buffer for at most `audit_flush_ms`, since releases of credentials are far too many to
 * write one by one; what does not fit is counted and said (`audit_lost`), never silent. With `audit_release: "before"` a
 * release is on record before the credential leaves.
 *
 * Errors: ApiError `audit_unavailable` from `release`.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { ApiError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import { instant, type Instant, type WorkspaceId } from "../core/types.ts";
import type { AuditEventsTable } from "../store/tables.ts";
import type { Ground } from "./ground.ts";

export interface AuditEntry {
  /** Empty where no app is concerned. */
  readonly app_id: string;
  /** A token's, session's or person's public id, never the credential. */
  readonly actor: string;
  /** `<noun>.<verb>`, as `connector.disconnect`. */
  readonly action: string;
  readonly target: string | null;
  /** Null: of the request that is being answered, if any. */
  readonly request_id: string | null;
  /** Needed where there is no app to tell it, or none any more. */
  readonly workspace_id?: WorkspaceId | null;
  /** Default: the address behind the request that is being answered. */
  readonly address?: string | null;
}

/** The request behind what is done. */
export interface Origin {
  readonly address: string;
  readonly request_id: string;
}

export type AuditEvent = AuditEventsTable;

export interface AuditPage {
  readonly events: readonly AuditEvent[];
  /** Where the next page begins; null: this was the last one. */
  readonly next: string | null;
}

export interface AuditRange {
  readonly app_id: string | null;
  /** Of these workspaces and their apps; `installation`: and what belongs to no workspace, such as sign-ins. Null: of all. */
  readonly workspace_ids: readonly WorkspaceId[] | null;
  readonly installation: boolean;
  readonly since: Instant | null;
  readonly until: Instant | null;
  /** `next` of the page before. */
  readonly cursor: string | null;
}

export interface Audit {
  /** On record within `audit_flush_ms`. */
  record(entry: AuditEntry): void;
  /** A credential is about to be handed out. A promise is to be waited for: until then it is not on record. */
  release(entry: AuditEntry): Promise<void> | null;
  /** Whatever `next` does or starts is done for this request, as far as an entry does not say otherwise. */
  from(origin: Origin, next: () => void): void;
  /** Oldest first. Events of the last second may still be on their way from other nodes. @throws ApiError `invalid_field` */
  export(range: AuditRange): Promise<AuditPage>;
  flush(): Promise<void>;
  /** Writes what is left; what cannot be written is said. */
  close(): Promise<void>;
}

/** As it is exported, wherever it was asked for. */
export function auditLine({
  id,
  at,
  actor,
  action,
  app_id,
  workspace_id,
  target,
  address,
  request_id,
}: AuditEvent): string {
  return `${JSON.stringify({ id, at, actor, action, app_id, workspace_id, target, address, request_id })}\n`;
}

export type AuditDeps = Pick<Ground, "store" | "clock" | "limits" | "log" | "audit_release">;

export function createAudit({ store, clock, limits, log, audit_release }: AuditDeps): Audit {
  const origins = new AsyncLocalStorage<Origin>();
  let buffer: Omit<AuditEvent, "id">[] = [];
  let lost = 0;
  let scheduled = false;

  function eventOf({ workspace_id = null, address, request_id, ...entry }: AuditEntry): Omit<AuditEvent, "id"> {
    const origin = origins.getStore();
    return {
      ...entry,
      at: clock.now(),
      request_id: request_id ?? origin?.request_id ?? null,
      workspace_id,
      address: address ?? origin?.address ?? null,
    };
  }

  /** False when they could not be written. */
  async function flush(): Promise<boolean> {
    scheduled = false;
    const events = buffer;
    buffer = [];
    sayLost();
    if (events.length === 0) return true;
    try {
      // Ids are made here: on the hot path each would cost as much as the rest of the record.
      await store.appendAudit(events.map((event) => ({ ...event, id: newId("evt") })));
      return true;
    } catch (error) {
      // Put back what still fits; the database may be away for a moment only.
      const room = limits.audit_buffer_events - buffer.length;
      buffer = [...events.slice(0, room), ...buffer];
      lost += Math.max(0, events.length - room);
      log.error("audit_delayed", { count: events.length, error });
      schedule();
      return false;
    }
  }

  function sayLost(): void {
    if (lost > 0) log.error("audit_lost", { count: lost });
    lost = 0;
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    clock.after(limits.audit_flush_ms, () => void flush());
  }

  function record(entry: AuditEntry): void {
    if (buffer.length >= limits.audit_buffer_events) {
      lost += 1;
      return;
    }
    buffer.push(eventOf(entry));
    schedule();
  }

  async function append(entry: AuditEntry): Promise<void> {
    await store.appendAudit([{ ...eventOf(entry), id: newId("evt") }]).catch((error: unknown) => {
      log.error("audit_unavailable", { error });
      throw new ApiError("audit_unavailable", { cause: error });
    });
  }

  return {
    record,
    release(entry) {
      if (audit_release === "before") return append(entry);
      record(entry);
      return null;
    },
    from: (origin, next) => origins.run(origin, next),
    async export({ since, until, cursor, ...of }) {
      // What was done here just now is what whoever asks looks for first.
      await flush();
      const count = limits.audit_page;
      const events = await store.exportAudit({
        ...of,
        since: since ?? instant(0),
        until: until ?? instant(Number.MAX_SAFE_INTEGER),
        after: cursor === null ? null : parseCursor(cursor),
        count,
      });
      const last = events.at(-1);
      return { events, next: last === undefined || events.length < count ? null : cursorAfter(last) };
    },
    async flush() {
      await flush();
    },
    async close() {
      if (await flush()) return;
      lost += buffer.length;
      buffer = [];
      sayLost();
    },
  };
}

const CURSOR_PATTERN = /^(\d{1,15})\.(evt_[a-z0-9]{20})$/;

const cursorAfter = ({ at, id }: AuditEvent): string => `${at}.${id}`;

function parseCursor(text: string): { at: Instant; id: string } {
  const [, at, id] = CURSOR_PATTERN.exec(text) ?? [];
  if (at === undefined || id === undefined) {
    const message = "the X-Next-Cursor header of the page before";
    throw new ApiError("invalid_field", { errors: [{ name: "cursor", message }] });
  }
  return { at: instant(Number(at)), id };
}
