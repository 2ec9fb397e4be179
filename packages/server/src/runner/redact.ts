/**
 * Removes secrets from the output of a function's process: its tokens, the access tokens that it
 * received, and the app's secrets. Guards against mistakes such as printing a reply. A function
 * that wants to reveal a secret can always encode it.
 *
 * Finds a secret across consecutive records, with white space in it, such as a line break, and in
 * its common encodings: in a URL, in JSON, as base64 in any position, and as hex.
 */

/** Shorter values are too common in ordinary text. */
const SHORTEST = 8;
/** Shortest line of a multi-line secret, such as a PEM key, that is redacted on its own. */
const SHORTEST_LINE = 16;
/** Longest search text. A longer secret is split into parts of this length. */
const PART = 512;
/** Shortest part of a secret that is redacted at the end of a truncated record. */
const SHORTEST_CUT = 8;
/** Shortest start of a secret for which a record waits for the rest. */
const SHORTEST_OPEN = 3;
/** Of a longer secret only the plainest forms are searched, to keep the search cheap. */
const LONG = 1_024;
/** Access tokens of one process that are remembered. It receives one for each connection. */
const MOST_TOKENS = 100;
const REDACTED = "[redacted]";

/** The secrets of one process. */
export interface Redactor {
  /** Hides the tokens of an invocation until it ends. */
  hideDuring(invocation_id: string, tokens: readonly string[]): void;
  end(invocation_id: string): void;
  /** Hides an access token for the rest of the process's life, because code can keep the token. */
  hide(token: string): void;
  /** Reports whether the texts end with the beginning of a secret, so that the next can go on. */
  isOpen(texts: readonly string[]): boolean;
  /**
   * Returns consecutive texts with every secret replaced, also one that begins in one text and ends
   * in another. `is_cut` says that the last text lacks its end, where part of a secret can stand.
   */
  redact(texts: readonly string[], is_cut?: boolean): readonly string[];
}

interface Secrets {
  /** The app's, by name. Processes with the same secrets share the object. */
  readonly app: Readonly<Record<string, string>>;
  readonly invocations: Map<string, readonly string[]>;
  readonly tokens: Set<string>;
  /** The forms of each known token. */
  readonly needles: Map<string, readonly string[]>;
}

export function createRedactor(app: Readonly<Record<string, string>>): Redactor {
  const secrets: Secrets = { app, invocations: new Map(), tokens: new Set(), needles: new Map() };
  return {
    hideDuring: (invocation_id, tokens) => void secrets.invocations.set(invocation_id, tokens),
    end: (invocation_id) => end(secrets, invocation_id),
    hide: (token) => hideToken(secrets, token),
    isOpen: (texts) => isOpen(texts, needlesOfAll(secrets)),
    redact: (texts, is_cut = false) => redactAll(texts, needlesOfAll(secrets), is_cut),
  };
}

function end({ invocations, needles }: Secrets, invocation_id: string): void {
  for (const token of invocations.get(invocation_id) ?? []) needles.delete(token);
  invocations.delete(invocation_id);
}

function hideToken({ tokens, needles }: Secrets, token: string): void {
  tokens.delete(token);
  tokens.add(token);
  const [oldest] = tokens;
  if (tokens.size <= MOST_TOKENS || oldest === undefined) return;
  tokens.delete(oldest);
  needles.delete(oldest);
}

/** Computed at the first output: most invocations print nothing. */
function needlesOfAll({ app, invocations, tokens, needles }: Secrets): readonly string[] {
  const own = [...tokens, ...[...invocations.values()].flat()].flatMap((token) => {
    const known = needles.get(token) ?? needlesOf(token);
    needles.set(token, known);
    return known;
  });
  const shared = needlesOfApp.get(app) ?? Object.values(app).flatMap(needlesOf);
  needlesOfApp.set(app, shared);
  return [...own, ...shared];
}

const needlesOfApp = new WeakMap<object, readonly string[]>();

/** Returns the forms of a secret, without white space. */
function needlesOf(secret: string): readonly string[] {
  const texts = new Set<string>();
  for (const form of formsOf(secret)) {
    const compact = withoutSpace(form);
    for (let start = 0; start < compact.length; start += PART) {
      const part = compact.slice(start, start + PART);
      if (part.length >= SHORTEST) texts.add(part);
    }
  }
  return [...texts];
}

function formsOf(secret: string): readonly string[] {
  if (secret.length < SHORTEST) return [];
  const lines = secret.includes("\n")
    ? secret.split(/\r?\n/).filter((line) => line.trim().length >= SHORTEST_LINE)
    : [];
  return [secret, ...lines, JSON.stringify(secret).slice(1, -1), ...(secret.length > LONG ? [] : encodedForms(secret))];
}

function encodedForms(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].flatMap((offset) => base64At(bytes, offset));
  return [urlEncoded(secret), bytes.toString("hex"), ...base64];
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

function redactAll(texts: readonly string[], needles: readonly string[], is_cut: boolean): readonly string[] {
  const text = texts.join("\n");
  const compact = withoutSpace(text);
  const found = needles.flatMap((needle) => rangesOf(compact, needle, is_cut));
  return found.length === 0 ? texts : withoutHidden(texts, placesOf(text, found));
}

/** A range of characters, end exclusive. */
type Span = readonly [from: number, to: number];

function rangesOf(compact: string, needle: string, is_cut: boolean): readonly Span[] {
  const ranges: Span[] = [];
  const { length } = needle;
  for (let at = compact.indexOf(needle); at !== -1; at = compact.indexOf(needle, at + length))
    ranges.push([at, at + length]);
  const cut = is_cut ? cutAt(compact, needle, SHORTEST_CUT) : null;
  return cut === null ? ranges : [...ranges, [cut, compact.length]];
}

/** Returns where spans of the characters without white space are, with the space inside them. */
function placesOf(text: string, spans: readonly Span[]): ReadonlySet<number> {
  const places: number[] = [];
  for (let index = 0; index < text.length; index += 1) if (!/\s/.test(text[index] ?? "")) places.push(index);
  const hidden = new Set<number>();
  for (const [from, to] of spans) {
    const [first, last] = [places[from], places[to - 1]];
    if (first === undefined || last === undefined) continue;
    for (let place = first; place <= last; place += 1) hidden.add(place);
  }
  return hidden;
}

const withoutSpace = (text: string): string => text.replaceAll(/\s+/g, "");

function isOpen(texts: readonly string[], needles: readonly string[]): boolean {
  const text = withoutSpace(texts.join("").slice(-2 * PART));
  return needles.some((needle) => cutAt(text, needle, SHORTEST_OPEN) !== null);
}

/** Returns where the text ends with the beginning of a needle, or null. */
function cutAt(text: string, needle: string, shortest: number): number | null {
  const beginning = needle.slice(0, shortest);
  const from = Math.max(0, text.length - needle.length + 1);
  for (let at = text.indexOf(beginning, from); at !== -1; at = text.indexOf(beginning, at + 1)) {
    if (needle.startsWith(text.slice(at))) return at;
  }
  return null;
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
