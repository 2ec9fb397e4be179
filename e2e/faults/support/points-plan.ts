/** What is to happen at which point of a process under test; shared by the test, which writes it, and the process. */

export const ACTIONS = ["kill", "stop", "throw", "throw_always"] as const;
export type Action = (typeof ACTIONS)[number];

export interface Plan {
  /** Tells one plan's notes in the log from another's. */
  readonly id: string;
  /** The point's number, from 1; 0: not by number. */
  readonly at: number;
  /** The point's name; empty: not by name. */
  readonly point: string;
  readonly action: Action;
}

/** A point that was passed. */
export interface Passed {
  readonly count: number;
  readonly point: string;
  readonly fired: boolean;
}

/** Null: no plan, which includes one that is being written. */
export function parsePlan(text: string): Plan | null {
  const value = parseOr(text);
  if (typeof value !== "object" || value === null) return null;
  const { id, at, point, action } = { id: null, at: null, point: null, action: null, ...value };
  const known = ACTIONS.find((one) => one === action);
  if (typeof id !== "string" || typeof at !== "number" || typeof point !== "string" || known === undefined) return null;
  return { id, at, point, action: known };
}

export function parsePassed(log: string, id: string): readonly Passed[] {
  return log.split("\n").flatMap((line) => {
    const [plan, count, point = "", fired] = line.split(" ");
    return plan === id ? [{ count: Number(count), point, fired: fired === "fired" }] : [];
  });
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
