/**
 * Compares what happened with what was expected, and says each difference in one line.
 *
 * An expected object is part of the actual one. An expected array has the same length. In an
 * expected string, `{name}` stands for one or more characters, in a path for one segment.
 */
import type { ExpectedChange, ExpectedReply } from "./expected.ts";

export interface ActualReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** A change as the simulator reports it. */
export interface ActualChange {
  readonly vendor: string;
  readonly collection: string;
  readonly account: string;
  readonly id: string;
  readonly change: string;
  readonly data: unknown;
  readonly content: { readonly text: string | null } | null;
}

const NAMED = /\{[a-z_]+\}/;
const quoted = (value: unknown): string => (value === undefined ? "nothing" : JSON.stringify(value));

/** Reports whether a text fits a pattern. `any` is what `{name}` stands for. */
function fits(pattern: string, text: string, any: string): boolean {
  const parts = pattern.split(NAMED).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(any)}$`).test(text);
}

const fitsText = (pattern: string, text: string): boolean => fits(pattern, text, "[^\n]+");
const fitsCall = (pattern: string, call: string): boolean => fits(pattern, call, "[^/]+");

/** Returns where `actual` differs from `expected`, one line each. */
export function differences(expected: unknown, actual: unknown, place: string): readonly string[] {
  if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.length !== actual.length)
      return [`${place} has ${actual.length} elements, not ${expected.length}: ${quoted(actual)}`];
    return expected.flatMap((one, index) => differences(one, actual[index], `${place}[${index}]`));
  }
  if (isObject(expected) && isObject(actual))
    return Object.entries(expected).flatMap(([name, one]) => differences(one, actual[name], `${place}.${name}`));
  const is_same =
    typeof expected === "string" && typeof actual === "string" ? fitsText(expected, actual) : expected === actual;
  return is_same ? [] : [`${place} is ${quoted(actual)}, not ${quoted(expected)}`];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function replyDifferences(expected: ExpectedReply, actual: ActualReply): readonly string[] {
  const { status, headers, text, body } = expected;
  const found = [
    ...differences(status, actual.status, "status"),
    ...differences(headers, actual.headers, "header"),
    ...(text === null || text === actual.text ? [] : [`the body is ${quoted(actual.text)}, not ${quoted(text)}`]),
    ...(body === undefined ? [] : differences(body, parsed(actual.text), "body")),
  ];
  // The body says why.
  return found.length === 0 ? [] : [...found, `(it replied ${actual.status} ${actual.text.slice(0, 500)})`];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Compares the provider calls of one run, in order. */
export function callDifferences(expected: readonly string[], actual: readonly string[]): readonly string[] {
  const is_same =
    expected.length === actual.length && expected.every((pattern, index) => fitsCall(pattern, actual[index] ?? ""));
  return is_same ? [] : [`it called ${quoted(actual)}, not ${quoted(expected)}`];
}

const keyOf = ({ vendor, collection, account, id }: ActualChange): string =>
  [vendor, collection, account, id].join("\n");

/** Returns what one run did: the changes that were not there before it, or are others now. */
export function changesSince(before: readonly ActualChange[], after: readonly ActualChange[]): readonly ActualChange[] {
  const known = new Map(before.map((one) => [keyOf(one), one]));
  return after.flatMap((one) => {
    const earlier = known.get(keyOf(one));
    if (earlier === undefined) return [one];
    if (JSON.stringify(earlier) === JSON.stringify(one)) return [];
    return [{ ...one, change: one.change === "deleted" ? "deleted" : "changed" }];
  });
}

/** Compares the changes of one run, in order. */
export function stateDifferences(
  expected: readonly ExpectedChange[],
  actual: readonly ActualChange[],
): readonly string[] {
  const places = actual.map(({ vendor, collection, change }) => `${change} ${vendor} ${collection}`);
  const wanted = expected.map(({ place, change }) => `${change} ${place}`);
  if (places.join("\n") !== wanted.join("\n")) return [`it ${quoted(places)}, not ${quoted(wanted)}`];
  return expected.flatMap((one, index) => {
    const found = actual[index];
    return found === undefined ? [] : changeDifferences(one, found);
  });
}

function changeDifferences(expected: ExpectedChange, actual: ActualChange): readonly string[] {
  const { place, data, holds, content } = expected;
  const text = actual.content?.text ?? null;
  const all = `${JSON.stringify(actual.data)}${text ?? ""}`;
  return [
    ...differences(data, actual.data, place),
    ...holds.filter((part) => !all.includes(part)).map((part) => `${place} has no ${quoted(part)}: ${all}`),
    ...(content === null || content === text
      ? []
      : [`the text of ${place} is ${quoted(text)}, not ${quoted(content)}`]),
  ];
}
