/** The fixtures: complete, without secrets, and of the same shape as what the simulator answers. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { record, type Reply } from "../application.ts";
import { liveAnswers } from "./live.ts";
import { serviceIds } from "./visit.ts";

const FOLDER = new URL("../../fixtures/", import.meta.url);

const isRecord = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

/** A value's keys and types, without the values; the elements of an array as the set of their shapes. */
function shape(value: unknown): unknown {
  if (Array.isArray(value))
    return [...new Set(value.map((member: unknown) => JSON.stringify(shape(member))))].toSorted();
  if (!isRecord(value)) return value === null ? "null" : typeof value;
  const entries = Object.entries(record(value)).map(([name, member]): [string, unknown] => [name, shape(member)]);
  return Object.fromEntries(entries.toSorted(([one], [other]) => one.localeCompare(other)));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const kept = (id: string, file: string): Readonly<Record<string, unknown>> =>
  record(parsed(readFileSync(new URL(`${id}/${file}`, FOLDER), "utf8")));

const outline = (status: unknown, content_type: unknown, body: unknown) => ({
  status,
  content_type,
  body: shape(body),
});

const mediaType = ({ headers }: Reply): string | null => headers.get("content-type")?.split(";")[0] ?? null;

/** Every string below a member whose name says that it is a secret. */
function secrets(value: unknown, name = ""): string[] {
  if (typeof value === "string") return /(?:^|_)token$|secret|signature/.test(name) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => secrets(member, Array.isArray(value) ? name : key));
}

it("has one folder for each service", () => {
  expect(readdirSync(FOLDER).toSorted()).toEqual(serviceIds);
});

describe.each(serviceIds)("%s", (id) => {
  it("answers in the shapes of its fixtures, and has a fixture for each answer", async () => {
    const live = await liveAnswers(id);
    const files = readdirSync(new URL(`${id}/`, FOLDER));
    expect(files.toSorted()).toEqual([...live.keys()].map((name) => `${name}.json`).toSorted());
    for (const [name, reply] of live) {
      const { status, content_type, body } = kept(id, `${name}.json`);
      const now = outline(reply.status, mediaType(reply), parsed(reply.text));
      expect({ name, ...now }).toEqual({ name, ...outline(status, content_type, body) });
    }
  });

  it("has placeholders where secrets would be", () => {
    const files = readdirSync(new URL(`${id}/`, FOLDER));
    const found = files.flatMap((file) => secrets(kept(id, file)["body"]));
    expect(found.filter((secret) => !secret.startsWith("example-"))).toEqual([]);
    // Each service has an access token somewhere, so the search is known to find them.
    expect(found.length).toBeGreaterThan(0);
  });
});
