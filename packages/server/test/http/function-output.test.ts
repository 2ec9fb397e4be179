/** What a function prints and throws, as its caller and its log see it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { until } from "../support/clock.ts";
import { asList, type Json } from "../support/http.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const FUNCTIONS: Readonly<Record<string, string>> = {
  leak: `
import { createClientFromRequest } from "npm:@holdfast/sdk";
export default async (request: Request) => {
  const { accessToken } = await createClientFromRequest(request).asServiceRole.connectors.getConnection("slack");
  console.log("whole", accessToken);
  console.log("object", { accessToken });
  console.log("first " + accessToken.slice(0, 10));
  console.log(accessToken.slice(10));
  console.log("basic " + btoa("user:" + accessToken));
  console.log(request.headers.get("base44-service-authorization"));
  console.log("end of leak");
  return Response.json({ token: accessToken });
};`,
  disconnected: `
import { createClientFromRequest } from "npm:@holdfast/sdk";
interface Unused { field: string }
export default async (request: Request) => {
  await createClientFromRequest(request).asServiceRole.connectors.getConnection("slack");
  return new Response();
};`,
  user: `
import { createClientFromRequest } from "npm:@base44/sdk";
export default async (request: Request) => Response.json(await createClientFromRequest(request).auth.me());
`,
  caught: `
import { createClientFromRequest } from "npm:@base44/sdk";
export default async (request: Request) => {
  const { asServiceRole } = createClientFromRequest(request);
  const errors = [() => asServiceRole.functions.invoke("boom", {}), () => asServiceRole.connectors.getConnection("slack")];
  const kept = [];
  for (const call of errors) {
    try {
      await call();
    } catch (error) {
      console.error("failed", error);
      kept.push(Object.keys(error), Object.keys(error.response ?? {}));
    }
  }
  console.log("end of caught");
  return Response.json({ names: kept.flat() });
};`,
  boom: `export default () => { throw new Error("boom at https://evil.example"); };`,
};

async function ready(): Promise<TestServer> {
  const functions_dir = mkdtempSync(join(tmpdir(), "holdfast-functions-"));
  onTestFinished(() => rmSync(functions_dir, { recursive: true, force: true }));
  for (const [name, code] of Object.entries(FUNCTIONS)) writeFileSync(join(functions_dir, `${name}.ts`), code);
  return startTestServer({ functions_dir });
}

const call = (holdfast: TestServer, name: string, headers: Readonly<Record<string, string>> = {}) =>
  holdfast.request("POST", `/api/apps/${holdfast.app.app_id}/functions/${name}`, { json: {}, headers });

async function recordsOf(holdfast: TestServer, part: string): Promise<readonly Json[]> {
  return until(`a record has ${part}`, async () => {
    const reply = await holdfast.manage("GET", `/api/management/apps/${holdfast.app.app_id}/logs?order=asc`);
    const records = asList(reply.json["records"]);
    return records.some(({ message }) => String(message).includes(part)) ? records : null;
  });
}

it("keeps the access tokens of an invocation out of the log, whole, split or encoded, and its own token", async () => {
  const holdfast = await ready();
  await holdfast.connect("slack");
  const token = await holdfast.accessToken("slack");
  const reply = await call(holdfast, "leak", { "x-request-id": "req-leak" });
  expect(reply.json["token"]).toBe(token);
  const records = await recordsOf(holdfast, "end of leak");
  expect(records.map(({ message }) => message)).toEqual([
    "whole [redacted]",
    'object {\n  accessToken: "[redacted]"\n}',
    "first [redacted]",
    "[redacted]",
    expect.stringMatching(/^basic \S{4,12}\[redacted\]\S{0,4}$/),
    "Bearer [redacted]",
    "end of leak",
  ]);
  expect(records[0]).toMatchObject({ function_name: "leak", request_id: "req-leak", level: "info" });
  expect(JSON.stringify(holdfast.log)).not.toContain(token);
});

it("passes an uncaught error of an SDK to the caller with its code, status, message and link", async () => {
  const holdfast = await ready();
  await holdfast.connect("slack");
  await holdfast.manage("DELETE", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/slack`);
  const reply = await call(holdfast, "disconnected", { "x-request-id": "req-gone", accept: "text/html" });
  expect([reply.status, reply.code]).toEqual([409, "connection_disconnected"]);
  const link = `${holdfast.config.public_url}/apps/${holdfast.app.app_id}/connect/slack`;
  expect(reply.extra["reconnect_url"]).toBe(link);
  const { message } = reply.json;
  expect(message).toMatch(/disconnected/);
  expect(reply.json).toMatchObject({ error: message, detail: message, request_id: "req-gone" });
  const [record, ...others] = await recordsOf(holdfast, "HoldfastError");
  expect(others).toEqual([]);
  expect(record).toMatchObject({ level: "error", request_id: "req-gone" });
  expect(record?.["message"]).toContain("disconnected.ts:5:");
});

it("passes on a Base44Error, whose 401 does not count as a refused credential of the caller", async () => {
  const holdfast = await ready();
  const reply = await call(holdfast, "user");
  expect(reply.status).toBe(401);
  expect(reply.headers.has("www-authenticate")).toBe(false);
  expect(typeof reply.json["error"]).toBe("string");
  expect(reply.json["error"]).toBe(reply.json["message"]);
  const [record] = await recordsOf(holdfast, "Base44Error");
  expect(record?.["message"]).toContain("status: 401");
  // The HTTP client's error has the request and the response, and would hide the rest.
  expect(record?.["message"]).not.toContain("originalError");
});

it("logs errors of HTTP calls that a function caught without the client's settings, and leaves them as they were", async () => {
  const holdfast = await ready();
  const reply = await call(holdfast, "caught");
  for (const name of ["config", "request", "headers", "originalError"]) expect(reply.json["names"]).toContain(name);
  const logged = (await recordsOf(holdfast, "end of caught")).map(({ message }) => String(message));
  const failures = logged.filter((message) => message.startsWith("failed"));
  expect(failures).toHaveLength(2);
  expect(failures[0]).toContain('code: "function_error"');
  expect(failures[1]).toContain('code: "not_connected"');
  for (const message of failures) {
    expect(message).toContain("caught.ts:");
    expect(message).not.toMatch(/transformRequest|originalError|access-control/);
    expect(message.split("\n").length).toBeLessThan(35);
  }
});

it("keeps any other error in the log, and gives each failed call an error text", async () => {
  const holdfast = await ready();
  const reply = await call(holdfast, "boom");
  expect([reply.status, reply.code]).toEqual([502, "function_error"]);
  expect(reply.text).not.toContain("evil.example");
  const missing = await call(holdfast, "none");
  expect([missing.status, missing.json["error"]]).toEqual([404, missing.json["message"]]);
  const other = await holdfast.request("GET", "/api/apps/app_none/external-auth/tokens/slack");
  expect(other.json).not.toHaveProperty("error");
});
