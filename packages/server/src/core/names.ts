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

export interface NamedApp {
  readonly id: string;
  readonly name: string;
}

/** Most ids that a message lists. More would hide the rest of it. */
const MAX_IDS = 10;

/**
 * Returns the app with this id, or else the only one with this name. Two apps can have the same
 * name, and a name can look like an id.
 *
 * @throws CodedError `not_found`, or `app_ambiguous`, which lists the ids
 */
export function appNamed<A extends NamedApp>(apps: readonly A[], text: string): A {
  const found = apps.find(({ id }) => id === text);
  if (found !== undefined) return found;
  // As names are stored. A keyboard or a file system can compose letters differently.
  const named = text.normalize("NFC");
  const [only, ...others] = apps.filter(({ name }) => name === named);
  const shown = text.slice(0, 200);
  if (only === undefined)
    throw new CodedError("not_found", { message: `There is no app ${shown}. holdfast apps list shows all.` });
  if (others.length === 0) return only;
  const ids = [only, ...others].map(({ id }) => id);
  const more = ids.length > MAX_IDS ? `, and ${ids.length - MAX_IDS} more` : "";
  const message = `Several apps are named ${shown}. Use the id of one: ${ids.slice(0, MAX_IDS).join(", ")}${more}.`;
  throw new CodedError("app_ambiguous", { message });
}

/** Keys that no JSON body can have: copied to an object, they can change its prototype. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);
