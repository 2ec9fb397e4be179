/** The queue of the simulation's events: a binary heap by time, then by order of arrival. */
import type { Life } from "./world.ts";

export interface Event {
  readonly at: number;
  readonly order: number;
  readonly life: Life | null;
  /** Null if the event was canceled. */
  action: (() => void) | null;
}

export interface EventQueue {
  push(event: Event): void;
  /** Removes and returns the first event, or returns null if there is none before `limit_ms`. */
  next(limit_ms: number): Event | null;
}

export function createQueue(): EventQueue {
  const heap: Event[] = [];
  return {
    push: (event) => push(heap, event),
    next: (limit_ms) => next(heap, limit_ms),
  };
}

function push(heap: Event[], event: Event): void {
  let index = heap.push(event) - 1;
  for (let parent = (index - 1) >> 1; index > 0 && isBefore(heap, index, parent); parent = (index - 1) >> 1) {
    swap(heap, index, parent);
    index = parent;
  }
}

function next(heap: Event[], limit_ms: number): Event | null {
  const [first] = heap;
  if (first === undefined || first.at > limit_ms) return null;
  const last = heap.pop();
  if (last !== undefined && heap.length > 0) {
    heap[0] = last;
    sink(heap);
  }
  return first;
}

function sink(heap: Event[]): void {
  for (let index = 0; ;) {
    const [left, right] = [2 * index + 1, 2 * index + 2];
    const child = isBefore(heap, right, left) ? right : left;
    if (!isBefore(heap, child, index)) return;
    swap(heap, index, child);
    index = child;
  }
}

function isBefore(heap: readonly Event[], i: number, j: number): boolean {
  const [a, b] = [heap[i], heap[j]];
  if (a === undefined || b === undefined) return false;
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function swap(heap: Event[], i: number, j: number): void {
  const [a, b] = [heap[i], heap[j]];
  if (a === undefined || b === undefined) return;
  heap[i] = b;
  heap[j] = a;
}
