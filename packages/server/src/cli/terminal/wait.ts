/**
 * Waits in a command. The timers of core/clock.ts let the process exit, so a command that only
 * waits would exit early.
 */
import { setTimeout as timer } from "node:timers/promises";

export type Wait = (delay_ms: number) => Promise<void>;

export const wait: Wait = (delay_ms) => timer(delay_ms);
