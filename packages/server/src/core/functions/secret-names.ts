/** The names of an app's secrets. Its functions read them like environment variables. */
import { FORBIDDEN_KEYS } from "../names.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/**
 * Variables that change how a program runs, and Holdfast's own. Case matters: `path` is not PATH. A
 * secret never enters a process's environment, so a name that differs only in case changes no
 * program. Refusing it could break an app that uses it.
 */
const RESERVED = /^(?:DENO_|LD_|NODE_|HOLDFAST_|(?:PATH|HOME)$)/;

/** Returns why a text cannot name a secret, or null. */
export function problemOfName(text: string): string | null {
  if (!NAME.test(text)) return "is not a name. Use up to 128 letters, digits and _, and no digit first";
  if (FORBIDDEN_KEYS.has(text)) return "is reserved, because every JavaScript object has a member with this name";
  return RESERVED.test(text) ? "is reserved. Names do not begin with DENO_, LD_, NODE_ or HOLDFAST_" : null;
}
