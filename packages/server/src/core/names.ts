/** Names that people give to things, and to themselves. */
import { ApiError } from "./errors.ts";

export const NAME_LENGTH = 100;
/** Bidirectional controls, zero-width characters, other controls: they make one name look like another. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

/** A name that people can tell from another: normalised, trimmed, visible. @throws ApiError `invalid_name` */
export function checkName(given: string): string {
  const name = given.normalize("NFC").trim();
  if (name === "" || Array.from(name).length > NAME_LENGTH || INVISIBLE.test(name)) throw new ApiError("invalid_name");
  return name;
}

/** Longest address that mail takes (RFC 5321 §4.5.3.1). */
const EMAIL_LENGTH = 254;
const EMAIL = /^[^\s@<>"'(),:;[\]\\]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+$/;

/** In the one form in which it is stored and looked up. @throws ApiError `invalid_email` */
export function checkEmail(given: string): string {
  const email = given.normalize("NFC").trim().toLowerCase();
  if (email.length > EMAIL_LENGTH || !EMAIL.test(email) || INVISIBLE.test(email)) throw new ApiError("invalid_email");
  return email;
}
