/** Text of unknown origin, for logs and terminals. */

/**
 * Sequences that control a terminal (ECMA-48 §5.3, §5.4 and §8.3.89): with parameters, with a text
 * and its end, and short ones. Every part has a length. `stripVTControlCharacters` of Node takes
 * quadratic time on `ESC ]` again and again.
 */
const SEQUENCES =
  // oxlint-disable-next-line no-control-regex -- These are what it finds.
  /(?:\u001b\[|\u009b)[0-?]{0,64}[ -/]{0,8}[@-~]|\u001b\][^\u0007\u001b\u009c]{0,4096}(?:\u0007|\u001b\\|\u009c)|\u001b[ -/]{0,8}[0-~]/g;
/** Control characters, and those that change the direction of text. */
const INVISIBLE = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Reports whether the text has characters that a terminal does not show as they are. */
export function hasInvisible(text: string): boolean {
  return text.search(INVISIBLE) !== -1;
}

/**
 * Returns the text without what would control a terminal, change the order of what it shows, or be
 * refused by a database. Line feeds and tabs stay.
 */
export function visibleText(text: string): string {
  const plain = text.replaceAll(SEQUENCES, "").replaceAll("\r\n", "\n").toWellFormed();
  return plain.replaceAll(INVISIBLE, (found) => (found === "\n" || found === "\t" ? found : ""));
}
