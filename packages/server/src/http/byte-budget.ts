/**
 * Limits the memory for large bodies, in this process and per app. A request reserves its maximum
 * before a byte of its body is read, so a thousand slow callers cannot fill the memory.
 */
import { CodedError } from "../core/errors.ts";

export interface ByteBudget {
  /**
   * Reserves bytes for a request about the app. Returns the function that releases them.
   *
   * @throws CodedError `overloaded`
   */
  reserve(app_id: string, bytes: number): () => void;
}

interface BudgetOptions {
  readonly bytes: number;
  readonly bytes_per_app: number;
  /** Names the requests in the error, such as "calls of functions". */
  readonly what: string;
}

interface BudgetState extends BudgetOptions {
  used: number;
  /** Apps without reserved bytes have no entry. */
  readonly used_by_app: Map<string, number>;
}

export function createByteBudget(options: BudgetOptions): ByteBudget {
  const state = { ...options, used: 0, used_by_app: new Map<string, number>() };
  return { reserve: (app_id, bytes) => reserve(state, app_id, bytes) };
}

function reserve(state: BudgetState, app_id: string, needed: number): () => void {
  // With raised limits, one request can need more than all. It gets its turn when it is alone.
  const bytes = Math.min(needed, state.bytes, state.bytes_per_app);
  const of_app = state.used_by_app.get(app_id) ?? 0;
  if (state.used + bytes > state.bytes || of_app + bytes > state.bytes_per_app) {
    const message = `Too many ${state.what} are in progress. Try again shortly.`;
    throw new CodedError("overloaded", { message, retry_after_s: 1 });
  }
  add(state, app_id, bytes);
  let is_released = false;
  return () => {
    if (!is_released) add(state, app_id, -bytes);
    is_released = true;
  };
}

function add(state: BudgetState, app_id: string, bytes: number): void {
  state.used += bytes;
  const of_app = (state.used_by_app.get(app_id) ?? 0) + bytes;
  if (of_app === 0) state.used_by_app.delete(app_id);
  else state.used_by_app.set(app_id, of_app);
}
