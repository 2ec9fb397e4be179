/** Errors as values of the closed table in error-table.ts, and the exit codes of commands. */
import { ERRORS } from "./error-table.ts";

export { ERRORS, RETIRED } from "./error-table.ts";

export type ErrorCode = keyof typeof ERRORS;

export interface FieldError {
  readonly name: string;
  readonly message: string;
}

export interface ErrorOptions {
  /**
   * Replaces the table's message with a more specific one. Never a secret or a provider's raw text.
   */
  readonly message?: string;
  readonly reason?: string;
  readonly reconnect_url?: string;
  readonly retry_after_s?: number;
  readonly errors?: readonly FieldError[];
  /**
   * What a function threw and did not handle, for its caller. Not this server's own opinion, so no
   * page shows it, and it does not count as a refused credential.
   */
  readonly thrown?: { readonly code: string; readonly status: number };
  /** For the log only. */
  readonly cause?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The only error class of the server. Any other thrown error is a bug and returns `internal`. */
export class CodedError extends Error {
  readonly code: ErrorCode;
  readonly options: ErrorOptions;

  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    super(options.message ?? ERRORS[code].message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "CodedError";
    this.code = code;
    this.options = options;
  }

  get status(): number {
    return this.options.thrown?.status ?? ERRORS[this.code].status;
  }
}

/**
 * Returns the exit code of a command that fails with `code`: 1 failed, 2 usage, 3 auth, 4 not
 * found, 5 conflict, 6 unavailable, 70 internal, 75 already in use, 78 configuration.
 */
export function exitCodeOf(code: ErrorCode): number {
  const { status, exit_code } = { exit_code: undefined, ...ERRORS[code] };
  return exit_code ?? exitCodeOfStatus(status);
}

/** Returns the exit code for a status alone. For error codes that this version does not know. */
export function exitCodeOfStatus(status: number): number {
  if (status === 401 || status === 403) return 3;
  if (status === 404) return 4;
  if (status === 409) return 5;
  if (status === 502 || status === 503 || status === 504) return 6;
  return status === 500 ? 70 : 1;
}
