/**
 * Removes secrets from the output of a function's process: its tokens, the access tokens that it
 * received, and the app's secrets. Guards against mistakes such as printing a reply. A function
 * that wants to reveal its own secret can always disguise it.
 *
 * Finds a secret with white space in it, such as a line break, across records that follow each
 * other, and its common encodings: in a URL, in JSON, as base64 in any position, and as hex.
 */

/** Shorter values are too common in ordinary text. */
const SHORTEST = 8;
/** A line of a secret of several lines, such as a key in PEM, that is redacted alone. */
const SHORTEST_LINE = 16;
/** The longest text that is searched for. A longer secret is searched for in such parts. */
const PART = 512;
/** The part of a secret at the end of a record that was cut. */
const SHORTEST_CUT = 8;
export const REDACTED = "[redacted]";

export interface Needles {
  /** Without white space, longest first, so that a part never hides the whole. */
  readonly texts: readonly string[];
  readonly longest: number;
}

/** A text without its white space, and where each remaining character was. */
interface Compact {
  readonly text: string;
  readonly places: readonly number[];
}

/** Returns the texts that stand for any of `secrets`. */
export function needlesOf(secrets: Iterable<string>): Needles {
  const texts = new Set<string>();
  for (const secret of secrets) {
    for (const form of formsOf(secret)) {
      const compact = form.replaceAll(/\s/g, "");
      for (let start = 0; start < compact.length; start += PART) {
        const part = compact.slice(start, start + PART);
        if (part.length >= SHORTEST) texts.add(part);
      }
    }
  }
  const sorted = [...texts].toSorted((a, b) => b.length - a.length);
  return { texts: sorted, longest: sorted[0]?.length ?? 0 };
}

function formsOf(secret: string): readonly string[] {
  if (secret.length < SHORTEST) return [];
  const bytes = Buffer.from(secret);
  const lines = secret.includes("\n")
    ? secret.split(/\r?\n/).filter((line) => line.trim().length >= SHORTEST_LINE)
    : [];
  return [
    secret,
    ...lines,
    JSON.stringify(secret).slice(1, -1),
    urlEncoded(secret),
    bytes.toString("hex"),
    ...[0, 1, 2].flatMap((offset) => base64At(bytes, offset)),
  ];
}

function urlEncoded(secret: string): string {
  try {
    return encodeURIComponent(secret);
  } catch {
    // A lone surrogate has no form in a URL.
    return secret;
  }
}

/**
 * Returns the characters that base64 has for `bytes` if they begin `offset` bytes after a group of
 * three. The first and the last character also depend on what stands beside them.
 */
function base64At(bytes: Uint8Array, offset: number): readonly string[] {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString("base64")
    .replaceAll("=", "");
  const rest = (offset + bytes.length) % 3;
  const inner = text.slice(offset === 0 ? 0 : offset + 1, rest === 0 ? text.length : -1);
  return inner.length < SHORTEST ? [] : [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
}

/**
 * Returns consecutive texts of one process with every secret replaced, also one that begins in one
 * text and ends in another. `is_cut` says that the last text lacks its end, where part of a secret
 * can stand.
 */
export function redactAll(texts: readonly string[], needles: Needles, is_cut = false): readonly string[] {
  if (needles.texts.length === 0) return texts;
  const compact = compactOf(texts.join("\n"));
  const hidden = new Set<number>();
  for (const needle of needles.texts) {
    const { length } = needle;
    for (let at = compact.text.indexOf(needle); at !== -1; at = compact.text.indexOf(needle, at + length))
      hide(compact, at, at + length, hidden);
    const cut = is_cut ? cutAt(compact.text, needle) : null;
    if (cut !== null) hide(compact, cut, compact.text.length, hidden);
  }
  return hidden.size === 0 ? texts : withoutHidden(texts, hidden);
}

/** Adds the places from one character to another, with the white space between them. */
function hide({ places }: Compact, from: number, to: number, hidden: Set<number>): void {
  const [first, last] = [places[from], places[to - 1]];
  if (first === undefined || last === undefined) return;
  for (let place = first; place <= last; place += 1) hidden.add(place);
}

/** Returns where the text ends with the beginning of a needle, or null. */
function cutAt(text: string, needle: string): number | null {
  const beginning = needle.slice(0, SHORTEST_CUT);
  const from = Math.max(0, text.length - needle.length);
  for (let at = text.indexOf(beginning, from); at !== -1; at = text.indexOf(beginning, at + 1)) {
    if (needle.startsWith(text.slice(at))) return at;
  }
  return null;
}

function compactOf(text: string): Compact {
  const places: number[] = [];
  let compact = "";
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index] ?? "";
    if (/\s/.test(character)) continue;
    compact += character;
    places.push(index);
  }
  return { text: compact, places };
}

/** Replaces each run of hidden characters in each text by one mark. */
function withoutHidden(texts: readonly string[], hidden: ReadonlySet<number>): readonly string[] {
  let start = 0;
  return texts.map((text) => {
    let result = "";
    for (let index = 0; index < text.length; index += 1) {
      if (!hidden.has(start + index)) result += text[index];
      else if (index === 0 || !hidden.has(start + index - 1)) result += REDACTED;
    }
    start += text.length + 1;
    return result;
  });
}
