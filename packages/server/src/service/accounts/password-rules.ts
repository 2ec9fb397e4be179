/**
 * Constants and rules that the library and its callers share. In a separate file, so that callers
 * do not load the library.
 */
import { CodedError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";

/**
 * The library reads the client's address here. We set it on every call, and never copy it from a
 * request.
 */
export const ADDRESS_HEADER = "x-holdfast-address";
/** In characters. There is a maximum because hashing a longer password takes longer. */
export const PASSWORD_LENGTH = { least: 10, most: 128 };

/** @throws CodedError `invalid_password` */
export function checkPassword(password: Secret): void {
  const { length } = Array.from(password.expose());
  if (length < PASSWORD_LENGTH.least || length > PASSWORD_LENGTH.most) throw new CodedError("invalid_password");
}
