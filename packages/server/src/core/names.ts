/** Checks of names and email addresses that users enter. */
import { CodedError } from "./errors.ts";

export const NAME_LENGTH = 100;
/** Control, bidirectional and zero-width characters. They make different names look the same. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Reports whether the text has no character that could deceive its reader. */
export function isVisible(text: string): boolean {
  return !INVISIBLE.test(text);
}

/** Returns the name, normalized (NFC) and trimmed. @throws CodedError `invalid_name` */
export function checkName(text: string): string {
  const name = text.normalize("NFC").trim();
  if (name === "" || Array.from(name).length > NAME_LENGTH || !isVisible(name)) throw new CodedError("invalid_name");
  return name;
}

/** Longest address that SMTP allows (RFC 5321 §4.5.3.1). */
const EMAIL_LENGTH = 254;
const EMAIL = /^[^\s@<>"'(),:;[\]\\]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+$/;

/**
 * Returns the address in the form that is stored and looked up.
 *
 * @throws CodedError `invalid_email`
 */
export function checkEmail(text: string): string {
  const email = text.normalize("NFC").trim().toLowerCase();
  if (email.length > EMAIL_LENGTH || !EMAIL.test(email) || !isVisible(email)) throw new CodedError("invalid_email");
  return email;
}
