/**
 * Reports an error: as text on stderr with what to do, or with --json as a document on stdout,
 * where programs read results.
 */
import { CodedError, ERRORS, exitCodeOf } from "../core/errors.ts";
import { RemoteError, type Refusal } from "./remote/error.ts";

/** Prints an error. Returns its exit code. */
export function reportError(error: unknown, json: boolean): number {
  const reported = describe(error);
  if (json) process.stdout.write(`${JSON.stringify({ error: documentOf(reported) })}\n`);
  else process.stderr.write(`${textOf(reported)}\n`);
  // There is no server log to look into, so a defect prints its stack.
  if (reported.code === "internal" && error instanceof Error)
    process.stderr.write(`${(error.stack ?? "").split("\n").slice(1, 6).join("\n")}\n`);
  return reported.exit_code;
}

function documentOf({ code, message, who_must_act, retryable, errors, reconnect_url, request_id }: Reported) {
  return {
    code,
    message,
    who_must_act,
    retryable,
    ...(errors.length === 0 ? {} : { errors }),
    ...(reconnect_url === null ? {} : { reconnect_url }),
    ...(request_id === null ? {} : { request_id }),
  };
}

function textOf({ code, message, errors, reconnect_url, request_id }: Reported): string {
  const fields = errors
    .filter((field) => !message.includes(field.message))
    .map((field) => `  ${field.name}: ${field.message}`);
  const reconnect = reconnect_url === null ? [] : [`Connect the account again: ${reconnect_url}`];
  const id = request_id === null ? "" : `, request ${request_id}`;
  return [message, ...fields, ...reconnect, `(${code}${id})`].join("\n");
}

type Reported = Omit<Refusal, "status"> & { readonly exit_code: number };

function describe(error: unknown): Reported {
  if (error instanceof RemoteError) return { ...error.refusal, exit_code: error.exit_code };
  const known = error instanceof CodedError ? error : new CodedError("internal", { cause: error });
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
