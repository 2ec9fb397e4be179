/**
 * Splits a process's output into lines, with limits: endless output must not fill memory or disk.
 */
import { StringDecoder } from "node:string_decoder";
import type { Readable } from "node:stream";

export interface LineLimits {
  /** Longest line in characters. The rest of a line is dropped. */
  readonly line_length: number;
  /**
   * Characters per window. After that, one line reports it and the rest of the window is dropped.
   */
  readonly window_length: number;
  readonly window_ms: number;
}

const LOG_LIMITS: LineLimits = { line_length: 8_192, window_length: 1_048_576, window_ms: 60_000 };

/**
 * Lines that start with `@@` go to `onControl`, regardless of the limits. Empty lines are dropped.
 */
export function readLines(
  stream: Readable,
  {
    limits = LOG_LIMITS,
    now_ms,
    onLine,
    onControl,
  }: {
    readonly limits?: LineLimits;
    readonly now_ms: () => number;
    readonly onLine: (line: string) => void;
    readonly onControl?: (line: string) => void;
  },
): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let window_start = now_ms();
  let used = 0;

  const take = (line: string): void => {
    if (line === "") return;
    if (onControl !== undefined && line.startsWith("@@")) return onControl(line);
    if (now_ms() - window_start >= limits.window_ms) {
      window_start = now_ms();
      used = 0;
    }
    const before = used;
    used += line.length;
    if (used <= limits.window_length) onLine(line);
    else if (before <= limits.window_length) onLine("The function prints too much. Its output is dropped for a while.");
  };

  stream.on("data", (chunk: Buffer) => {
    const parts = decoder.write(chunk).split("\n");
    // Truncate as it grows, because an endless line would fill the memory.
    rest = (rest + (parts.shift() ?? "")).slice(0, limits.line_length);
    for (const part of parts) {
      take(rest.replace(/\r$/, ""));
      rest = part.slice(0, limits.line_length);
    }
  });
  stream.on("close", () => take(rest));
  stream.resume();
}
