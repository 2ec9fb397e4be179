/** Splits a process's output into lines of limited length, so that no line fills the memory. */
import { StringDecoder } from "node:string_decoder";
import type { Readable } from "node:stream";

/**
 * Calls `onLines` with the lines that end in one chunk, and with the rest when the stream closes.
 * Empty lines are dropped. Characters of a line beyond `line_length` are dropped.
 */
export function readLines(stream: Readable, line_length: number, onLines: (lines: readonly string[]) => void): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const emit = (lines: readonly string[]): void => {
    const full = lines.map((line) => line.replace(/\r$/, "")).filter((line) => line !== "");
    if (full.length > 0) onLines(full);
  };
  stream.on("data", (chunk: Buffer) => {
    const parts = decoder.write(chunk).split("\n");
    const last = parts.pop() ?? "";
    // Truncate as it grows, because an endless line would fill the memory.
    const first = (rest + (parts[0] ?? last)).slice(0, line_length);
    if (parts.length === 0) {
      rest = first;
      return;
    }
    rest = last.slice(0, line_length);
    emit([first, ...parts.slice(1).map((part) => part.slice(0, line_length))]);
  });
  stream.on("close", () => emit([rest]));
}
