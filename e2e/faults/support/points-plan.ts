/**
 * Which fault a process under test injects at which point. Shared by the test, which writes it, and
 * the process.
 */

export const ACTIONS = ["kill", "stop", "throw", "throw_always"] as const;
export type Action = (typeof ACTIONS)[number];

export interface Plan {
  /** Separates this plan's entries in the log from others. */
  readonly id: string;
  /** The point's number, from 1. 0: not by number. */
  readonly at: number;
  /** The point's name. Empty: not by name. */
  readonly point: string;
  readonly action: Action;
}

/** A passed point. */
export interface PassedPoint {
  readonly count: number;
  readonly point: string;
  readonly fired: boolean;
}

/** Returns null if there is no plan, or if it is still being written. */
export function parsePlan(text: string): Plan | null {
  const value = parseOr(text);
  if (typeof value !== "object" || value === null) return null;
  const { id, at, point, action } = { id: null, at: null, point: null, action: null, ...value };
  const known = ACTIONS.find((candidate) => candidate === action);
  if (typeof id !== "string" || typeof at !== "number" || typeof point !== "string" || known === undefined) return null;
  return { id, at, point, action: known };
}

export function parsePassed(log: string, id: string): readonly PassedPoint[] {
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
