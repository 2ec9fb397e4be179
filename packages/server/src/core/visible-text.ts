/** Text of unknown origin, for logs and terminals. */
import { stripVTControlCharacters } from "node:util";

/** Control characters, and those that change the direction of text. */
const INVISIBLE = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Returns the text without what would control a terminal, change the order of what it shows, or be
 * refused by a database. Line feeds and tabs stay.
 */
export function visibleText(text: string): string {
  const plain = stripVTControlCharacters(text).replaceAll("\r\n", "\n").toWellFormed();
  return plain.replaceAll(INVISIBLE, (found) => (found === "\n" || found === "\t" ? found : ""));
}
