/**
 * Notion's property values: the short form that callers send, the long form that Notion returns,
 * and filters over them. Pure. https://developers.notion.com/reference/page-property-values and
 * .../post-database-query-filter
 */
import type { Json, JsonObject } from "../engine/types.ts";
import { isObject, stableUuid } from "../engine/values.ts";
import { list, object, objects, text } from "./kit/endpoints.ts";
import { compareFolded } from "./kit/filter.ts";

const TYPES = (
  "title rich_text number select multi_select status date checkbox url email phone_number people relation files " +
  "formula rollup created_time last_edited_time"
).split(" ");

/** Returns the type of a value or of a property in a schema, by its only member of this name. */
export const typeOfValue = (value: JsonObject): string | undefined => TYPES.find((type) => Object.hasOwn(value, type));

const ANNOTATIONS = {
  bold: false,
  italic: false,
  strikethrough: false,
  underline: false,
  code: false,
  color: "default",
};

/** Returns the long form of texts such as `[{ text: { content } }]`. */
export const richText = (value: Json | undefined): JsonObject[] =>
  objects(value).map((part) => {
    const { content, link } = object(part["text"]);
    const href = isObject(link) ? (link["url"] ?? null) : null;
    return {
      type: "text",
      text: { content: text(content), link: link ?? null },
      annotations: { ...ANNOTATIONS, ...object(part["annotations"]) },
      plain_text: text(content),
      href,
    };
  });

const option = (value: Json): Json =>
  isObject(value)
    ? { id: stableUuid("notion option", text(value["name"])), name: value["name"], color: "default" }
    : null;

/** Returns the long form of one value. Only types with one have an entry. */
const LONG: Readonly<Record<string, (value: Json) => Json>> = {
  title: richText,
  rich_text: richText,
  select: option,
  status: option,
  multi_select: (value) => list(value).map(option),
  date: (value) => (isObject(value) ? { start: null, end: null, time_zone: null, ...value } : null),
};

/** Returns a value as a page has it. The title of a page without database can be a plain list. */
export function propertyValue(name: string, value: JsonObject): JsonObject {
  const type = typeOfValue(value) ?? "rich_text";
  const given = value[type] ?? null;
  return { id: type === "title" ? "title" : encodeURIComponent(name), type, [type]: LONG[type]?.(given) ?? given };
}

const words = (value: Json | undefined): string =>
  objects(value)
    .map((part) => text(object(part["text"])["content"]))
    .join("");

const nameOf = (value: Json | undefined): Json => object(value)["name"] ?? null;

/** Returns what filters and sorts compare: text, a number, a boolean, a date, or names. */
export function plainValue(value: JsonObject): Json {
  const type = typeOfValue(value) ?? "";
  const given = value[type] ?? null;
  if (type === "title" || type === "rich_text") return words(given);
  if (type === "select" || type === "status") return nameOf(given);
  if (type === "multi_select") return list(given).map(nameOf);
  if (type === "relation" || type === "people") return objects(given).map(({ id }) => id ?? null);
  if (type === "date") return object(given)["start"] ?? null;
  return given;
}

type Condition = (value: Json, wanted: Json) => boolean;

const isEmpty = (value: Json): boolean =>
  value === null || value === "" || (Array.isArray(value) && value.length === 0);
const includes: Condition = (value, wanted) =>
  Array.isArray(value)
    ? value.some((one: Json) => compareFolded(one, wanted) === 0)
    : text(value).toLowerCase().includes(text(wanted).toLowerCase());
const isEqual: Condition = (value, wanted) => compareFolded(value, wanted) === 0;
const isBelow: Condition = (value, wanted) => !isEmpty(value) && compareFolded(value, wanted) < 0;
const isAbove: Condition = (value, wanted) => !isEmpty(value) && compareFolded(value, wanted) > 0;
const not =
  (condition: Condition): Condition =>
  (value, wanted) =>
    !condition(value, wanted);
const orEqual =
  (condition: Condition): Condition =>
  (value, wanted) =>
    condition(value, wanted) || (!isEmpty(value) && isEqual(value, wanted));

const CONDITIONS: Readonly<Record<string, Condition>> = {
  equals: isEqual,
  does_not_equal: not(isEqual),
  contains: includes,
  does_not_contain: not(includes),
  starts_with: (value, wanted) => text(value).toLowerCase().startsWith(text(wanted).toLowerCase()),
  ends_with: (value, wanted) => text(value).toLowerCase().endsWith(text(wanted).toLowerCase()),
  is_empty: isEmpty,
  is_not_empty: not(isEmpty),
  less_than: isBelow,
  less_than_or_equal_to: orEqual(isBelow),
  greater_than: isAbove,
  greater_than_or_equal_to: orEqual(isAbove),
  before: isBelow,
  on_or_before: orEqual(isBelow),
  after: isAbove,
  on_or_after: orEqual(isAbove),
};

/** The default of a property that a page does not set. */
const UNSET: Readonly<Record<string, JsonObject>> = { checkbox: { checkbox: false } };

/** Reports whether a page passes a filter. Returns the text of a refusal if the filter is wrong. */
export function matchesFilter(properties: JsonObject, schema: JsonObject, filter: JsonObject): boolean | string {
  const join = Array.isArray(filter["and"]) ? "and" : Array.isArray(filter["or"]) ? "or" : null;
  if (join !== null) {
    const verdicts = objects(filter[join]).map((one) => matchesFilter(properties, schema, one));
    const refusal = verdicts.find((one) => typeof one === "string");
    if (refusal !== undefined) return refusal;
    return join === "and" ? verdicts.every((one) => one === true) : verdicts.includes(true);
  }
  const name = text(filter["property"]);
  const expected = typeOfValue(object(schema[name]));
  if (expected === undefined) return `Could not find property with name or id: ${name}`;
  const type = typeOfValue(filter);
  if (type !== expected) return `database property ${expected} does not match filter ${type ?? "undefined"}`;
  const [[condition, wanted] = ["", null]] = Object.entries(object(filter[type]));
  const check = Object.hasOwn(CONDITIONS, condition) ? CONDITIONS[condition] : undefined;
  if (check === undefined) return `body failed validation: body.filter.${type}.${condition} should be not present.`;
  const value = isObject(properties[name]) ? properties[name] : (UNSET[expected] ?? {});
  return check(plainValue(value), wanted ?? null);
}
