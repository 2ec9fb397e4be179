/**
 * Reads MIME messages and multipart bodies (RFC 5322, 2045 to 2047): headers, parts, encodings.
 * Every function accepts any bytes. Malformed parts become text.
 */

export interface Part {
  readonly headers: readonly (readonly [string, string])[];
  /** `text/plain` in lower case, without parameters. */
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** Decoded, of a part without parts. */
  readonly body: Buffer;
  readonly parts: readonly Part[];
}

/** Deeper messages are read as text. */
const DEPTH_MAX = 8;

/** Bytes as one character each, so that offsets of characters are offsets of bytes. */
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** Returns the value of a header that is not repeated, or an empty string. */
export function header({ headers }: Pick<Part, "headers">, name: string): string {
  return headers.find(([known]) => known.toLowerCase() === name)?.[1] ?? "";
}

function headersOf(head: string): [string, string][] {
  const unfolded = head.replaceAll(/\r?\n[ \t]+/g, " ").split(/\r?\n/);
  return unfolded.flatMap((line): [string, string][] => {
    const colon = line.indexOf(":");
    return colon <= 0 ? [] : [[line.slice(0, colon).trim(), decodeWords(line.slice(colon + 1).trim())]];
  });
}

/** Decodes `=?utf-8?B?…?=` (RFC 2047), and UTF-8 that was sent as it is. */
function decodeWords(value: string): string {
  const plain = Buffer.from(value, "latin1").toString("utf8");
  return plain
    .replaceAll(/\?=\s+=\?/g, "?==?")
    .replaceAll(/=\?[\w-]+\?([bq])\?([^?]*)\?=/gi, (_, kind: string, text: string) =>
      kind.toLowerCase() === "b"
        ? Buffer.from(text, "base64").toString("utf8")
        : quoted(text.replaceAll("_", " ")).toString("utf8"),
    );
}

const quoted = (text: string): Buffer =>
  Buffer.from(
    text
      .replaceAll(/=\r?\n/g, "")
      .replaceAll(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16))),
    "latin1",
  );

function decoded(body: string, encoding: string): Buffer {
  if (encoding === "base64") return Buffer.from(body, "base64");
  return encoding === "quoted-printable" ? quoted(body) : Buffer.from(body, "latin1");
}

/** Splits `text/plain; charset="utf-8"`. */
function mediaType(value: string): Pick<Part, "type" | "parameters"> {
  const [type = "", ...rest] = value.split(";");
  const parameters = rest.flatMap((parameter): [string, string][] => {
    const match = /^\s*([\w*-]+)\s*=\s*(?:"([^"]*)"|(\S*))/.exec(parameter);
    return match === null ? [] : [[(match[1] ?? "").toLowerCase(), match[2] ?? match[3] ?? ""]];
  });
  return { type: type.trim().toLowerCase(), parameters: new Map(parameters) };
}

/** Returns the parts between the boundaries. Preamble and epilogue are dropped (RFC 2046). */
function split(body: string, boundary: string): string[] {
  const pieces = `\n${body}`.split(`\n--${boundary}`).slice(1);
  const end = pieces.findIndex((piece) => piece.startsWith("--"));
  const parts = end < 0 ? pieces : pieces.slice(0, end);
  return parts.map((part) => part.replace(/^[ \t]*\r?\n/, "").replace(/\r$/, ""));
}

function partOf(text: string, depth: number): Part {
  const gap = /\r?\n\r?\n/.exec(text);
  // A part without headers begins with the empty line.
  const bare = /^\r?\n/.exec(text);
  const head = bare === null ? text.slice(0, gap?.index ?? text.length) : "";
  const rest =
    bare === null ? text.slice(gap === null ? text.length : gap.index + gap[0].length) : text.slice(bare[0].length);
  const headers = headersOf(head);
  const media = mediaType(header({ headers }, "content-type"));
  const type = media.type === "" ? "text/plain" : media.type;
  const boundary = media.parameters.get("boundary") ?? "";
  if (type.startsWith("multipart/") && boundary !== "" && depth > 0) {
    const parts = split(rest, boundary).map((part) => partOf(part, depth - 1));
    return { headers, ...media, type, body: Buffer.alloc(0), parts };
  }
  const encoding = header({ headers }, "content-transfer-encoding").toLowerCase();
  return { headers, ...media, type, body: decoded(rest, encoding), parts: [] };
}

export const parseMessage = (bytes: Uint8Array): Part => partOf(latin1(bytes), DEPTH_MAX);

/** Returns the parts of an HTTP body, such as `multipart/related`. Null: it is not multipart. */
export function multipart(content_type: string, body: Uint8Array): readonly Part[] | null {
  const { type, parameters } = mediaType(content_type);
  const boundary = parameters.get("boundary") ?? "";
  if (!type.startsWith("multipart/") || boundary === "") return null;
  return split(latin1(body), boundary).map((part) => partOf(part, DEPTH_MAX));
}

/** Returns all parts without parts, in order. */
export const leaves = (part: Part): readonly Part[] => (part.parts.length === 0 ? [part] : part.parts.flatMap(leaves));

/** Returns the text of the first part of a type, or an empty string. */
export const textOf = (part: Part, type: string): string =>
  leaves(part)
    .find((leaf) => leaf.type === type && fileName(leaf) === "")
    ?.body.toString("utf8") ?? "";

/** Returns the name of an attached file, or an empty string. */
export const fileName = (part: Part): string =>
  mediaType(header(part, "content-disposition")).parameters.get("filename") ?? part.parameters.get("name") ?? "";
