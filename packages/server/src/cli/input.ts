/** Secrets come by standard input, never by argument: arguments stand in the process list and in the shell's history. */
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
