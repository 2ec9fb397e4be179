import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { reportedFailure } from "../../src/runner/failures.ts";
import { createRedactor } from "../../src/runner/redact.ts";

const SECRET = "a-secret-of-the-app";
const ORIGIN = "https://connect.example";
const redactor = createRedactor({ KEY: SECRET });

const EXPIRED = {
  message: "The connection needs a new consent.",
  status: 409,
  code: "connection_expired",
  reason: "refresh_rejected",
  reconnect_url: `${ORIGIN}/apps/app_1/connect/slack`,
};

async function read(body: unknown) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const failed = { function_name: "report", redactor, public_url: ORIGIN };
  const error = await reportedFailure(Readable.from([Buffer.from(text)]), "handler", failed);
  return { status: error.status, message: error.message, ...error.options };
}

describe("an error of an SDK that a function did not handle", () => {
  it("passes its code, status, message, reason and link to the caller", async () => {
    expect(await read(EXPIRED)).toEqual({
      status: 409,
      message: EXPIRED.message,
      reason: "refresh_rejected",
      reconnect_url: EXPIRED.reconnect_url,
      thrown: { code: "connection_expired", status: 409 },
    });
  });

  it.each([0, 200, 302, 600, 409.5, "409", null])("has the status 502 instead of %j", async (status) => {
    expect(await read({ ...EXPIRED, status })).toMatchObject({ status: 502 });
  });

  it.each([null, 5, "", "two words", "x".repeat(65), "<b>", "1st"])("has no code %j", async (code) => {
    expect(await read({ ...EXPIRED, code })).toMatchObject({ thrown: { code: "function_error" } });
  });

  it.each([
    "https://evil.example/apps/app_1/connect/slack",
    "https://connect.example.evil.example/",
    "https://user@connect.example/",
    "http://connect.example/",
    "javascript:alert(1)",
    "/apps",
    `${ORIGIN}/${"x".repeat(3_000)}`,
    7,
  ])("has no link %j", async (reconnect_url) => {
    expect(await read({ ...EXPIRED, reconnect_url })).not.toHaveProperty("reconnect_url");
  });

  it("has a message without secrets, terminal codes, or more than a thousand characters", async () => {
    const message = `key ${SECRET} \u001b[31m${"x".repeat(2_000)}`;
    const error = await read({ ...EXPIRED, message });
    expect(error.message).toMatch(/^key \[redacted\] x+$/);
    expect(error.message).toHaveLength(1_000);
  });

  it("passes no other field", async () => {
    expect(JSON.stringify(await read({ ...EXPIRED, headers: { "set-cookie": "a" }, data: SECRET }))).not.toMatch(
      /set-cookie|headers|data|secret/,
    );
  });

  it.each([
    ["no body", ""],
    ["no JSON", "{"],
    ["no object", "[1]"],
    ["a long body", "x".repeat(100_000)],
  ])("is unknown with %s", async (_name, body) => {
    const message = "The function report threw an error before it responded. Its log has the error.";
    expect(await read(body)).toEqual({ status: 502, message });
  });
});
