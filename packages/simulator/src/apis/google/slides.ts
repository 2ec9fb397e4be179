/**
 * Google Slides: presentations, slides and the text of shapes.
 * https://developers.google.com/workspace/slides/api/reference/rest (shapes in
 * recorded/googleslides.json)
 *
 * Simplified: requests about slides, shapes and text are applied, all others are kept in the object
 * without effect. Layouts and masters are empty.
 */
import type { Stored } from "../../engine/objects.ts";
import type { JsonObject, TokenRoute } from "../../engine/types.ts";
import { at, object, objects, text } from "../kit/endpoints.ts";
import { badArgument } from "./common.ts";
import { documentRoutes, revisionOf } from "./documents.ts";
import { PRESENTATION, type DocumentKind } from "./files.ts";
import type { Step } from "./requests.ts";
import { parts } from "./docs.ts";

const kind: DocumentKind = {
  mime_type: PRESENTATION,
  collection: {
    name: "presentations",
    newId: () => "",
    seed: () => [{ id: "deck-1", data: { title: "Deck", slides: [{ objectId: "p", elements: [] }] } }],
  },
  blank: (title) => ({ title, slides: [{ objectId: "p", elements: [] }] }),
};

const SIZE = { width: { magnitude: 9_144_000, unit: "EMU" }, height: { magnitude: 5_143_500, unit: "EMU" } };

const element = ({ objectId, shapeType, text: content }: JsonObject): JsonObject => ({
  objectId,
  shape: {
    shapeType,
    text: { textElements: text(content) === "" ? [] : [{ endIndex: text(content).length, textRun: { content } }] },
  },
});

const slide = ({ objectId, elements }: JsonObject): JsonObject => ({
  objectId,
  pageElements: objects(elements).map(element),
  slideProperties: { layoutObjectId: "p1", masterObjectId: "p0" },
});

const render = (stored: Stored): JsonObject => ({
  presentationId: stored.id,
  pageSize: SIZE,
  slides: objects(stored.data["slides"]).map(slide),
  title: stored.data["title"],
  masters: [],
  layouts: [],
  locale: "en",
  revisionId: revisionOf(stored),
});

const slidesOf = (data: JsonObject): readonly JsonObject[] => objects(data["slides"]);
const elementsOf = (data: JsonObject): readonly JsonObject[] =>
  slidesOf(data).flatMap(({ elements }) => objects(elements));

/** Returns the caller's id, or the next one. Ids are unique in a presentation. */
function newId(data: JsonObject, given: JsonObject, prefix: string): string | null {
  const used = [...slidesOf(data), ...elementsOf(data)].map(({ objectId }) => objectId);
  const id = text(given["objectId"]) || `SLIDES_API_${prefix}${used.length}`;
  return used.includes(id) ? null : id;
}

const taken = (where: string) =>
  badArgument(`${where}: The object ID should be unique among all pages and page elements.`);
const unknown = (where: string, id: unknown) => badArgument(`${where}: The object (${String(id)}) could not be found.`);

const withElements = (
  data: JsonObject,
  change: (elements: readonly JsonObject[]) => readonly JsonObject[],
): JsonObject => ({
  ...data,
  slides: slidesOf(data).map((one) => ({ ...one, elements: change(objects(one["elements"])) })),
});

const STEPS: Readonly<Record<string, Step>> = {
  createSlide: (data, given, where) => {
    const objectId = newId(data, given, "slide");
    if (objectId === null) return taken(where);
    const before = slidesOf(data);
    const at_index = typeof given["insertionIndex"] === "number" ? given["insertionIndex"] : before.length;
    const slides = before.toSpliced(at_index, 0, { objectId, elements: [] });
    return { data: { ...data, slides }, reply: { createSlide: { objectId } } };
  },
  createShape: (data, given, where) => {
    const objectId = newId(data, given, "shape");
    if (objectId === null) return taken(where);
    const page = text(at(given, ["elementProperties", "pageObjectId"]));
    if (!slidesOf(data).some((one) => one["objectId"] === page)) return unknown(where, page);
    const shape = { objectId, shapeType: given["shapeType"], text: "" };
    const slides = slidesOf(data).map((one) =>
      one["objectId"] === page ? { ...one, elements: [...objects(one["elements"]), shape] } : one,
    );
    return { data: { ...data, slides }, reply: { createShape: { objectId } } };
  },
  insertText: (data, { objectId, insertionIndex, text: words }, where) => {
    if (!elementsOf(data).some((one) => one["objectId"] === objectId)) return unknown(where, objectId);
    const index = typeof insertionIndex === "number" ? insertionIndex : 0;
    const changed = withElements(data, (elements) =>
      elements.map((one) => {
        const before = text(one["text"]);
        const after = before.slice(0, index) + text(words) + before.slice(index);
        return one["objectId"] === objectId ? { ...one, text: after } : one;
      }),
    );
    return { data: changed, reply: {} };
  },
  replaceAllText: (data, given) => {
    const wanted = object(given["containsText"]);
    let occurrencesChanged = 0;
    const changed = withElements(data, (elements) =>
      elements.map((one) => {
        const found = parts(text(one["text"]), text(wanted["text"]), wanted["matchCase"] === true);
        occurrencesChanged += found.length - 1;
        return { ...one, text: found.join(text(given["replaceText"])) };
      }),
    );
    return { data: changed, reply: { replaceAllText: { occurrencesChanged } } };
  },
  deleteObject: (data, { objectId }, where) => {
    const all = [...slidesOf(data), ...elementsOf(data)];
    if (!all.some((one) => one["objectId"] === objectId)) return unknown(where, objectId);
    const kept = { ...data, slides: slidesOf(data).filter((one) => one["objectId"] !== objectId) };
    const left = withElements(kept, (elements) => elements.filter((one) => one["objectId"] !== objectId));
    return { data: left, reply: {} };
  },
};

export const slidesRoutes: readonly TokenRoute[] = documentRoutes({
  type: "googleslides",
  host: "slides.googleapis.com",
  path: "/v1/presentations",
  kind,
  scope: "presentations",
  id_name: "presentationId",
  steps: STEPS,
  render,
});
