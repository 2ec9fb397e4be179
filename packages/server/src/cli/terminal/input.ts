/**
 * Reads secrets and parses option values. Secrets come on standard input or from a file, never as
 * an argument: arguments appear in the process list and the shell's history.
 */
import { createReadStream } from "node:fs";
import { CodedError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";

const MAX_BYTES = 8_192;
const EXAMPLE =
  'printf %s "$SECRET" | holdfast clients set github --client-id ID --client-secret-stdin, or --client-secret-file PATH';

/**
 * Reads a secret from a file, or from standard input if `path` is null. Drops space around it, such
 * as a final newline. `example` shows how to pass one.
 *
 * @throws CodedError `usage`
 */
export async function readSecret(path: string | null, example = EXAMPLE): Promise<Secret> {
  const from = path === null ? "on standard input" : `in the file "${path}"`;
  if (path === null && process.stdin.isTTY) process.stderr.write("Paste the secret, then press Ctrl-D: ");
  const source = path === null ? process.stdin : createReadStream(path);
  source.setEncoding("utf8");
  let text = "";
  try {
    for await (const chunk of source) {
      text += String(chunk);
      if (text.length > MAX_BYTES)
        throw new CodedError("usage", { message: `The secret ${from} is longer than 8 KiB.` });
    }
  } catch (error) {
    if (error instanceof CodedError || path === null) throw error;
    const message = `The secret's file "${path}" cannot be read. Check that it exists and that you can read it.`;
    throw new CodedError("usage", { message, cause: error });
  }
  const secret = text.trim();
  if (secret === "") throw new CodedError("usage", { message: `There is no secret ${from}. Example: ${example}` });
  return new Secret(secret);
}

/** Parses the value of --expires-in-days. The server accepts at most ten years. */
export function days(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text) || Number(text) > 3650)
    throw new CodedError("usage", { message: "--expires-in-days takes a whole number from 1 to 3650." });
  return Number(text);
}
