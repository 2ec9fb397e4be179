/** To hostile input the simulator replies as an API does, and never with HTTP 500. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseFilter, passes } from "../../src/apis/kit/filter.ts";
import { execute, GraphqlError } from "../../src/apis/kit/graphql.ts";
import { applyMask, parseMask } from "../../src/apis/kit/mask.ts";
import { multipart, parseMessage } from "../../src/apis/kit/mime.ts";
import { parseRange } from "../../src/apis/google/a1.ts";
import { aliasCalls, HEADERS, mainCalls, type ApiCall } from "./calls.ts";
import { simulation } from "../application.ts";
import { appAt } from "../vendors/service-app.ts";
import { send } from "./api.ts";

const DEEP = `${"[".repeat(5000)}${"]".repeat(5000)}`;
const NESTED = `${'{"properties":'.repeat(60)}1${"}".repeat(60)}`;

/** Bodies that are wrong in a way of their own. */
const BODIES: readonly (readonly [string, string])[] = [
  ["application/json", ""],
  ["application/json", "null"],
  ["application/json", "[]"],
  ["application/json", "{"],
  ["application/json", DEEP],
  ["application/json", NESTED],
  ["application/json", '{"__proto__":{"x":1},"constructor":{"prototype":1},"toString":1}'],
  [
    "application/json",
    '{"properties":[],"fields":[],"records":[1,null],"filter":{"and":[1]},"inputs":[null],"requests":[{"insertText":1}]}',
  ],
  [
    "application/json",
    '{"properties":{"constructor":{"title":[1]}},"parent":{"page_id":1},"children":[null,{}],"sorts":[{}]}',
  ],
  [
    "application/json",
    '{"requests":[{"constructor":{}}],"values":[[{}]],"raw":1,"message":1,"start":1,"end":{},"path":{}}',
  ],
  [
    "application/json",
    '{"query":"query ($a: X) { issues(filter: $a) { nodes { constructor } } }","variables":{"a":{"constructor":{"eq":1}}}}',
  ],
  [
    "application/json",
    '{"filterGroups":[{"filters":[{"propertyName":"__proto__","operator":"constructor"}]}],"limit":-1}',
  ],
  ["multipart/related; boundary=", "--\r\n\r\n--"],
  ["multipart/related; boundary=b", "--b\r\n\r\n{\r\n--b\r\n\r\nx\r\n--b--"],
  ["text/plain", "\u0000\uffff"],
  ["application/octet-stream", "\u0000"],
];

const QUERIES = [
  "",
  "?q=%00&fields=((&pageSize=1e9&pageToken=-1&uploadType=multipart&maxResults=NaN",
  "?q='&$filter=((((&$top=x&$skip=-1&limit=0&after=x&filterByFormula=%7B&fields=constructor",
  "?q=SELECT%20constructor%20FROM%20Account%20WHERE%20__proto__%20%3D%201&sort[0][field]=__proto__&uploadType=media",
];

/** Returns the queries and bodies to which a call replies with HTTP 500 or above. */
async function failures({ call, service, scopes }: ApiCall): Promise<readonly string[]> {
  const simulator = await simulation();
  const { access } = await appAt(simulator, service).connect({}, scopes);
  const failed: string[] = [];
  const bodies = call.startsWith("GET ") ? BODIES.slice(0, 1) : BODIES;
  for (const query of QUERIES) {
    for (const [type, raw] of bodies) {
      const headers = { ...HEADERS, "content-type": type, "dropbox-api-arg": '{"path":"/x"}' };
      const reply = await send(simulator, access, `${call}${query}`, raw === "" ? { headers } : { headers, raw });
      if (reply.status >= 500) failed.push(`${query} ${raw.slice(0, 80)}: ${reply.text}`);
    }
  }
  return failed;
}

describe("every API call", () => {
  it.each(mainCalls)("replies below HTTP 500 to a wrong body or query: $name", async (call) => {
    expect(await failures(call)).toEqual([]);
  });

  it.each(aliasCalls)("replies below HTTP 500 to a wrong body or query: $name", { tags: "all" }, async (call) => {
    expect(await failures(call)).toEqual([]);
  });
});

const LANGUAGE = { operators: { "=": () => true, contains: () => true }, functions: { len: () => 1 } };
const NODES = { query: { a: { __typename: "A", b: 1 }, c: [1] }, mutation: {} };
const words = (...parts: readonly string[]) =>
  fc.array(fc.constantFrom(...parts), { maxLength: 40 }).map((all) => all.join(""));

describe("the readers of text", () => {
  it("read any filter or refuse it", () => {
    const filters = fc.oneof(
      fc.string(),
      words("(", ")", "and ", "or ", "not ", "x", " = ", "'a'", "len(", ",", " contains ", "{f}", "1"),
    );
    expect(
      fc.check(
        fc.property(filters, (text) => {
          const filter = parseFilter(text, LANGUAGE);
          return filter === null || typeof passes(filter, LANGUAGE, () => null) === "boolean";
        }),
      ),
    ).toMatchObject({ failed: false });
  });

  it("run any GraphQL or refuse it with a GraphqlError", () => {
    const queries = fc.oneof(
      fc.string(),
      words(
        "{",
        "}",
        "a ",
        "b ",
        "c ",
        "(",
        ")",
        "x: ",
        "$v ",
        "...",
        "on A ",
        "query ",
        '"s"',
        "fragment ",
        "[",
        "]",
        "@skip(if: true) ",
      ),
    );
    expect(
      fc.check(
        fc.property(queries, (query) => {
          try {
            execute({ query, variables: {}, operation: "" }, NODES);
          } catch (error) {
            return error instanceof GraphqlError;
          }
          return true;
        }),
      ),
    ).toMatchObject({ failed: false });
  });

  it("apply any mask or refuse it, and keep nothing that it does not name", () => {
    expect(
      fc.check(
        fc.property(fc.oneof(fc.string(), words("a", "b", "/", "(", ")", ",", "*")), fc.jsonValue(), (text, value) => {
          const mask = parseMask(text);
          const kept = mask === null ? null : JSON.stringify(applyMask(JSON.parse(JSON.stringify(value)), mask));
          return kept === null || kept.length <= JSON.stringify(value).length;
        }),
      ),
    ).toMatchObject({ failed: false });
  });

  it("read any bytes as a message and as a multipart body", () => {
    expect(
      fc.check(
        fc.property(fc.uint8Array({ maxLength: 400 }), fc.string(), (bytes, type) => {
          multipart(type, bytes);
          return parseMessage(bytes).body.length <= bytes.length * 3;
        }),
      ),
    ).toMatchObject({ failed: false });
  });

  it("read any range or refuse it, and never one that ends before it begins", () => {
    const ranges = fc.oneof(fc.string(), words("A", "1", ":", "!", "'", "$", "Z", "S"));
    expect(
      fc.check(
        fc.property(ranges, (text) => {
          const range = parseRange(text, ["S"]);
          return (
            range === null ||
            ((range.last_row ?? Infinity) >= range.row && (range.last_column ?? Infinity) >= range.column)
          );
        }),
      ),
    ).toMatchObject({ failed: false });
  });
});
