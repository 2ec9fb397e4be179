/**
 * Google Docs: documents as plain text.
 * https://developers.google.com/workspace/docs/api/reference/rest/v1 (shapes in
 * recorded/googledocs.json)
 *
 * Text begins at index 1 and always ends with a line break. Simplified: requests about text are
 * applied, all others are kept in the object without effect.
 */
import type { Stored } from "../../engine/objects.ts";
import type { JsonObject, TokenRoute } from "../../engine/types.ts";
import { at, object, text } from "../kit/endpoints.ts";
import { badArgument } from "./common.ts";
import { documentRoutes, revisionOf } from "./documents.ts";
import { DOCUMENT, type DocumentKind } from "./files.ts";
import type { Step } from "./requests.ts";

const kind: DocumentKind = {
  mime_type: DOCUMENT,
  collection: {
    name: "documents",
    newId: () => "",
    seed: () => [{ id: "doc-1", data: { title: "Notes", text: "Buy milk.\n" } }],
  },
  blank: (title) => ({ title, text: "\n" }),
};

const STYLE = { namedStyleType: "NORMAL_TEXT", direction: "LEFT_TO_RIGHT" };
const SECTION = { columnSeparatorStyle: "NONE", contentDirection: "LEFT_TO_RIGHT", sectionType: "CONTINUOUS" };

/** Returns one paragraph for each line. Indexes count UTF-16 units from 1. */
function paragraphs(words: string): JsonObject[] {
  let index = 1;
  return (words.match(/[^\n]*\n/g) ?? []).map((content) => {
    const [startIndex, endIndex] = [index, index + content.length];
    index = endIndex;
    const element = { startIndex, endIndex, textRun: { content, textStyle: {} } };
    return { startIndex, endIndex, paragraph: { elements: [element], paragraphStyle: STYLE } };
  });
}

const render = (stored: Stored): JsonObject => ({
  title: stored.data["title"],
  body: {
    content: [{ endIndex: 1, sectionBreak: { sectionStyle: SECTION } }, ...paragraphs(text(stored.data["text"]))],
  },
  revisionId: revisionOf(stored),
  suggestionsViewMode: "SUGGESTIONS_INLINE",
  documentId: stored.id,
});

/** Splits a text at each place of the wanted one. */
export function parts(words: string, wanted: string, matches_case: boolean): string[] {
  if (wanted === "") return [words];
  const escaped = wanted.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return words.split(new RegExp(escaped, matches_case ? "g" : "gi"));
}

const STEPS: Readonly<Record<string, Step>> = {
  insertText: (data, given, where) => {
    const words = text(data["text"]);
    const end = words.length + 1;
    const is_end = given["endOfSegmentLocation"] !== undefined;
    const index = is_end ? end - 1 : Number(at(given, ["location", "index"]) ?? 0);
    if (!Number.isInteger(index) || index < 1) {
      return badArgument(`${where}: The insertion index must be inside the bounds of an existing paragraph.`);
    }
    if (index >= end) {
      return badArgument(`${where}: Index ${index} must be less than the end index of the referenced segment, ${end}.`);
    }
    const changed = words.slice(0, index - 1) + text(given["text"]) + words.slice(index - 1);
    return { data: { ...data, text: changed }, reply: {} };
  },
  deleteContentRange: (data, given, where) => {
    const words = text(data["text"]);
    const [start, end] = ["startIndex", "endIndex"].map((name) => Number(at(given, ["range", name])));
    const is_inside = start !== undefined && end !== undefined && start >= 1 && start < end && end <= words.length;
    if (!is_inside) return badArgument(`${where}: The range cannot be deleted.`);
    return { data: { ...data, text: words.slice(0, start - 1) + words.slice(end - 1) }, reply: {} };
  },
  replaceAllText: (data, given) => {
    const wanted = object(given["containsText"]);
    const found = parts(text(data["text"]), text(wanted["text"]), wanted["matchCase"] === true);
    const reply = { replaceAllText: found.length === 1 ? {} : { occurrencesChanged: found.length - 1 } };
    return { data: { ...data, text: found.join(text(given["replaceText"])) }, reply };
  },
};

export const docsRoutes: readonly TokenRoute[] = documentRoutes({
  type: "googledocs",
  host: "docs.googleapis.com",
  path: "/v1/documents",
  kind,
  scope: "documents",
  id_name: "documentId",
  steps: STEPS,
  render,
});
