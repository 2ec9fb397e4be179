/**
 * What commands print. Results go to stdout, as text or with --json as one document; everything else goes to stderr. An error
 * says what to do; with --json it is a document on stdout, so that a program has one place to look.
 */
import { ApiError, ERRORS, exitCodeOf } from "../../core/errors.ts";
import { RemoteError, type Refusal } from "../remote/error.ts";

export interface Output {
  readonly json: boolean;
  /** The command's result: `text` for people, `value` for programs. */
  result(value: unknown, text: string): void;
  /** Progress and hints. */
  note(text: string): void;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    result: (value, text) =>
      void process.stdout.write(json ? `${JSON.stringify(value)}\n` : text === "" ? "" : `${text}\n`),
    note: (text) => void process.stderr.write(`${text}\n`),
  };
}

/** Prints an error; the exit code that goes with it. */
export function reportError(error: unknown, json: boolean): number {
  const told = tell(error);
  const { code, message, who_must_act, retryable, errors, reconnect_url, request_id } = told;
  if (json) {
    const document = {
      code,
      message,
      who_must_act,
      retryable,
      ...(errors.length === 0 ? {} : { errors }),
      ...(reconnect_url === null ? {} : { reconnect_url }),
      ...(request_id === null ? {} : { request_id }),
    };
    process.stdout.write(`${JSON.stringify({ error: document })}\n`);
  } else {
    const fields = errors
      .filter((field) => !message.includes(field.message))
      .map((field) => `  ${field.name}: ${field.message}`);
    const again = reconnect_url === null ? [] : [`Connect the account again: ${reconnect_url}`];
    const id = request_id === null ? "" : `, request ${request_id}`;
    process.stderr.write(`${[message, ...fields, ...again, `(${code}${id})`].join("\n")}\n`);
  }
  // A defect is reported with its place, since there is no server log to look into.
  if (code === "internal" && error instanceof Error)
    process.stderr.write(`${(error.stack ?? "").split("\n").slice(1, 6).join("\n")}\n`);
  return told.exit_code;
}

type Told = Omit<Refusal, "status"> & { readonly exit_code: number };

function tell(error: unknown): Told {
  if (error instanceof RemoteError) return { ...error.refusal, exit_code: error.exit_code };
  const known = error instanceof ApiError ? error : new ApiError("internal", { cause: error });
  const { code, message, options } = known;
  return {
    code,
    message,
    who_must_act: ERRORS[code].who_must_act,
    retryable: ERRORS[code].retryable,
    errors: options.errors ?? [],
    reconnect_url: options.reconnect_url ?? null,
    request_id: null,
    exit_code: exitCodeOf(code),
  };
}

/** Columns of equal width under their names, without a library for six lists; `empty` says what to do when there are no rows. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[], empty = ""): string {
  if (rows.length === 0) return empty;
  const lines = [columns.map((name) => name.toUpperCase()), ...rows];
  const widths = columns.map((_, column) => Math.max(...lines.map((row) => row[column]?.length ?? 0)));
  return lines
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export const day = (at: number | null): string =>
  at === null ? "-" : new Date(at).toISOString().slice(0, 16).replace("T", " ");
