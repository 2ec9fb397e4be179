/**
 * A value that must not be printed. `expose()` is the only way to read the text, so a search for
 * that word finds each use. Every implicit conversion returns `[redacted]`, because a token in a
 * log line is a leaked account.
 */
import { createHash } from "node:crypto";

const REDACTED = "[redacted]";

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** Returns the text. Call it as late as possible, and never for a message. */
  expose(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.toPrimitive](): string {
    return REDACTED;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return REDACTED;
  }
}

/** Returns the SHA-256 of a text as lowercase hex. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}
