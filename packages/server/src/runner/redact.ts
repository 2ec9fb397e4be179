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
/** Shortest start of a secret for which a record waits for the rest. */
const SHORTEST_OPEN = 3;
/** Of a longer secret only the plainest forms are searched, to keep the search cheap. */
const LONG = 1_024;
/** Access tokens of one process that are remembered. It receives one for each connection. */
const MOST_TOKENS = 100;
/**
 * Comparisons of a text with secrets that begin as it does. A text that was made to need more, for
 * secrets that were, is redacted as a whole.
 */
const MOST_COMPARED = 200_000;
const REDACTED = "[redacted]";
const NONE: readonly string[] = [];

/**
 * Texts to find, by their first characters. An app can have a hundred secrets of 64 KiB, and each
 * record is searched for all of them.
 */
interface Index {
  /** By the first {@link SHORTEST} characters, which each has. */
  readonly whole: ReadonlyMap<string, readonly string[]>;
  /** By the first {@link SHORTEST_OPEN} characters. */
  readonly open: ReadonlyMap<string, readonly string[]>;
}

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
   * Returns consecutive texts with every secret replaced, even one that begins in one text and ends
   * in another. `is_cut` says that the last text lacks its end, where part of a secret can stand.
   */
  redact(texts: readonly string[], is_cut?: boolean): readonly string[];
}

interface Secrets {
  /** The app's, by name. Processes with the same secrets share the object. */
  readonly app: Readonly<Record<string, string>>;
  readonly invocations: Map<string, readonly string[]>;
  readonly tokens: Set<string>;
  /** Of the invocations' and of the access tokens. Null: they have changed. */
  index: Index | null;
}

export function createRedactor(app: Readonly<Record<string, string>>): Redactor {
  const secrets: Secrets = { app, invocations: new Map(), tokens: new Set(), index: null };
  return {
    hideDuring: (invocation_id, tokens) => {
      secrets.invocations.set(invocation_id, tokens);
      secrets.index = null;
    },
    end: (invocation_id) => {
      secrets.invocations.delete(invocation_id);
      secrets.index = null;
    },
    hide: (token) => hideToken(secrets, token),
    isOpen: (texts) => isOpen(texts, indexesOf(secrets)),
    redact: (texts, is_cut = false) => redactAll(texts, indexesOf(secrets), is_cut),
  };
}

function hideToken(secrets: Secrets, token: string): void {
  const { tokens } = secrets;
  tokens.delete(token);
  tokens.add(token);
  secrets.index = null;
  const [oldest] = tokens;
  if (tokens.size > MOST_TOKENS && oldest !== undefined) tokens.delete(oldest);
}

/** Computed at the first output: most invocations print nothing. */
function indexesOf(secrets: Secrets): readonly Index[] {
  const { app, invocations, tokens } = secrets;
  secrets.index ??= indexOf([...tokens, ...[...invocations.values()].flat()]);
  const shared = indexOfApp.get(app) ?? indexOf(Object.values(app));
  indexOfApp.set(app, shared);
  return [secrets.index, shared].filter(({ whole }) => whole.size > 0);
}

const indexOfApp = new WeakMap<object, Index>();

function indexOf(values: readonly string[]): Index {
  const needles = [...new Set(values.flatMap(needlesOf))];
  return {
    whole: Map.groupBy(needles, (needle) => needle.slice(0, SHORTEST)),
    open: Map.groupBy(needles, (needle) => needle.slice(0, SHORTEST_OPEN)),
  };
}

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
  const hex = bytes.toString("hex");
  return [...urlForms(secret), hex, hex.toUpperCase(), ...base64];
}

/** Returns the secret as code, a form and a URL parser write it in a query. */
function urlForms(secret: string): readonly string[] {
  const text = secret.toWellFormed();
  const in_code = encodeURIComponent(text);
  const in_form = new URLSearchParams([["", text]]).toString().slice(1);
  const in_url = new URL(`https://host/?${text.replaceAll("#", "%23")}`).search.slice(1);
  const lower = [in_code, in_form].map((form) => form.replaceAll(/%../g, (escape) => escape.toLowerCase()));
  return [in_code, in_form, in_url, ...lower];
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

function redactAll(texts: readonly string[], indexes: readonly Index[], is_cut: boolean): readonly string[] {
  if (indexes.length === 0) return texts;
  const text = texts.join("\n");
  const search = { text: withoutSpace(text), indexes, is_cut, left: MOST_COMPARED };
  const found: Span[] = [];
  let end = 0;
  for (let at = 0; at <= search.text.length - SHORTEST; at += 1) {
    const to = endOfSecret(search, at);
    // Where secrets overlap, the later one adds only its rest.
    if (to > end) found.push([Math.max(at, end), to]);
    end = Math.max(end, to);
  }
  if (search.left < 0) return texts.map(() => REDACTED);
  return found.length === 0 ? texts : withoutHidden(texts, placesOf(text, found));
}

/** A range of characters, end exclusive. */
type Span = readonly [from: number, to: number];

interface Search {
  readonly text: string;
  readonly indexes: readonly Index[];
  readonly is_cut: boolean;
  /** Comparisons that are left. */
  left: number;
}

/** Returns where the longest secret ends that starts at `at`, or `at`. */
function endOfSecret(search: Search, at: number): number {
  const { text, indexes, is_cut } = search;
  const beginning = text.slice(at, at + SHORTEST);
  let end = at;
  for (const { whole } of indexes) {
    for (const needle of whole.get(beginning) ?? NONE) {
      search.left -= 1;
      if (search.left < 0) return end;
      if (text.startsWith(needle, at)) end = Math.max(end, at + needle.length);
      else if (is_cut && isPartOf(needle, text, at)) end = text.length;
    }
  }
  return end;
}

/** Reports whether the text ends in a secret that starts at `at`. */
const isPartOf = (needle: string, text: string, at: number): boolean =>
  text.length - at < needle.length && needle.startsWith(text.slice(at));

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

function isOpen(texts: readonly string[], indexes: readonly Index[]): boolean {
  if (indexes.length === 0) return false;
  const text = withoutSpace(texts.join("").slice(-2 * PART));
  let left = MOST_COMPARED / 10;
  for (let at = Math.max(0, text.length - PART); at <= text.length - SHORTEST_OPEN; at += 1) {
    const beginning = text.slice(at, at + SHORTEST_OPEN);
    const needles = indexes.flatMap(({ open }) => open.get(beginning) ?? NONE);
    left -= needles.length;
    if (left < 0 || needles.some((needle) => isPartOf(needle, text, at))) return true;
  }
  return false;
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
