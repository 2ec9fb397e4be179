/**
 * The log: one JSON line per event on stderr. telemetry/ owns the allow-list of fields. It must not
 * know what any event means, or anything above core/.
 *
 * Only fields in LogFields are logged, so that nothing gets into the log as part of an object. An
 * error is reduced to its class, its code and stack frames. Error messages are left out, because a
 * library's message can quote its input.
 */
import { pino } from "pino";
import { errnoOf } from "../core/errno.ts";
import { CodedError } from "../core/errors.ts";
import type { LogLevel } from "../core/settings.ts";

export interface LogFields {
  readonly app_id?: string;
  readonly connection_id?: string;
  readonly flow_id?: string;
  readonly integration_type?: string;
  readonly issuer_id?: string;
  readonly request_id?: string;
  readonly event_id?: string;
  readonly method?: string;
  /** The route's pattern, never the URL. */
  readonly route?: string;
  readonly status?: number;
  readonly duration_ms?: number;
  readonly outcome?: string;
  /** A provider's error from the fixed vocabulary of oauth/outcome.ts. */
  readonly error_name?: string;
  readonly reason?: string;
  readonly code?: string;
  readonly count?: number;
  readonly url?: string;
  readonly path?: string;
  readonly function_name?: string;
  /** Imports of a function that name a version of an SDK. */
  readonly pin?: string;
  readonly line?: string;
  readonly error?: unknown;
}

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export function createLog(level: LogLevel, write: (line: string) => void): Log {
  const logger = pino(
    {
      level,
      base: null,
      messageKey: "event",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
  const at =
    (name: "debug" | "info" | "warn" | "error") =>
    (event: string, { error, ...fields }: LogFields = {}): void => {
      logger[name]({ ...fields, ...(error === undefined ? {} : { error: describe(error) }) }, event);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/**
 * Returns the fields of an error that can be logged. Never a message, which can quote the input.
 */
function describe(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof CodedError) {
    const { cause } = error.options;
    return { name: error.name, code: error.code, ...(cause === undefined ? {} : { cause: describe(cause) }) };
  }
  if (!(error instanceof Error)) return { name: typeof error };
  const code = errnoOf(error);
  // Frames contain only files and lines. The first line of a stack is the message, so it is
  // dropped.
  const frames = (error.stack ?? "")
    .split("\n")
    .filter((line) => line.startsWith("    at "))
    .slice(0, 8);
  return { name: error.name, ...(code === null ? {} : { code }), frames: frames.map((line) => line.trim()) };
}

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
