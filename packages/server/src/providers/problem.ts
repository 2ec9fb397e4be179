/** A fault in a provider definition, as a value: where it is and which rule it breaks. */
export interface Problem {
  /** JSON pointer (RFC 6901) of the field. Empty for the whole document. */
  readonly pointer: string;
  /** What the field violates, as a predicate: "must be …", "is required". */
  readonly rule: string;
}

/** Escapes a member name for use in a JSON pointer (RFC 6901 §3). */
export const escapePointer = (name: string): string => name.replaceAll("~", "~0").replaceAll("/", "~1");
