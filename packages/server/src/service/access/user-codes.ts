/** The short codes of a device login, `XXXX-XXXX`, which users read and type (RFC 8628 §6.1). */
import { createHmac, randomInt } from "node:crypto";
import type { Ground } from "../ground.ts";

/** Without vowels, so that no words appear, and without letters that look like digits. */
export const USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ";
export const USER_CODE_LENGTH = 8;
const USER_CODE_PATTERN = new RegExp(`^[${USER_CODE_LETTERS}]{${USER_CODE_LENGTH}}$`);

export function newLetters(): string {
  const letter = (): string => USER_CODE_LETTERS.charAt(randomInt(USER_CODE_LETTERS.length));
  return Array.from({ length: USER_CODE_LENGTH }, letter).join("");
}

/** Returns the code as users see it. */
export function formatLetters(letters: string): string {
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** Reads a typed code. Ignores case, spaces and dashes of any kind. Returns null for other text. */
export function parseLetters(typed: string): string | null {
  const letters = typed
    .slice(0, 64)
    .replaceAll(/[\s\p{Pd}]/gu, "")
    .toUpperCase();
  return USER_CODE_PATTERN.test(letters) ? letters : null;
}

/** Returns the code's HMAC under each master key, current first: a rotation can follow the code. */
export function hashLetters(keyring: Ground["keyring"], letters: string): readonly [string, ...string[]] {
  const hashes = keyring.deriveKeys("user codes").map((key) => createHmac("sha256", key).update(letters).digest("hex"));
  const [current = "", ...older] = hashes;
  return [current, ...older];
}
