import { createClient, type ConnectorApiRequest } from "@holdfast/sdk";
import { describe, expect, it } from "vitest";
import { rejection, startServer } from "./support/server.ts";

const responded = { success: true, phase: "responded", status_code: 200, data: { ok: true } };

async function setUp(body: unknown = responded, status = 200) {
  const server = await startServer({ body, status });
  const client = createClient({ serverUrl: server.url, appId: "app-1", serviceToken: "s1" });
  return { ...server, connectors: client.asServiceRole.connectors };
}

describe("the request", () => {
  it.each<[string, ConnectorApiRequest, object]>([
    [
      "fills in the defaults, and omits an unset host",
      { path: "/me" },
      { method: "GET", path: "/me", query: {}, headers: {}, body: null },
    ],
    [
      "omits a null host as well",
      { path: "/me", host: null },
      { method: "GET", path: "/me", query: {}, headers: {}, body: null },
    ],
    [
      "passes on all fields",
      {
        method: "PATCH",
        host: "places",
        path: "/a/b?c=d",
        query: { text: "x", count: 1, flag: false, list: ["a", 2] },
        headers: { "X-Goog-FieldMask": "id" },
        body: { deep: [1, null] },
      },
      {
        method: "PATCH",
        host: "places",
        path: "/a/b?c=d",
        query: { text: "x", count: 1, flag: false, list: ["a", 2] },
        headers: { "X-Goog-FieldMask": "id" },
        body: { deep: [1, null] },
      },
    ],
    [
      "keeps a body that is false",
      { method: "POST", path: "/", body: false },
      { method: "POST", path: "/", query: {}, headers: {}, body: false },
    ],
  ])("%s", async (_claim, request, wire) => {
    const { connectors, seen } = await setUp();
    await connectors.callApi("x", request);
    expect(seen).toMatchObject([{ method: "POST", url: "/api/apps/app-1/connectors/x/call" }]);
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual(wire);
  });

  it.each(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] as const)("can be a %s", async (method) => {
    const { connectors, seen } = await setUp();
    await connectors.callApi("x", { method, path: "/" });
    expect(JSON.parse(seen[0]?.body ?? "")).toMatchObject({ method });
  });

  /** As JSON, because the types would not allow them. Untyped callers have no such check. */
  it.each([
    ["null", "Request must be an object"],
    ['"GET /"', "Request must be an object"],
    ["[]", "Request must be an object"],
    ["{}", "Request path must be a non-empty string"],
    ['{"path":7}', "Request path must be a non-empty string"],
    ['{"path":"me"}', "must start with a single /"],
    ['{"path":"https://evil.example/"}', "must not be an absolute address"],
    ['{"path":"//evil.example/"}', "must not be an absolute address"],
    ['{"path":"/\\\\evil.example/"}', "must not be an absolute address"],
    ['{"path":"/\\t/evil.example/"}', "must not be an absolute address"],
    ['{"path":"/","method":"get"}', "Request method must be one of GET, POST, PUT, PATCH, DELETE, HEAD"],
    ['{"path":"/","method":"TRACE"}', "Request method must be one of"],
    ['{"path":"/","method":null}', "Request method must be one of"],
    ['{"path":"/","host":""}', "Request host must be a non-empty string"],
    ['{"path":"/","host":7}', "Request host must be a non-empty string"],
  ])("is rejected before it is sent: %s", async (json, message) => {
    const { connectors, seen } = await setUp();
    const error = await rejection(connectors.callApi("x", JSON.parse(json)));
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain(message);
    expect(seen).toEqual([]);
  });
});

describe("the result", () => {
  const empty = { status: null, data: null, dataBase64: null, contentType: null, headers: {}, creditsCharged: 0 };
  it.each<[string, object, object]>([
    ["fills in missing fields", { success: true, phase: "responded" }, { success: true, phase: "responded", ...empty }],
    [
      "has all fields of the reply",
      { ...responded, headers: { "x-rate-limit-remaining": "9" }, credits_charged: 0.25 },
      {
        ...empty,
        success: true,
        phase: "responded",
        status: 200,
        data: { ok: true },
        headers: { "x-rate-limit-remaining": "9" },
        creditsCharged: 0.25,
      },
    ],
    [
      "has a binary body",
      { ...responded, data: null, data_base64: "aGk=", content_type: "image/png" },
      { ...empty, success: true, phase: "responded", status: 200, dataBase64: "aGk=", contentType: "image/png" },
    ],
    [
      "is a value, not an exception, when the vendor refuses",
      {
        success: false,
        phase: "responded",
        status_code: 429,
        data: { title: "Too Many Requests" },
        credits_charged: 1,
      },
      {
        ...empty,
        success: false,
        phase: "responded",
        status: 429,
        data: { title: "Too Many Requests" },
        creditsCharged: 1,
      },
    ],
    ...["not_sent", "timed_out", "sent_unconfirmed"].map((phase): [string, object, object] => [
      `reports phase ${phase}`,
      { success: false, phase, status_code: null, data: { error: "…" } },
      { ...empty, success: false, phase, data: { error: "…" } },
    ]),
  ])("%s", async (_claim, wire, result) => {
    const { connectors } = await setUp(wire);
    expect(await connectors.callApi("x", { path: "/" })).toEqual(result);
  });

  it.each([{}, { success: "yes", phase: "responded" }, { success: true, phase: "maybe" }, "<html></html>"])(
    "is an error if the reply is %j",
    async (body) => {
      const { connectors } = await setUp(body);
      await expect(connectors.callApi("x", { path: "/" })).rejects.toMatchObject({ code: "invalid_response" });
    },
  );

  it("is an error, with its reason, if the server itself refuses", async () => {
    const { connectors } = await setUp(
      { message: "No credits left", extra_data: { reason: "integration_credits_limit_reached" } },
      402,
    );
    await expect(connectors.callApi("x", { path: "/" })).rejects.toMatchObject({
      status: 402,
      message: "No credits left",
      extraData: { reason: "integration_credits_limit_reached" },
    });
  });
});
