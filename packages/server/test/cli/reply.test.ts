/** How commands read a reply: what a server of another version can change, and what they refuse. */
import { Value } from "typebox/value";
import { expect, it } from "vitest";
import { REPLIES } from "../../src/cli/remote/replies.ts";
import { readReply, UnexpectedReply } from "../../src/cli/remote/reply.ts";

const CONNECTOR = {
  integration_type: "slack",
  status: "active",
  scopes: ["chat:write"],
  user_email: "ada@example.com",
  missing_scopes: [],
  reason: null,
  account_label: "Ada",
};
const APP = { id: "app_1", name: "shop", created_at: 1_700_000_000_000 };

it("drops the fields that it does not know", () => {
  const reply = { apps: [{ ...APP, color: "blue" }], next: "cursor" };
  expect(readReply("apps", reply)).toEqual({ apps: [APP] });
});

it("reads a missing nullable field as null, and leaves out an optional field that is null", () => {
  const { reason: _reason, ...rest } = CONNECTOR;
  const { integrations } = readReply("connectors", { integrations: [{ ...rest, user_email: null }] });
  const { user_email: _email, ...expected } = CONNECTOR;
  expect(integrations).toEqual([expected]);
});

it("accepts a value that a newer server has added to a list of literals", () => {
  const { integrations } = readReply("connectors", { integrations: [{ ...CONNECTOR, status: "paused" }] });
  expect(integrations.map(({ status }) => status)).toEqual(["paused"]);
});

it.each([
  ["another type", { apps: [{ ...APP, id: 7 }] }, "the reply.apps[0].id is not a string"],
  ["a missing field", { apps: [{ id: "app_1", created_at: 1 }] }, "the reply.apps[0].name is not a string"],
  ["a date that does not exist", { apps: [{ ...APP, created_at: 1e17 }] }, /created_at is not a number from 0 to/],
  ["no list", { apps: {} }, "the reply.apps is not an array"],
  ["no document", undefined, "the reply is not an object"],
])("refuses %s, and names the place", (_name, reply, message) => {
  expect(() => readReply("apps", reply)).toThrow(UnexpectedReply);
  expect(() => readReply("apps", reply)).toThrow(message);
});

it("refuses a duration that is not a whole number of seconds above 0", () => {
  const tokens = { access_token: "a", refresh_token: "r", expires_in: 3600 };
  expect(readReply("oauth_tokens", { ...tokens, token_type: "Bearer" })).toEqual(tokens);
  for (const expires_in of [0, -1, 1.5, "3600"])
    expect(() => readReply("oauth_tokens", { ...tokens, expires_in })).toThrow(
      /expires_in is not a whole number from 1/,
    );
});

it("reads an object whose names are data, and any value where a schema allows any", () => {
  expect(readReply("secrets", { KEY: "***", OTHER: "***" })).toEqual({ KEY: "***", OTHER: "***" });
  expect(() => readReply("secrets", { KEY: 7 })).toThrow("the reply.KEY is not a string");
  expect(() => readReply("secrets", [])).toThrow("the reply is not an object");
  const hello = { name: "hello", deployment_id: "fnv_1", entry: "entry.ts", files: [], automations: [{ any: [1] }] };
  // A server of an older version does not return the number.
  expect(readReply("functions", { functions: [hello] })).toEqual({ functions: [{ ...hello, version: null }] });
});

it("can read every schema of the list", () => {
  for (const [name, schema] of Object.entries(REPLIES)) {
    const value: unknown = Value.Create(schema);
    expect({ name, value: readAny(name, value) }).toEqual({ name, value });
  }
});

function readAny(name: string, value: unknown): unknown {
  const known = Object.keys(REPLIES).find((one): one is keyof typeof REPLIES => one === name);
  return known === undefined ? undefined : readReply(known, value);
}
