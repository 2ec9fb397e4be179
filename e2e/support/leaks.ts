/** Searches everything a server leaves behind for secrets, in each encoding they can have. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Secrets {
  readonly [kind: string]: Iterable<string>;
}

/** A searched location: `log`, `file holdfast.db-wal`, `GET /setup/... 400`. */
export interface Place {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Leak {
  readonly place: string;
  readonly kind: string;
  readonly form: string;
}

export const FORMS = {
  plain: (text: string) => [text],
  url: (text: string) => [encodeURIComponent(text), new URLSearchParams({ "": text }).toString().slice(1)],
  base64: (text: string) =>
    anywhereInBase64(text).flatMap((part) => [part, part.replaceAll("+", "-").replaceAll("/", "_")]),
  hex: (text: string) => {
    const hex = Buffer.from(text).toString("hex");
    return [hex, hex.toUpperCase()];
  },
} as const satisfies Record<string, (text: string) => readonly string[]>;

/**
 * Returns the part of the encoding that does not depend on the surrounding text, for each of the
 * three alignments.
 */
function anywhereInBase64(text: string): string[] {
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.from(" ".repeat(before) + text)
      .toString("base64")
      .replace(/=+$/, "");
    return encoded.slice(Math.ceil((before * 4) / 3), Math.floor(((before + Buffer.byteLength(text)) * 8) / 6));
  });
}

export function findLeaks(places: readonly Place[], secrets: Secrets): readonly Leak[] {
  const needles = Object.entries(secrets).flatMap(([kind, values]) =>
    [...values].flatMap((value) =>
      Object.entries(FORMS).map(([form, encode]) => ({ kind, form, encoded: [...new Set(encode(value))] })),
    ),
  );
  return places.flatMap(({ name, bytes }) =>
    needles
      .filter(({ encoded }) => encoded.some((text) => bytes.includes(text)))
      .map(({ kind, form }) => ({ place: name, kind, form })),
  );
}

/** Returns every file below a directory. */
export function filesOf(directory: string): Place[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => ({ name: `file ${name}`, bytes: readFileSync(join(parentPath, name)) }));
}
