/** The fixtures: complete, without secrets, and of the same shape as the simulator's replies. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { record, type Reply } from "../application.ts";
import { liveReplies } from "./live.ts";
import { serviceIds } from "./service-app.ts";

const FOLDER = new URL("../../fixtures/", import.meta.url);

const isRecord = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Returns a value's keys and types without the values. The elements of an array become the set of
 * their shapes.
 */
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

const fixture = (id: string, file: string): Readonly<Record<string, unknown>> =>
  record(parsed(readFileSync(new URL(`${id}/${file}`, FOLDER), "utf8")));

const outline = (status: unknown, content_type: unknown, body: unknown) => ({
  status,
  content_type,
  body: shape(body),
});

const mediaType = ({ headers }: Reply): string | null => headers.get("content-type")?.split(";")[0] ?? null;

/** Returns every string below a member whose name marks it as a secret. */
function secrets(value: unknown, name = ""): string[] {
  if (typeof value === "string") return /(?:^|_)token$|secret|signature/.test(name) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => secrets(member, Array.isArray(value) ? name : key));
}

it("has one folder for each service", () => {
  expect(readdirSync(FOLDER).toSorted()).toEqual(serviceIds);
});

describe.each(serviceIds)("%s", (id) => {
  it("replies in the shapes of its fixtures, and has a fixture for each reply", async () => {
    const live = await liveReplies(id);
    const files = readdirSync(new URL(`${id}/`, FOLDER));
    expect(files.toSorted()).toEqual([...live.keys()].map((name) => `${name}.json`).toSorted());
    for (const [name, reply] of live) {
      const { status, content_type, body } = fixture(id, `${name}.json`);
      const now = outline(reply.status, mediaType(reply), parsed(reply.text));
      expect({ name, ...now }).toEqual({ name, ...outline(status, content_type, body) });
    }
  });

  it("has placeholders where secrets would be", () => {
    const files = readdirSync(new URL(`${id}/`, FOLDER));
    const found = files.flatMap((file) => secrets(fixture(id, file)["body"]));
    expect(found.filter((secret) => !secret.startsWith("example-"))).toEqual([]);
    // Each service has an access token somewhere, which proves that the search finds secrets.
    expect(found.length).toBeGreaterThan(0);
  });
});
