/** Reads a user from an issuer's claims (OpenID Connect Core §5.1). Pure. */
import { checkEmail, isVisible } from "../../core/names.ts";
import type { JsonObject, JsonValue } from "../../core/types.ts";
import type { Identity } from "./types.ts";

const SUBJECT_LENGTH = 255;
const NAME_LENGTH = 200;

/**
 * Returns the user, or null without a usable subject. Reads no `role`, so a claim grants nothing.
 * Omits names and addresses that could deceive a reader.
 */
export function identityOf(claims: JsonObject): Identity | null {
  const subject = textOf(claims["sub"], SUBJECT_LENGTH);
  return subject === null ? null : { subject, email: emailOf(claims), full_name: nameOf(claims) };
}

/** An address that its owner has not confirmed could be another person's. */
function emailOf({ email, email_verified }: JsonObject): string | null {
  if (typeof email !== "string" || email_verified === false || email_verified === "false") return null;
  try {
    return checkEmail(email);
  } catch {
    return null;
  }
}

function nameOf({ name, full_name, given_name, family_name }: JsonObject): string | null {
  const whole = textOf(name, NAME_LENGTH) ?? textOf(full_name, NAME_LENGTH);
  const parts = [given_name, family_name].map((part) => textOf(part, NAME_LENGTH)).filter((part) => part !== null);
  return whole ?? textOf(parts.join(" "), NAME_LENGTH);
}

/** Returns visible text of limited length, or null. */
function textOf(value: JsonValue | undefined, most: number): string | null {
  return typeof value === "string" && value !== "" && value.length <= most && isVisible(value) ? value : null;
}
