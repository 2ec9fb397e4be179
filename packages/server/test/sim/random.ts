/**
 * Seeded randomness: the same seed gives the same numbers on every machine, so a failing run can be
 * repeated.
 */

export interface Random {
  /** 0 (included) to 1 (excluded). */
  next(): number;
  chance(probability: number): boolean;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  pick<T>(list: readonly [T, ...T[]]): T;
}

/** Mulberry32: fast, and its 32 bits of state are enough for runs of some thousand draws. */
export function createRandom(seed: number): Random {
  const state = { value: Math.imul(seed, 0x9e3779b1) >>> 0 };
  return {
    next: () => next(state),
    chance: (probability) => probability > 0 && next(state) < probability,
    between: (low, high) => between(state, low, high),
    pick: (list) => list[between(state, 0, list.length - 1)] ?? list[0],
  };
}

interface RandomState {
  value: number;
}

function next(state: RandomState): number {
  state.value = (state.value + 0x6d2b79f5) >>> 0;
  let mixed = state.value;
  mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}

const between = (state: RandomState, low: number, high: number): number =>
  low + Math.floor(next(state) * (high - low + 1));
