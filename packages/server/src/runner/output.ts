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
  dropped: number;
  cancelWindow: (() => void) | null;
}

/** JSON can escape one character of a message as six characters. */
const FRAME_LENGTH = 131_072;
const WINDOW_MS = 60_000;
/** A record that ends with the start of a secret waits this long for a record with the rest. */
const FLUSH_MS = 200;
const MOST_PENDING = 16;
/** Pause after each chunk (at most 64 KiB) of a function that prints too much. */
const HOLD_BACK_MS = 100;
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
    dropped: 0,
    cancelWindow: null,
  };
  const prefix = `@@${options.key} `;
  readLines(options.stdout, FRAME_LENGTH, (lines) => {
    for (const line of lines) {
      if (line.startsWith(prefix)) takeFrame(output, line.slice(prefix.length));
      else take(output, line.length, () => raw("info", line));
    }
    holdBack(output, options.stdout);
  });
  readLines(options.stderr, FRAME_LENGTH, (lines) => {
    // Deno's own reports have many lines.
    const text = lines.join("\n");
    take(output, text.length, () => raw("error", text));
    holdBack(output, options.stderr);
  });
  options.stdout.on("close", () => close(output));
  options.stderr.on("close", () => close(output));
}

/**
 * Slows down reading from a function that prints too much, until the end of the minute. The
 * function then waits for its own pipe, and uses no time of this process. Uses the system clock,
 * because pipes do.
 */
function holdBack({ dropped }: Output, stream: Readable): void {
  if (dropped === 0 || stream.isPaused()) return;
  stream.pause();
  systemClock.after(HOLD_BACK_MS, () => stream.resume());
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
  const { limits, clock, redactor } = output;
  output.cancelWindow ??= clock.after(WINDOW_MS, () => endWindow(output));
  output.used += length + RECORD_COST;
  if (output.used > limits.function_log_bytes_per_minute) {
    output.dropped += 1;
    return;
  }
  const record = read();
  output.pending.push(record);
  const texts = output.pending.map(({ message }) => message);
  // The next record does not continue a truncated one.
  if (record.is_cut || texts.length >= MOST_PENDING || !redactor.isOpen(texts)) return flush(output);
  if (texts.length === 1) output.cancelFlush = clock.after(FLUSH_MS, () => flush(output));
}

function endWindow(output: Output): void {
  output.cancelWindow?.();
  output.cancelWindow = null;
  output.used = 0;
  if (output.dropped === 0) return;
  flush(output);
  const message = `${output.dropped} records were dropped here: the function printed more than ${output.limits.function_log_bytes_per_minute} bytes in a minute.`;
  output.dropped = 0;
  output.onRecord({ level: "warning", invocation_id: null, message });
}

function close(output: Output): void {
  flush(output);
  endWindow(output);
}

/** Passes the pending records on. They are redacted together: a secret can begin in one. */
function flush(output: Output): void {
  const { pending, redactor, limits, folder, onRecord } = output;
  output.cancelFlush();
  output.pending = [];
  const is_cut = pending.at(-1)?.is_cut === true;
  const texts = pending.map(({ message }) => ownFrames(visibleText(message).trimEnd(), folder));
  const messages = redactor.redact(texts, is_cut);
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
  return text
    .split("\n")
    .filter((line) => !/^\s+at /.test(line) || !(line.includes(`${own}main.mjs:`) || /[( ]ext:/.test(line)))
    .map((line) => line.replaceAll(own, "").replaceAll(/file:\/\/\/(?:[^\s()]*\/)?shared\//g, "shared/"))
    .join("\n");
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
