/**
 * Lets a limited number of deployments bundle at the same time, and a limited number wait.
 *
 * Errors: CodedError `overloaded`.
 */
import { CodedError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";

export interface Turns {
  running: number;
  /** Starts the next deployment, oldest first. */
  readonly waiting: (() => void)[];
}

interface TurnLimits {
  readonly turns: Turns;
  readonly limits: Pick<Limits, "function_deploys" | "function_deploys_waiting">;
}

export async function inTurn<T>({ turns, limits }: TurnLimits, action: () => Promise<T>): Promise<T> {
  if (turns.running >= limits.function_deploys) {
    if (turns.waiting.length >= limits.function_deploys_waiting)
      throw new CodedError("overloaded", { message: "Too many deployments are in progress.", retry_after_s: 5 });
    await new Promise<void>((resolve) => turns.waiting.push(resolve));
  } else turns.running += 1;
  try {
    return await action();
  } finally {
    // Pass this turn to the next in line directly, so that no later call takes it.
    const next = turns.waiting.shift();
    if (next === undefined) turns.running -= 1;
    else next();
  }
}
