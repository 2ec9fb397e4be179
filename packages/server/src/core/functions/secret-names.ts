/** The names of an app's secrets. Its functions read them like environment variables. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** Variables that change how a program runs, and Holdfast's own. */
const RESERVED = /^(?:DENO_|LD_|NODE_|HOLDFAST_|(?:PATH|HOME)$)/;

/** Returns why a text cannot name a secret, or null. */
export function problemOfName(text: string): string | null {
  if (!NAME.test(text)) return "is not a name. Use up to 128 letters, digits and _, and no digit first";
  return RESERVED.test(text) ? "is reserved. Names do not begin with DENO_, LD_, NODE_ or HOLDFAST_" : null;
}
