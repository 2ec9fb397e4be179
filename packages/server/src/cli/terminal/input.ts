/**
 * Reads secrets and parses option values. Secrets come on standard input or from a file, never as
 * an argument: arguments appear in the process list and the shell's history.
 */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { parseEnv } from "node:util";
import { CodedError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";

const MAX_BYTES = 8_192;
const EXAMPLE =
  'printf %s "$SECRET" | holdfast clients set github --client-id ID --client-secret-stdin, or --client-secret-file PATH';
/** A secret of an app, and a file with all of them. */
const MAX_VALUE_BYTES = 65_536;
const MAX_ENV_BYTES = 8_388_608;

/** Reads a text from standard input, without its final newline. @throws CodedError `usage` */
export async function readValue(): Promise<Secret> {
  if (process.stdin.isTTY) process.stderr.write("Paste the value, then press Ctrl-D: ");
  const text = await readAll(process.stdin, MAX_VALUE_BYTES + 1);
  if (text === null) throw new CodedError("usage", { message: `The value is longer than ${MAX_VALUE_BYTES} bytes.` });
  const value = text.replace(/\r?\n$/, "");
  // The usual mistake is a command without a pipe in a script. Functions would see an empty secret.
  if (value === "")
    throw new CodedError("usage", {
      message: 'Standard input has no value. Pipe it in: printf %s "$VALUE" | holdfast secrets set NAME --app APP',
    });
  return new Secret(value);
}

/** Reads a file with lines `NAME=VALUE`, as dotenv does. @throws CodedError `usage` */
export async function readEnvFile(path: string): Promise<Readonly<Record<string, Secret>>> {
  const text = await readAll(createReadStream(path), MAX_ENV_BYTES).catch((cause: unknown) => {
    const message = `The file "${path}" cannot be read. Check that it exists and that you can read it.`;
    throw new CodedError("usage", { message, cause });
  });
  const entries = Object.entries(text === null ? {} : parseEnv(text));
  if (entries.length > 0) return Object.fromEntries(entries.map(([name, value]) => [name, new Secret(value ?? "")]));
  throw new CodedError("usage", { message: `The file "${path}" has no line NAME=VALUE, or is too large.` });
}

/** Returns null if there is more than `limit`. */
async function readAll(source: Readable, limit: number): Promise<string | null> {
  source.setEncoding("utf8");
  let text = "";
  for await (const chunk of source) {
    text += String(chunk);
    if (Buffer.byteLength(text) > limit) return null;
  }
  return text;
}

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
  const text = await readAll(source, MAX_BYTES).catch((error: unknown) => {
    if (path === null) throw error;
    const message = `The secret's file "${path}" cannot be read. Check that it exists and that you can read it.`;
    throw new CodedError("usage", { message, cause: error });
  });
  if (text === null) throw new CodedError("usage", { message: `The secret ${from} is longer than 8 KiB.` });
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
