/**
 * Lets a limited number of deployments bundle at the same time, and a limited number wait. Each app
 * has a share of both, because a deployment with slow imports can take a minute.
 *
 * Errors: CodedError `overloaded`.
 */
import { CodedError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import type { AppId } from "../../core/types.ts";

export interface Turns {
  /** The app of each deployment that bundles. */
  readonly running: AppId[];
  /** Oldest first. */
  readonly waiting: { readonly app_id: AppId; readonly start: () => void }[];
}

interface TurnLimits {
  readonly turns: Turns;
  readonly limits: Pick<
    Limits,
    "function_deploys" | "function_deploys_per_app" | "function_deploys_waiting" | "function_deploys_waiting_per_app"
  >;
}

export async function inTurn<T>(state: TurnLimits, app_id: AppId, action: () => Promise<T>): Promise<T> {
  const { running } = state.turns;
  if (hasRoom(state, app_id)) running.push(app_id);
  else await turnOf(state, app_id);
  try {
    return await action();
  } finally {
    running.splice(running.indexOf(app_id), 1);
    startNext(state);
  }
}

function hasRoom({ turns: { running }, limits }: TurnLimits, app_id: AppId): boolean {
  const own = running.filter((other) => other === app_id);
  return running.length < limits.function_deploys && own.length < limits.function_deploys_per_app;
}

function turnOf({ turns: { waiting }, limits }: TurnLimits, app_id: AppId): Promise<void> {
  const own = waiting.filter((other) => other.app_id === app_id);
  if (waiting.length >= limits.function_deploys_waiting || own.length >= limits.function_deploys_waiting_per_app)
    throw new CodedError("overloaded", { message: "Too many deployments are in progress.", retry_after_s: 5 });
  const turn = Promise.withResolvers<void>();
  waiting.push({ app_id, start: turn.resolve });
  return turn.promise;
}

/** Counts the next deployment as running at once, so that no later one takes its turn. */
function startNext(state: TurnLimits): void {
  const { running, waiting } = state.turns;
  const index = waiting.findIndex(({ app_id }) => hasRoom(state, app_id));
  const [next] = index === -1 ? [] : waiting.splice(index, 1);
  if (next === undefined) return;
  running.push(next.app_id);
  next.start();
}
