/** Waiting in a command. The clock's timers let a process end, and a command that only waits would end with them. */
import { setTimeout as timer } from "node:timers/promises";

export type Wait = (delay_ms: number) => Promise<void>;

export const wait: Wait = (delay_ms) => timer(delay_ms);
