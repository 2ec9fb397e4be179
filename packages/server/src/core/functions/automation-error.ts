/** The error of a deployment whose automations have wrong values. Pure. */
import { CodedError, type FieldError } from "../errors.ts";

/** Returns the error. Each `name` is a JSON pointer (RFC 6901). */
export function invalidAutomation(errors: readonly FieldError[]): CodedError {
  const places = errors.map(({ name, message }) => `${name} ${message}`).join("; ");
  return new CodedError("invalid_field", { errors, message: `An automation has an invalid value: ${places}.` });
}
