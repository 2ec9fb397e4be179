/** What is typed. Secrets come by standard input, never by argument: arguments stand in the process list and the shell's history. */
import { ApiError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";

const MAX_BYTES = 8_192;

export async function readSecret(): Promise<Secret> {
  if (process.stdin.isTTY) process.stderr.write("Paste the secret, then press Ctrl-D: ");
  let text = "";
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > MAX_BYTES)
      throw new ApiError("usage", { message: "The secret on standard input is longer than 8 KiB." });
  }
  const secret = text.trim();
  if (secret === "")
    throw new ApiError("usage", {
      message:
        'There is no secret on standard input. Example: printf %s "$SECRET" | holdfast clients set github --client-id ID --client-secret-stdin',
    });
  return new Secret(secret);
}

/** The value of --expires-in-days. The server takes at most ten years. */
export function days(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text) || Number(text) > 3650)
    throw new ApiError("usage", { message: "--expires-in-days takes a whole number from 1 to 3650." });
  return Number(text);
}
