/**
 * Tells a function's author which connections were refused. A function can try thousands in a
 * second, so only some of a minute are reported, and then how many more there were.
 */
import type { Clock } from "../core/clock.ts";

const MOST_PER_MINUTE = 60;
const WINDOW_MS = 60_000;
const TARGET_LENGTH = 300;

/** Returns the reporter of one process. */
export function createRefusals(clock: Clock, log: (message: string) => void): (target: string, why: string) => void {
  let refused = 0;
  const endWindow = (): void => {
    const more = refused - MOST_PER_MINUTE;
    refused = 0;
    if (more > 0) log(`function_egress_refused: ${more} more connections were refused in this minute.`);
  };
  return (target, why) => {
    if (refused === 0) clock.after(WINDOW_MS, endWindow);
    refused += 1;
    if (refused > MOST_PER_MINUTE) return;
    const name = target.slice(0, TARGET_LENGTH);
    log(`function_egress_refused: the function cannot connect to ${name}, because ${why}.`);
  };
}
