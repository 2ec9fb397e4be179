/**
 * The audit trail: who did what to which app and service, from which address, in which request,
 * without any secret. Events are append-only. Most wait in a bounded buffer (audit-buffer.ts),
 * because releases of credentials are too many to write one by one. With `audit_release: "before"`
 * a release is stored before the credential leaves. Must not know HTTP: `from` binds the request
 * that events belong to.
 *
 * Errors: CodedError `audit_unavailable` from `release`.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { CodedError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import { instant, type Instant, type WorkspaceId } from "../core/types.ts";
import type { AuditEventsTable } from "../store/tables.ts";
import { createAuditBuffer, type AuditBuffer } from "./audit-buffer.ts";
import type { Ground } from "./ground.ts";

/** One action. `request_id` and `address` default to the current request, if any. */
export interface AuditEntry {
  /** The public id of a token, session or user, never the credential. */
  readonly actor: string;
  /** `<noun>.<verb>`, such as `connector.disconnect`. */
  readonly action: string;
  readonly target?: string | null;
  /** Default: empty, for an action that concerns no app. */
  readonly app_id?: string;
  readonly request_id?: string | null;
  /**
   * Required when there is no app, or when it is being deleted. Otherwise the app names its
   * workspace.
   */
  readonly workspace_id?: WorkspaceId | null;
  readonly address?: string | null;
}

/** The request that causes events. */
export interface Origin {
  readonly address: string;
  readonly request_id: string;
}

export type AuditEvent = AuditEventsTable;

export interface AuditPage {
  readonly events: readonly AuditEvent[];
  /** The cursor of the next page. Null on the last page. */
  readonly next: string | null;
}

export interface AuditRange {
  readonly app_id: string | null;
  /** Events of these workspaces and their apps. Null: of all. */
  readonly workspace_ids: readonly WorkspaceId[] | null;
  /** Adds events that belong to no workspace, such as sign-ins. */
  readonly installation: boolean;
  /** Inclusive. */
  readonly since: Instant | null;
  /** Exclusive. */
  readonly until: Instant | null;
  /** `next` of the previous page. */
  readonly cursor: string | null;
}

export interface Audit {
  /** Adds an event. It is stored within `audit_flush_ms`. */
  record(entry: AuditEntry): void;
  /** Adds the release of a credential. Await the promise, if any, before the credential leaves. */
  release(entry: AuditEntry): Promise<void> | null;
  /** Runs `next`. Events that it causes, now or later, belong to this request. */
  from(origin: Origin, next: () => void): void;
  /**
   * Returns events, oldest first. The last second of another node can be missing.
   *
   * @throws CodedError `invalid_field`
   */
  export(range: AuditRange): Promise<AuditPage>;
  flush(): Promise<void>;
  /** Writes the buffer. Logs the count of events that cannot be written. */
  close(): Promise<void>;
}

/** Returns the event as a line of JSON, the format of every export. */
export function auditLine(event: AuditEvent): string {
  const { id, at, actor, action, app_id, workspace_id, target, address, request_id } = event;
  return `${JSON.stringify({ id, at, actor, action, app_id, workspace_id, target, address, request_id })}\n`;
}

export type AuditDeps = Pick<Ground, "store" | "clock" | "limits" | "log" | "audit_release">;

interface AuditState extends AuditDeps {
  readonly origins: AsyncLocalStorage<Origin>;
  readonly buffer: AuditBuffer;
}

export function createAudit(deps: AuditDeps): Audit {
  const state = { ...deps, origins: new AsyncLocalStorage<Origin>(), buffer: createAuditBuffer(deps) };
  return {
    record: (entry) => state.buffer.add(toEvent(state, entry)),
    release: (entry) => release(state, entry),
    from: (origin, next) => state.origins.run(origin, next),
    export: (range) => exportPage(state, range),
    async flush() {
      await state.buffer.flush();
    },
    close: () => state.buffer.close(),
  };
}

function toEvent({ origins, clock }: AuditState, entry: AuditEntry): Omit<AuditEvent, "id"> {
  const origin = origins.getStore();
  return {
    at: clock.now(),
    actor: entry.actor,
    action: entry.action,
    target: entry.target ?? null,
    app_id: entry.app_id ?? "",
    workspace_id: entry.workspace_id ?? null,
    address: entry.address ?? origin?.address ?? null,
    request_id: entry.request_id ?? origin?.request_id ?? null,
  };
}

function release(state: AuditState, entry: AuditEntry): Promise<void> | null {
  if (state.audit_release === "before") return append(state, entry);
  state.buffer.add(toEvent(state, entry));
  return null;
}

async function append(state: AuditState, entry: AuditEntry): Promise<void> {
  const { store, log } = state;
  await store.appendAudit([{ ...toEvent(state, entry), id: newId("evt") }]).catch((error: unknown) => {
    log.error("audit_unavailable", { error });
    throw new CodedError("audit_unavailable", { cause: error });
  });
}

async function exportPage({ store, limits, buffer }: AuditState, range: AuditRange): Promise<AuditPage> {
  const { since, until, cursor, ...filter } = range;
  // Flush first, so the export includes this process's latest events.
  await buffer.flush();
  const count = limits.audit_page;
  const events = await store.exportAudit({
    ...filter,
    since: since ?? instant(0),
    until: until ?? instant(Number.MAX_SAFE_INTEGER),
    after: cursor === null ? null : parseCursor(cursor),
    count,
  });
  const last = events.at(-1);
  return { events, next: last === undefined || events.length < count ? null : `${last.at}.${last.id}` };
}

const CURSOR_PATTERN = /^(\d{1,15})\.(evt_[a-z0-9]{20})$/;

function parseCursor(text: string): { at: Instant; id: string } {
  const [, at, id] = CURSOR_PATTERN.exec(text) ?? [];
  if (at === undefined || id === undefined) {
    const message = "the X-Next-Cursor header of the previous page";
    throw new CodedError("invalid_field", { errors: [{ name: "cursor", message }] });
  }
  return { at: instant(Number(at)), id };
}
