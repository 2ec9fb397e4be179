/** Calls of functions over HTTP: the methods that reach a function, and the app's switch. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

const ECHO = `
let calls = 0;
export default (request: Request) => {
  calls += 1;
  return new Response(null, { status: 200, headers: { "x-method": request.method, "x-calls": String(calls) } });
};
`;

async function ready(): Promise<TestServer> {
  const functions_dir = mkdtempSync(join(tmpdir(), "holdfast-functions-"));
  onTestFinished(() => rmSync(functions_dir, { recursive: true, force: true }));
  writeFileSync(join(functions_dir, "echo.ts"), ECHO);
  return startTestServer({ functions_dir });
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Sends a raw request, because fetch sends no TRACE. */
function call(
  { url, app }: TestServer,
  method: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/api/apps/${app.app_id}/functions/echo`, { method, headers }, (reply) => {
      reply.resume();
      reply.on("end", () => resolve({ status: reply.statusCode ?? 0, headers: reply.headers }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

it("reaches a function with every method except TRACE, whose refusal names the others", async () => {
  const holdfast = await ready();
  const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
  for (const method of methods) {
    const { status, headers } = await call(holdfast, method);
    expect([method, status, headers["x-method"]]).toEqual([method, 200, method]);
  }
  const traced = await call(holdfast, "TRACE", { cookie: "holdfast-session=x", "x-secret": "y" });
  expect(traced.status).toBe(405);
  expect(String(traced.headers["allow"]).split(", ")).toEqual(expect.arrayContaining(methods));
  expect(String(traced.headers["allow"])).not.toContain("TRACE");
  expect((await call(holdfast, "GET")).headers["x-calls"]).toBe(String(methods.length + 1));
});

it("replies to a preflight from another origin without calling the function", async () => {
  const holdfast = await ready();
  const preflight = { origin: "https://shop.example", "access-control-request-method": "POST" };
  const { status, headers } = await call(holdfast, "OPTIONS", preflight);
  expect([status, headers["access-control-allow-origin"], headers["x-method"]]).toEqual([204, "*", undefined]);
  expect(headers).not.toHaveProperty("access-control-allow-credentials");
  const allowed = String(headers["access-control-allow-headers"]).toLowerCase().split(", ");
  // What the public SDK sends from browsers, and any header of a function's own.
  const sent = "authorization content-type x-app-id x-origin-url x-base44-anonymous-id base44-functions-version *";
  expect(allowed).toEqual(expect.arrayContaining(sent.split(" ")));
  const called = await call(holdfast, "POST");
  expect(called.headers).toMatchObject({
    "x-calls": "1",
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "*",
  });
});

it("refuses to call functions of an app that has them off, and calls them when they are on again", async () => {
  const holdfast = await ready();
  const path = `/api/apps/${holdfast.app.app_id}/functions/echo`;
  const change = (functions_enabled: boolean) =>
    holdfast.manage("PATCH", `/api/management/apps/${holdfast.app.app_id}`, { json: { functions_enabled } });
  expect((await holdfast.request("POST", path)).status).toBe(200);
  await change(false);
  const refused = await holdfast.request("POST", path);
  expect([refused.status, refused.code]).toEqual([403, "functions_disabled"]);
  await change(true);
  expect((await holdfast.request("POST", path)).status).toBe(200);
});
