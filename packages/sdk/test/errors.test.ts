import { Base44Error, createClient, HoldfastError } from "@holdfast/sdk";
import { describe, expect, it } from "vitest";
import { rejection, type Reply, startServer } from "./support/server.ts";

async function refusal(reply: Reply) {
  const { url, seen } = await startServer(reply);
  const client = createClient({ serverUrl: url, appId: "app-1", token: "user-token", serviceToken: "service-token" });
  const error = await rejection(client.asServiceRole.connectors.getConnection("slack"));
  if (!(error instanceof HoldfastError)) throw new Error("not a HoldfastError", { cause: error });
  return { error, url, seen };
}

const all = { error: { message: "nested", code: "NESTED" }, message: "message", detail: "detail", code: "CODE" };
const header = { "x-base44-connector-error": "HEADER" };

describe("message and code come from the first field that has one", () => {
  it.each<[string, Reply, { message?: string; code: string | undefined }]>([
    ["error.message and error.code", { body: all, headers: header }, { message: "nested", code: "NESTED" }],
    ["then message and code", { body: { ...all, error: {} }, headers: header }, { message: "message", code: "CODE" }],
    [
      "then detail and the header",
      { body: { detail: "detail" }, headers: header },
      { message: "detail", code: "HEADER" },
    ],
    ["an error that is a string is ignored", { body: { error: "e", detail: "d" } }, { message: "d", code: undefined }],
    ["empty strings are skipped", { body: { message: "", detail: "d", code: "" } }, { message: "d", code: undefined }],
    ["other types are skipped", { body: { message: {}, detail: "d", code: 7 } }, { message: "d", code: undefined }],
    ["nested and flat fields mix", { body: { error: { code: "N" }, message: "m" } }, { message: "m", code: "N" }],
    ["a text body is not a message", { body: "upstream connect error", headers: header }, { code: "HEADER" }],
    ["an empty body", {}, { code: undefined }],
    ["a JSON array", { body: ["x"] }, { code: undefined }],
    ["JSON null", { body: "null" }, { code: undefined }],
  ])("%s", async (_claim, reply, { message, code }) => {
    const { error, url } = await refusal({ status: 418, ...reply });
    const generic = `GET ${url}/api/apps/app-1/external-auth/tokens/slack returned status 418 without a message`;
    expect({ message: error.message, code: error.code }).toEqual({ message: message ?? generic, code });
    expect(error.status).toBe(418);
  });

  it.each([
    [
      [{ loc: ["body", "scopes", 0], msg: "field required" }, { msg: "too long" }],
      "body.scopes.0: field required; too long",
    ],
    [["first", "second"], "first; second"],
    [[{ name: "scopes", message: "unknown scope" }], "unknown scope"],
    [{ message: "one object" }, "one object"],
  ])("a list in detail becomes text: %j", async (detail, message) => {
    const { error } = await refusal({ status: 422, body: { detail } });
    expect(error.message).toBe(message);
  });

  it.each([[[{ a: 1 }]], [{ a: 1 }], [[]], [7]])("a detail without text is skipped: %j", async (detail) => {
    const { error } = await refusal({ status: 422, body: { detail } });
    expect(error.message).toContain("returned status 422 without a message");
  });
});

describe("data, requestId, extraData and retryable", () => {
  it("has the parsed body, or the text, or nothing", async () => {
    const body = { message: "m", code: "c", extra_data: { reason: "r" }, more: [1] };
    expect((await refusal({ status: 400, body })).error).toMatchObject({ data: body, extraData: { reason: "r" } });
    expect((await refusal({ status: 502, body: "Bad gateway" })).error).toMatchObject({ data: "Bad gateway" });
    expect((await refusal({ status: 502 })).error).toMatchObject({ data: undefined, extraData: undefined });
  });

  it("takes the request id from the header, or else from the body", async () => {
    const body = { request_id: "from-body" };
    expect((await refusal({ status: 400, body })).error.requestId).toBe("from-body");
    const headers = { "X-Request-ID": "from-header" };
    expect((await refusal({ status: 400, body, headers })).error.requestId).toBe("from-header");
    expect((await refusal({ status: 400 })).error.requestId).toBeUndefined();
  });

  it.each([
    [503, undefined, true],
    [502, { message: "m" }, true],
    [504, undefined, true],
    [429, undefined, true],
    [503, { retryable: false }, false],
    [409, { retryable: true }, true],
    [409, { retryable: "true" }, false],
    [500, undefined, false],
    [404, undefined, false],
  ])("a GET refused with %i and %j: retryable is %j", async (status, body, retryable) => {
    expect((await refusal({ status, body })).error.retryable).toBe(retryable);
  });

  it("does not report a POST as retryable unless the server does", async () => {
    const { url } = await startServer({ status: 503 });
    const { connectors } = createClient({ serverUrl: url, appId: "a", serviceToken: "s" }).asServiceRole;
    await expect(connectors.callApi("x", { path: "/" })).rejects.toMatchObject({ status: 503, retryable: false });
  });
});

describe("the error object", () => {
  it("is an Error, and also exported as Base44Error", async () => {
    const { error } = await refusal({ status: 404, body: { message: "m" } });
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(Base44Error);
    expect(String(error)).toBe("HoldfastError: m");
  });

  it("serializes to JSON with its message, and without any token", async () => {
    const { error } = await refusal({ status: 404, body: { message: "m", code: "c", request_id: "r" } });
    const printed = JSON.stringify(error);
    expect(JSON.parse(printed)).toEqual({
      name: "HoldfastError",
      message: "m",
      status: 404,
      code: "c",
      data: { message: "m", code: "c", request_id: "r" },
      requestId: "r",
      retryable: false,
    });
    expect(printed + error.stack).not.toMatch(/user-token|service-token/);
  });
});

describe("redirects", () => {
  it("are errors and are not followed, so they expose no tokens", async () => {
    const target = await startServer();
    const { error } = await refusal({ status: 307, headers: { location: `${target.url}/` } });
    expect(error).toMatchObject({ status: 307, code: "unexpected_redirect" });
    expect(error.message).toContain("set serverUrl to the final address");
    expect(target.seen).toEqual([]);
  });
});

describe("no reply", () => {
  const options = { serverUrl: "http://127.0.0.1:9", appId: "app-1", serviceToken: "service-token" };

  it("becomes network_error with status 0 and the cause", async () => {
    // Injected: no port can be reserved that is sure to refuse connections.
    const cause = new TypeError("fetch failed");
    const client = createClient({ ...options, fetch: () => Promise.reject(cause) });
    const error = await rejection(client.asServiceRole.connectors.getConnection("slack"));
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error).toMatchObject({ status: 0, code: "network_error", retryable: true, cause });
    expect(String(error)).toContain("GET http://127.0.0.1:9/api/apps/app-1/external-auth/tokens/slack got no complete");
    expect(String(error)).not.toContain("service-token");
  });

  it("is not retryable for a POST, which the server may have processed", async () => {
    const client = createClient({ ...options, fetch: () => Promise.reject(new TypeError("fetch failed")) });
    const error = await rejection(client.asServiceRole.connectors.callApi("x", { path: "/" }));
    expect(error).toMatchObject({ code: "network_error", retryable: false });
  });

  it("is also a network_error when the connection breaks within the body", async () => {
    const { error, seen } = await refusal({ body: { access_token: "at-1" }, cutAfter: 5 });
    expect(error).toMatchObject({ status: 0, code: "network_error" });
    expect(seen).toHaveLength(1);
  });
});

describe("a signal", () => {
  it("aborts the call with its own reason", async () => {
    const stop = new AbortController();
    const reason = new Error("the user left");
    const { url } = await startServer(() => {
      stop.abort(reason);
      return {};
    });
    const { connectors } = createClient({ serverUrl: url, appId: "a", serviceToken: "s" }).asServiceRole;
    expect(await rejection(connectors.getConnection("slack", { signal: stop.signal }))).toBe(reason);
  });

  it("works with every method that takes options", async () => {
    const { url, seen } = await startServer();
    const client = createClient({ serverUrl: url, appId: "a", serviceToken: "s" });
    const { connectors } = client.asServiceRole;
    const signal = AbortSignal.abort("stop");
    const pending = [
      connectors.getConnection("t", { signal }),
      connectors.getWorkspaceConnection("c", { signal }),
      connectors.getCurrentAppUserConnection("c", { signal }),
      connectors.callApi("t", { path: "/" }, { signal }),
      client.connectors.connectAppUser("c", { signal }),
      client.connectors.disconnectAppUser("c", { signal }),
    ];
    expect(await Promise.all(pending.map(rejection))).toEqual(pending.map(() => "stop"));
    expect(seen).toEqual([]);
  });
});
