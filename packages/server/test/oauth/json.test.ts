import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeUtf8, parseJson } from "../../src/net/json.ts";

describe("parseJson", () => {
  it.each([
    '{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}',
    '{"a":"b","b":"a:{}[]\\"a\\":"}',
    '{"":1," ":2}',
    "[[],{},null,true,-1.5e3]",
    '"text"',
    "[".repeat(32) + "]".repeat(32),
  ])("parses %s as JSON.parse does", (text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  it.each([
    '{"a":1,"a":1}',
    '{"x":{"a":1,"b":[{}],"a":2}}',
    '{"a":1,"\\u0061":2}',
    '{"a" : 1 , "a" : 2}',
    "[".repeat(33) + "]".repeat(33),
    "[".repeat(200_000),
    '{"a":',
    "",
    "NaN",
    "{'a':1}",
    '{"a":1}}',
    '\uFEFF{"a":1}',
    '"\\',
  ])("rejects %j", (text) => {
    expect(parseJson(text)).toBeUndefined();
  });

  it("law: reads back everything that JSON.stringify writes, unless it is too deep", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), (value) => {
        expect(parseJson(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("law: rejects an object with a duplicate name, at any depth", () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue({ maxDepth: 2 }), fc.jsonValue({ maxDepth: 2 }), (name, first, second) => {
        const key = JSON.stringify(name);
        const duplicate = `{${key}:${JSON.stringify(first)},${key}:${JSON.stringify(second)}}`;
        expect(parseJson(duplicate)).toBeUndefined();
        expect(parseJson(`[1,{"outer":${duplicate}}]`)).toBeUndefined();
      }),
    );
  });
});

describe("decodeUtf8", () => {
  it("keeps a byte order mark for the parser to reject, and rejects bytes that are not UTF-8", () => {
    expect(decodeUtf8(Buffer.from("\uFEFFé"))).toBe("\uFEFFé");
    expect(decodeUtf8(Buffer.from([0xc3]))).toBeNull();
    expect(decodeUtf8(Buffer.alloc(0))).toBe("");
  });
});
