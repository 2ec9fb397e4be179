/** Splits a process's output into lines of limited length, so that no line fills the memory. */
import type { Readable } from "node:stream";

export interface Lines {
  /** Bytes of a line that are kept. The rest is dropped. */
  readonly line_bytes: number;
  /**
   * Called with the length of each chunk before it is read. Returns the beginning of the only lines
   * to pass on, or null for all lines. Looking for a few lines is much cheaper than splitting.
   */
  readonly only: (bytes: number) => string | null;
  /**
   * Receives the lines that end in one chunk, and the rest when the stream closes. Empty lines are
   * dropped.
   */
  readonly onLines: (lines: readonly string[]) => void;
}

const LINE_FEED = 10;
/** Lines of one chunk with the wanted beginning. A process that sends more is not in earnest. */
const MOST_WANTED = 200;

export function readLines(stream: Readable, { line_bytes, only, onLines }: Lines): void {
  let rest = Buffer.alloc(0);
  const emit = (lines: readonly string[]): void => {
    const full = lines.map((line) => line.replace(/\r$/, "")).filter((line) => line !== "");
    if (full.length > 0) onLines(full.map((line) => line.slice(0, line_bytes)));
  };
  stream.on("data", (chunk: Buffer) => {
    const beginning = only(chunk.length);
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = data.lastIndexOf(LINE_FEED);
    // Truncated as it grows, because an endless line would fill the memory. A copy, because a part
    // would keep the whole chunk.
    rest = Buffer.from(data.subarray(end + 1, end + 1 + line_bytes));
    if (end === -1) return;
    emit(beginning === null ? data.toString("utf8", 0, end).split("\n") : linesWith(beginning, data.subarray(0, end)));
  });
  stream.on("close", () => emit([rest.toString("utf8")].filter((line) => line.startsWith(only(0) ?? ""))));
}

function linesWith(beginning: string, data: Buffer): readonly string[] {
  const lines: string[] = [];
  let start = data.indexOf(beginning) === 0 ? 0 : nextLine(beginning, data, 0);
  while (start !== -1 && lines.length < MOST_WANTED) {
    const end = data.indexOf(LINE_FEED, start);
    lines.push(data.toString("utf8", start, end === -1 ? data.length : end));
    start = end === -1 ? -1 : nextLine(beginning, data, end);
  }
  return lines;
}

/** Returns where the next line with this beginning starts, at or after a line feed at `from`. */
function nextLine(beginning: string, data: Buffer, from: number): number {
  const found = data.indexOf(`\n${beginning}`, from);
  return found === -1 ? -1 : found + 1;
}
