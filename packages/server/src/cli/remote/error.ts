/**
 * A server's refusal, in the server's own words. Its code is a string, because it can be newer than
 * our table.
 */
import { ERRORS, exitCodeOf, exitCodeOfStatus, type ErrorCode, type FieldError } from "../../core/errors.ts";
import { isJsonObject } from "../../core/types.ts";

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly who_must_act: string | null;
  readonly retryable: boolean;
  readonly errors: readonly FieldError[];
  readonly reconnect_url: string | null;
  readonly request_id: string | null;
}

export class RemoteError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.name = "RemoteError";
    this.refusal = refusal;
  }

  get exit_code(): number {
    const { code, status } = this.refusal;
    return isKnown(code) ? exitCodeOf(code) : exitCodeOfStatus(status);
  }
}

export const isRefused = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof RemoteError && codes.includes(error.refusal.code);

const isKnown = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);

/**
 * Reads a refusal from one of our error bodies (`message`, `code`, `extra_data` …), an OAuth error,
 * or any other body.
 */
export function refusalOf(status: number, body: unknown, header_request_id: string | null): Refusal {
  const fields: Readonly<Record<string, unknown>> = isJsonObject(body) ? body : {};
  const extra: Readonly<Record<string, unknown>> = isJsonObject(fields["extra_data"]) ? fields["extra_data"] : {};
  const code = textIn(fields, "code") ?? textIn(fields, "error") ?? `http_${status}`;
  return {
    status,
    code,
    message:
      textIn(fields, "message") ??
      textIn(fields, "detail") ??
      textIn(fields, "error_description") ??
      (isKnown(code) ? ERRORS[code].message : `The server returned status ${status} without a message.`),
    who_must_act: textIn(extra, "who_must_act"),
    retryable: fields["retryable"] === true,
    errors: Array.isArray(extra["errors"]) ? extra["errors"].flatMap(fieldError) : [],
    reconnect_url: textIn(extra, "reconnect_url"),
    request_id: header_request_id ?? textIn(fields, "request_id"),
  };
}

function fieldError(value: unknown): readonly FieldError[] {
  if (!isJsonObject(value)) return [];
  const name = textIn(value, "name");
  const message = textIn(value, "message");
  return name === null || message === null ? [] : [{ name, message }];
}

function textIn(fields: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = fields[name];
  return typeof value === "string" && value !== "" ? value : null;
}
