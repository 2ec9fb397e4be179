/**
 * A value that must not be printed. `expose()` is the only way to the text, so that each use can be found by searching
 * for that word; every implicit conversion gives `[redacted]`, because a token in one log line is a leaked account.
 */
import { createHash } from "node:crypto";

const REDACTED = "[redacted]";

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The text itself. Call it at the last moment, and never into a message. */
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

/** SHA-256 of a text as lower-case hex. For values that are compared, never shown. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}
