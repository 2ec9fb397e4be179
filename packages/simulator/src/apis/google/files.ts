/**
 * The files of a Google account, which Drive lists, and behind some of which Docs, Sheets and
 * Slides keep a document. Knows no endpoint.
 */
import type { Collection, Objects, Stored } from "../../engine/objects.ts";
import type { Caller, JsonObject, RouteContext } from "../../engine/types.ts";
import { text } from "../kit/endpoints.ts";
import { sha256, stableNumber } from "../../engine/values.ts";

export const DOCUMENT = "application/vnd.google-apps.document";
export const SPREADSHEET = "application/vnd.google-apps.spreadsheet";
export const PRESENTATION = "application/vnd.google-apps.presentation";

/** Returns a letter or digit for each character of a hash, as Google's ids have. */
const idOf = (space: string, owner: string, n: number): string =>
  `1${Buffer.from(sha256(`${space}\n${owner}\n${n}`), "hex")
    .toString("base64url")
    .slice(0, 32)}`;

export const rootOf = (owner: string): string => `0A${idOf("drive root", owner, 0).slice(1, 18)}`;

export const files: Collection = {
  name: "files",
  newId: (owner, n) => idOf("drive file", owner, n),
  seed: (owner) => {
    const parents = [rootOf(owner)];
    const notes = { name: "notes.txt", mimeType: "text/plain", parents };
    const id = String(stableNumber("drive file", owner));
    return [
      { id, data: notes, content: Buffer.from("Buy milk.\n") },
      { id: "doc-1", data: { name: "Notes", mimeType: DOCUMENT, parents } },
      { id: "sheet-1", data: { name: "Numbers", mimeType: SPREADSHEET, parents } },
      { id: "deck-1", data: { name: "Deck", mimeType: PRESENTATION, parents } },
    ];
  },
};

/** A kind of document: Docs, Sheets or Slides. */
export interface DocumentKind {
  readonly mime_type: string;
  readonly collection: Collection;
  /** The content of a new document. */
  blank(title: string): JsonObject;
}

/** Creates a document and its file in Drive, with the same id. */
export function createDocument(context: RouteContext, caller: Caller, kind: DocumentKind, data: JsonObject): Stored {
  const { email } = caller.account;
  const name = text(data["title"]);
  const file = context
    .objects(files, email)
    .add({ data: { name, mimeType: kind.mime_type, parents: [rootOf(email)] } });
  return context.objects(kind.collection, email).add({ id: file.id, data });
}

export interface OpenDocument {
  readonly all: Objects;
  readonly found: Stored;
}

/** Opens a document by its id. The first call gives a file created in Drive a blank document. */
export function openDocument(
  context: RouteContext,
  caller: Caller,
  kind: DocumentKind,
  id: string | undefined,
): OpenDocument | null {
  const { email } = caller.account;
  const all = context.objects(kind.collection, email);
  const known = all.get(id ?? "");
  const file = context.objects(files, email).get(id ?? "");
  if (file === undefined || file.data["mimeType"] !== kind.mime_type) return null;
  if (known !== undefined) return { all, found: known };
  return { all, found: all.add({ id: file.id, data: kind.blank(text(file.data["name"])) }) };
}
