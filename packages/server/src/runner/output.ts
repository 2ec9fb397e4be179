/**
 * The output of one process as records: one for each console call and each uncaught error,
 * regardless of its lines. The bootstrap frames records with a key that only it knows, so a
 * function cannot forge one. Output that bypasses the console belongs to no invocation.
 *
 * Owns the limits of output, the redaction of secrets, and the removal of characters that would
 * control a terminal. Must not know whose process it is, or where records go.
 */
import type { Readable } from "node:stream";
import { systemClock, type Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import { visibleText } from "../core/visible-text.ts";
import { readLines } from "./lines.ts";
import type { Redactor } from "./redact.ts";

export type OutputLevel = "debug" | "info" | "warning" | "error";

export interface OutputRecord {
  readonly level: OutputLevel;
  /** The invocation that the bootstrap names. Null for output outside any invocation. */
  readonly invocation_id: string | null;
  readonly message: string;
}

export interface OutputOptions {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Begins each line of the bootstrap. */
  readonly key: string;
  /** The folder of the bundle. Paths in it are the function's own, relative to its folder. */
  readonly folder: string;
  readonly clock: Clock;
  readonly limits: Pick<Limits, "function_log_record_bytes" | "function_log_bytes_per_minute">;
  readonly redactor: Redactor;
  readonly onRecord: (record: OutputRecord) => void;
  /** Receives the bootstrap's other lines: `ready ADDRESS` and `done ID`. */
  readonly onControl: (word: string, value: string) => void;
}

/** A record as it was read. `is_cut` says that the bootstrap left out its end. */
interface Pending extends OutputRecord {
  readonly is_cut: boolean;
}

interface Output extends OutputOptions {
  pending: Pending[];
  cancelFlush: () => void;
  used: number;
  /** Time that searching the records of this minute took, in milliseconds. */
  searched_ms: number;
  /** What the process wrote in this minute, read or not. */
  written: number;
  dropped: number;
  cancelWindow: (() => void) | null;
}

/** JSON can escape one character of a message as six characters. */
const FRAME_LENGTH = 131_072;
/**
 * Of a record, this many times its limit are searched for secrets and control characters. A process
 * can write much longer lines.
 */
const SEARCHED = 4;
/**
 * Time for the records of one process in a minute. Secrets that begin alike, in output made for
 * them, take much longer to find than others.
 */
const SEARCH_MS = 1_000;
/**
 * A process that writes this many times the limit of a minute is only heard for its frames, without
 * counting what is dropped. Splitting its output would take the time of other apps' calls.
 */
const FLOOD = 4;
/** How fast a function that prints too much is read. A chunk has at most 64 KiB. */
const HELD_BACK_BYTES_PER_MS = 655;
const WINDOW_MS = 60_000;
/** A record that ends with the start of a secret waits this long for a record with the rest. */
const FLUSH_MS = 200;
const MOST_PENDING = 16;
/** Size of a record besides its message. */
const RECORD_COST = 200;
const CUT = "… (cut)";
const LEVELS: readonly OutputLevel[] = ["debug", "info", "warning", "error"];
export function readOutput(options: OutputOptions): void {
  const output: Output = {
    ...options,
    pending: [],
    cancelFlush: () => {},
    used: 0,
    searched_ms: 0,
    written: 0,
    dropped: 0,
    cancelWindow: null,
  };
  const prefix = `@@${options.key} `;
  const only = (stream: Readable) => (bytes: number) => {
    const is_flooding = isFlooding(output, bytes);
    if (is_flooding) output.dropped += 1;
    if (output.dropped > 0) holdBack(stream, bytes);
    return is_flooding ? prefix : null;
  };
  readLines(options.stdout, {
    line_bytes: FRAME_LENGTH,
    only: only(options.stdout),
    onLines: (lines) => {
      for (const line of lines) {
        if (line.startsWith(prefix)) takeFrame(output, line.slice(prefix.length));
        else take(output, line.length, () => raw("info", line));
      }
    },
  });
  readLines(options.stderr, {
    line_bytes: FRAME_LENGTH,
    only: only(options.stderr),
    onLines: (lines) => {
      // Deno's own reports have many lines.
      const text = lines.join("\n");
      take(output, text.length, () => raw("error", text));
    },
  });
  options.stdout.on("close", () => close(output));
  options.stderr.on("close", () => close(output));
}

/**
 * Slows down reading from a function that prints too much, until the end of the minute. The
 * function then waits for its own pipe, and uses no time of this process. Uses the system clock,
 * because pipes do.
 */
function holdBack(stream: Readable, bytes: number): void {
  stream.pause();
  systemClock.after(bytes / HELD_BACK_BYTES_PER_MS, () => stream.resume());
}

function isFlooding(output: Output, bytes: number): boolean {
  openWindow(output);
  output.written += bytes;
  return output.written > FLOOD * output.limits.function_log_bytes_per_minute;
}

const raw = (level: OutputLevel, message: string): Pending => ({
  level,
  invocation_id: null,
  message,
  is_cut: message.length >= FRAME_LENGTH,
});

function takeFrame(output: Output, frame: string): void {
  if (frame.startsWith("log ")) return take(output, frame.length, () => parseFrame(frame));
  const [word = "", value = ""] = frame.split(" ", 2);
  // An invocation's output comes before its end.
  flush(output);
  output.onControl(word, value);
}

/** Reads `log LEVEL CUT ID JSON`. Level, cut and the id are `-` or words without a blank. */
function parseFrame(frame: string): Pending {
  const [, level = "", cut = "", id = "", ...rest] = frame.split(" ");
  const message: unknown = parseJson(rest.join(" "));
  return {
    level: LEVELS[Number(level)] ?? "info",
    invocation_id: id === "-" ? null : id,
    message: typeof message === "string" ? message : "",
    is_cut: cut === "1",
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Keeps a record, or counts it if the function printed too much in this minute. */
function take(output: Output, length: number, read: () => Pending): void {
  const { limits, clock } = output;
  openWindow(output);
  output.used += length + RECORD_COST;
  if (output.used > limits.function_log_bytes_per_minute || output.searched_ms > SEARCH_MS) {
    output.dropped += 1;
    return;
  }
  const record = shortened(read(), SEARCHED * limits.function_log_record_bytes);
  output.pending.push(record);
  const texts = output.pending.map(({ message }) => message);
  // The next record does not continue a truncated one.
  const is_open = !record.is_cut && texts.length < MOST_PENDING && timed(output, ({ isOpen }) => isOpen(texts));
  if (!is_open) return flush(output);
  if (texts.length === 1) output.cancelFlush = clock.after(FLUSH_MS, () => flush(output));
}

function timed<T>(output: Output, search: (redactor: Redactor) => T): T {
  const started_ms = output.clock.monotonic_ms();
  const result = search(output.redactor);
  output.searched_ms += output.clock.monotonic_ms() - started_ms;
  return result;
}

const shortened = (record: Pending, length: number): Pending =>
  record.message.length <= length ? record : { ...record, message: record.message.slice(0, length), is_cut: true };

function openWindow(output: Output): void {
  output.cancelWindow ??= output.clock.after(WINDOW_MS, () => endWindow(output));
}

function endWindow(output: Output): void {
  output.cancelWindow?.();
  output.cancelWindow = null;
  const { written, searched_ms } = output;
  const most = output.limits.function_log_bytes_per_minute;
  output.used = 0;
  output.written = 0;
  output.searched_ms = 0;
  if (output.dropped === 0) return;
  flush(output);
  const count = written > FLOOD * most ? `More than ${output.dropped}` : output.dropped;
  const why =
    searched_ms > SEARCH_MS
      ? "searching the function's output for its secrets took too long"
      : `the function printed more than ${most} bytes in a minute`;
  const message = `${count} records were dropped here: ${why}.`;
  output.dropped = 0;
  output.onRecord({ level: "warning", invocation_id: null, message });
}

function close(output: Output): void {
  flush(output);
  endWindow(output);
}

/** Passes the pending records on. They are redacted together: a secret can begin in one. */
function flush(output: Output): void {
  const { pending, limits, folder, onRecord } = output;
  output.cancelFlush();
  output.pending = [];
  const is_cut = pending.at(-1)?.is_cut === true;
  const texts = pending.map(({ message }) => ownFrames(visibleText(message).trimEnd(), folder));
  const messages = timed(output, ({ redact }) => redact(texts, is_cut));
  pending.forEach(({ level, invocation_id, is_cut: was_cut }, index) => {
    const message = truncated(messages[index] ?? "", limits.function_log_record_bytes, was_cut);
    if (message !== "") onRecord({ level, invocation_id, message });
  });
}

/**
 * Returns a stack whose frames name files of the function: without the bootstrap and Deno's own
 * code, and with the paths that the files have in the source.
 */
function ownFrames(text: string, folder: string): string {
  if (!text.includes("    at ")) return text;
  const own = `file://${folder}/`;
  const isHidden = (line: string): boolean =>
    /^\s+at /.test(line) && (line.includes(`${own}main.mjs:`) || /[( ]ext:/.test(line));
  const kept: string[] = [];
  for (const line of text.split("\n")) {
    if (!isHidden(line)) kept.push(line);
    // The last frame opens the list of the error's own fields. Their closing brace stays, too.
    else if (line.endsWith(" {")) kept.push(`${kept.pop() ?? ""} {`);
  }
  return kept.map((line) => line.replaceAll(own, "").replaceAll(/file:\/\/\/[^\s()]*/g, fromShared)).join("\n");
}

/** Returns the part of a URL from its last folder `shared` on. */
function fromShared(url: string): string {
  const at = url.lastIndexOf("/shared/");
  return at === -1 ? url : url.slice(at + 1);
}

function truncated(text: string, bytes: number, is_cut: boolean): string {
  if (Buffer.byteLength(text) <= bytes) return is_cut ? text + CUT : text;
  // Leave out a character that was cut in half.
  const part = Buffer.from(text)
    .subarray(0, bytes)
    .toString("utf8")
    .replace(/\ufffd+$/, "");
  return part + CUT;
}
