import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { callDifferences, changesSince, differences, replyDifferences, stateDifferences } from "./compare.ts";
import type { ActualChange } from "./compare.ts";
import type { ExpectedChange } from "./expected.ts";

const reply = { status: 200, headers: { "content-type": "text/plain" }, text: '{"a":1}' };
const expected_reply = { status: 200, headers: {}, body: { a: 1 }, text: null };

const made: ActualChange = {
  vendor: "slack",
  collection: "messages",
  account: "acme",
  id: "1",
  change: "created",
  data: { text: "hi", channel: "C1" },
  content: { text: "file" },
};
const change: ExpectedChange = {
  place: "slack messages",
  change: "created",
  data: { text: "hi" },
  holds: ["C1"],
  content: "file",
};

describe("a comparison", () => {
  it("finds no difference between equal values, and one in any other JSON value", () => {
    const value = fc.jsonValue().filter((one) => !/\{[a-z_]+\}/.test(JSON.stringify(one)));
    fc.assert(
      fc.property(value, value, (one, other) => {
        expect(differences(plain(one), plain(one), "it")).toEqual([]);
        fc.pre(!isPart(plain(one), plain(other)));
        expect(differences(plain(one), plain(other), "it")).not.toEqual([]);
      }),
    );
  });

  it.each([
    ["another value", { a: 1 }, { a: 2 }, ["it.a is 2, not 1"]],
    ["a missing member", { a: 1 }, { b: 1 }, ["it.a is nothing, not 1"]],
    ["null for a missing member", { a: null }, {}, ["it.a is nothing, not null"]],
    ["an array of another length", [1], [1, 2], ["it has 2 elements, not 1: [1,2]"]],
    ["an array for an object", { length: 0 }, [], ['it is [], not {"length":0}']],
    ["a number for its text", "1", 1, ['it is 1, not "1"']],
    ["an empty text for a pattern", "{id}", "", ['it is "", not "{id}"']],
    ["a text with more than the pattern", "C{id}", "xC1", ['it is "xC1", not "C{id}"']],
  ])("finds %s", (_name, expected, actual, found) => {
    expect(differences(expected, actual, "it")).toEqual(found);
  });

  it("matches a name in braces with any characters, and other characters literally", () => {
    expect(differences("<@U{id}> (a.b)", "<@U12> (a.b)", "it")).toEqual([]);
    expect(differences("<@U{id}> (a.b)", "<@U12> (axb)", "it")).toHaveLength(1);
  });
});

describe("a reply", () => {
  it("is equal if it has more headers and members", () => {
    expect(replyDifferences(expected_reply, { ...reply, text: '{"a":1,"b":2}' })).toEqual([]);
  });

  it.each([
    ["another status", { ...expected_reply, status: 201 }],
    ["another header", { ...expected_reply, headers: { "content-type": "text/html" } }],
    ["a missing header", { ...expected_reply, headers: { etag: "1" } }],
    ["another text", { ...expected_reply, text: "{}" }],
    ["another body", { ...expected_reply, body: { a: 2 } }],
  ])("differs by %s, and then shows its body", (_name, expected) => {
    const [found, body] = replyDifferences(expected, reply);
    expect([found, body]).toEqual([expect.any(String), '(it replied 200 {"a":1})']);
  });
});

describe("provider calls", () => {
  it("are equal in number and order, with one segment for each name in braces", () => {
    const expected = ["GET a.test/v1/{id}", "POST a.test/v1"];
    expect(callDifferences(expected, ["GET a.test/v1/7", "POST a.test/v1"])).toEqual([]);
    for (const actual of [
      ["POST a.test/v1", "GET a.test/v1/7"],
      ["GET a.test/v1/7"],
      ["GET a.test/v1/7", "POST a.test/v1", "POST a.test/v1"],
      ["GET a.test/v1/7/8", "POST a.test/v1"],
      ["GET a.test/v1/", "POST a.test/v1"],
      ["PUT a.test/v1/7", "POST a.test/v1"],
    ])
      expect(callDifferences(expected, actual)).toHaveLength(1);
  });
});

describe("changes", () => {
  it("are new objects, and objects modified since a given time", () => {
    const other = { ...made, id: "2" };
    expect(changesSince([made], [made, other])).toEqual([other]);
    const edited = { ...made, data: { text: "ho" } };
    expect(changesSince([made], [edited])).toEqual([{ ...edited, change: "changed" }]);
    expect(changesSince([made], [{ ...made, change: "deleted" }])).toEqual([{ ...made, change: "deleted" }]);
    expect(changesSince([made, other], [made, other])).toEqual([]);
  });

  it("are equal if they have more members", () => {
    expect(stateDifferences([change], [made])).toEqual([]);
  });

  it.each([
    ["one that was not expected", [], [made]],
    ["a missing one", [change], []],
    ["another collection", [change], [{ ...made, collection: "files" }]],
    ["another kind", [change], [{ ...made, change: "deleted" }]],
    ["other data", [change], [{ ...made, data: { text: "ho", channel: "C1" } }]],
    ["a missing part", [change], [{ ...made, data: { text: "hi" } }]],
    ["another content", [change], [{ ...made, content: { text: "other" } }]],
    ["no content", [change], [{ ...made, content: null }]],
  ])("differ by %s", (_name, expected, actual) => {
    expect(stateDifferences(expected, actual)).toHaveLength(1);
  });
});

/** Returns a value as it is after a trip through JSON: -0 is 0. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Reports whether every value of the first is in the second, where objects can have more. */
function isPart(one: unknown, other: unknown): boolean {
  if (typeof one !== "object" || one === null) return one === other;
  if (typeof other !== "object" || other === null || Array.isArray(one) !== Array.isArray(other)) return false;
  if (Array.isArray(one) && Array.isArray(other) && one.length !== other.length) return false;
  const members = new Map(Object.entries(other));
  return Object.entries(one).every(([name, value]) => members.has(name) && isPart(value, members.get(name)));
}
