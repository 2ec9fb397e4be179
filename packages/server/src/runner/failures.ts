/**
 * What the caller of a function learns about its failure. Errors of the platform's SDKs that the
 * function did not handle tell what to do, such as to connect an account again. Only their known
 * fields pass, each in its known form, because a function can throw anything under that name.
 */
import type { Readable } from "node:stream";
import { CodedError } from "../core/errors.ts";
import { isJsonObject, type JsonValue } from "../core/types.ts";
import { visibleText } from "../core/visible-text.ts";
import type { Redactor } from "./redact.ts";

const BODY_BYTES = 32_768;
const MESSAGE_LENGTH = 1_000;
const URL_LENGTH = 2_048;
/** The hosted platform's codes contain capital letters. */
const CODE = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** The side that was too slow when an invocation timed out. */
export type Late = "caller" | "function";

/** The caller sends its body, or reads the response, too slowly. */
export const callerTooSlow = (): CodedError =>
  new CodedError("request_timeout", { message: "The body of the call took too long to arrive." });

export const callerLeft = (): CodedError =>
  new CodedError("bad_request", { message: "The caller closed the connection." });

export const functionTooSlow = (function_name: string, timeout_ms: number): CodedError =>
  new CodedError("function_timeout", {
    message: `The function ${function_name} did not respond within ${timeout_ms / 1000} s. Respond first, and do long work in waitUntil.`,
  });

export const responseNotHttp = (function_name: string): CodedError =>
  new CodedError("function_error", {
    message: `The function ${function_name} sent a response that is not valid HTTP, or whose headers are too large.`,
  });

export const outOfMemory = (function_name: string): CodedError =>
  new CodedError("function_out_of_memory", {
    message: `The function ${function_name} ran out of memory. Handle less data at a time, or raise HOLDFAST_FUNCTION_HEAP_MB and HOLDFAST_FUNCTION_MEMORY_BYTES.`,
  });

interface FailedFunction {
  readonly function_name: string;
  readonly redactor: Redactor;
  readonly public_url: string;
}

/** Returns the error of an invocation whose process reported that it failed. */
export async function reportedFailure(
  response: Readable,
  failure: string,
  { function_name, redactor, public_url }: FailedFunction,
): Promise<CodedError> {
  if (failure === "no_handler") {
    const message = `The function ${function_name} does not handle requests: call Deno.serve(handler), or export default a function or an object with fetch.`;
    return new CodedError("function_invalid", { message });
  }
  if (failure === "load") {
    const message = `The function ${function_name} threw an error while loading. Its log has the error.`;
    return new CodedError("function_invalid", { message });
  }
  if (failure === "memory") return outOfMemory(function_name);
  const message = `The function ${function_name} threw an error before it responded. Its log has the error.`;
  return (await readKnownError(response, redactor, public_url)) ?? new CodedError("function_error", { message });
}

/** Returns the known error in the body of a failed invocation, or null. */
async function readKnownError(body: Readable, redactor: Redactor, public_url: string): Promise<CodedError | null> {
  const value = parse(await readText(body));
  if (!isJsonObject(value)) return null;
  const message = textOf(value["message"], redactor);
  const reason = codeOf(value["reason"]);
  const reconnect_url = connectLink(value["reconnect_url"], public_url);
  return new CodedError("function_error", {
    ...(message === null ? {} : { message }),
    ...(reason === null ? {} : { reason }),
    ...(reconnect_url === null ? {} : { reconnect_url }),
    thrown: { code: codeOf(value["code"]) ?? "function_error", status: statusOf(value["status"]) },
  });
}

/** Returns the text of a body, or "" if the body is too long. */
async function readText(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      const part = Buffer.from(chunk);
      bytes += part.length;
      if (bytes > BODY_BYTES) return "";
      chunks.push(part);
    }
  } catch {
    // The process exited in the middle of the body.
    return "";
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function textOf(value: JsonValue | undefined, redactor: Redactor): string | null {
  if (typeof value !== "string") return null;
  const [text = ""] = redactor.redact([visibleText(value)]);
  return text.trim() === "" ? null : text.slice(0, MESSAGE_LENGTH).toWellFormed();
}

function codeOf(value: JsonValue | undefined): string | null {
  return typeof value === "string" && CODE.test(value) ? value : null;
}

/** An SDK's status is 0 if there was no reply. */
function statusOf(value: JsonValue | undefined): number {
  return typeof value === "number" && Number.isInteger(value) && value >= 400 && value <= 599 ? value : 502;
}

/** Returns a link only if it leads to this server. The caller would trust a function's own link. */
function connectLink(value: JsonValue | undefined, public_url: string): string | null {
  if (typeof value !== "string" || value.length > URL_LENGTH || !URL.canParse(value)) return null;
  const url = new URL(value);
  const is_ours = url.origin === new URL(public_url).origin && url.username === "" && url.password === "";
  return is_ours ? url.href : null;
}
