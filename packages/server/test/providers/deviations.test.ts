import { describe, expect, it } from "vitest";
import type { JsonValue } from "../../src/core/types.ts";
import {
  assumeBearer,
  bearerAlias,
  clientIdParameter,
  errorInOkResponse,
  errorNameAt,
  formTokenResponse,
  grantedScopes,
  jsonTokenRequest,
  nestedToken,
  renamedMembers,
  scopeOnRefresh,
} from "../../src/providers/deviations.ts";
import type { Deviation, DeviationContext } from "../../src/providers/deviation.ts";

const onExchange: DeviationContext = { grant: "authorization_code", scopes: ["a", "b"] };
const onRefresh: DeviationContext = { grant: "refresh_token", scopes: ["a", "b"] };
const onRevocation: DeviationContext = { grant: "revocation", scopes: [] };

const all: readonly Deviation[] = [
  errorInOkResponse({ ratelimited: 429 }),
  nestedToken("authed_user"),
  bearerAlias("bot", "user"),
  formTokenResponse,
  jsonTokenRequest,
  scopeOnRefresh(" "),
  errorNameAt("status"),
  renamedMembers({ scopes: "scope" }),
  assumeBearer,
  clientIdParameter("client_key"),
  grantedScopes({ silent: ["a"] }),
];

function applied(deviation: Deviation, body: JsonValue, status = 200, context = onExchange) {
  return deviation.response?.({ status, body }, context);
}

describe("errorInOkResponse", () => {
  const deviation = errorInOkResponse({ ratelimited: 429, internal_error: 500 });
  it.each<[string, JsonValue, number, number]>([
    ["an error becomes 400", { ok: false, error: "invalid_refresh_token" }, 200, 400],
    ["an error without an ok flag, too", { error: "bad_refresh_token" }, 200, 400],
    ["a rate limit becomes 429", { ok: false, error: "ratelimited" }, 200, 429],
    ["an error that may have had effects becomes 500", { ok: false, error: "internal_error" }, 200, 500],
    ["a success is unchanged", { ok: true, access_token: "a" }, 200, 200],
    ["an empty error does not count", { error: "" }, 200, 200],
    ["an error that is not a string does not count", { error: { code: 1 } }, 200, 200],
    ["a real error status is unchanged", { error: "ratelimited" }, 503, 503],
    ["a name from Object.prototype is treated like any other", { error: "constructor" }, 200, 400],
    ["an array is unchanged", ["error"], 200, 200],
    ["an unreadable body is unchanged", null, 200, 200],
  ])("%s", (_claim, body, status, expected) => {
    expect(applied(deviation, body, status)).toEqual({ status: expected, body });
  });
});

describe("nestedToken", () => {
  const deviation = nestedToken("authed_user");
  const nested = {
    id: "U1",
    access_token: "user",
    refresh_token: "user-r",
    expires_in: 60,
    scope: "x",
    token_type: "user",
  };

  it("lifts the user's tokens and leaves the rest of the object in place", () => {
    expect(applied(deviation, { ok: true, authed_user: nested })?.body).toEqual({
      ok: true,
      authed_user: { id: "U1" },
      access_token: "user",
      refresh_token: "user-r",
      expires_in: 60,
      scope: "x",
      token_type: "user",
    });
  });

  it("never pairs the user's access token with the bot's refresh token", () => {
    const body = { access_token: "bot", refresh_token: "bot-r", expires_in: 9, authed_user: { access_token: "user" } };
    expect(applied(deviation, body)?.body).toEqual({ access_token: "user", authed_user: {} });
  });

  it("uses the top level on refresh, and the nested tokens if there are no others", () => {
    const both = { access_token: "top", authed_user: nested };
    expect(applied(deviation, both, 200, onRefresh)?.body).toEqual(both);
    expect(applied(deviation, { authed_user: nested }, 200, onRefresh)?.body).toMatchObject({ access_token: "user" });
  });

  it.each<[string, JsonValue]>([
    ["no nested object", { access_token: "a" }],
    ["a nested object with only an id", { access_token: "bot", authed_user: { id: "U1" } }],
    ["a nested token that is not a string", { authed_user: { access_token: 5 } }],
    ["a body that is not an object", "text"],
  ])("leaves unchanged: %s", (_claim, body) => {
    expect(applied(deviation, body)?.body).toEqual(body);
  });
});

describe("bearerAlias", () => {
  it.each<[JsonValue, JsonValue]>([
    [{ token_type: "bot" }, { token_type: "bearer" }],
    [{ token_type: "User" }, { token_type: "bearer" }],
    [{ token_type: "mac" }, { token_type: "mac" }],
    [{ token_type: "Bearer" }, { token_type: "Bearer" }],
    [{}, {}],
    [{ token_type: 1 }, { token_type: 1 }],
    [null, null],
  ])("%j reads as %j", (body, expected) => {
    expect(applied(bearerAlias("bot", "user"), body)?.body).toEqual(expected);
  });
});

describe("formTokenResponse", () => {
  const form = "application/x-www-form-urlencoded; charset=utf-8";
  it.each<[string, string, JsonValue]>([
    [
      "access_token=a&scope=repo%2Cgist&token_type=bearer",
      form,
      { access_token: "a", scope: "repo,gist", token_type: "bearer" },
    ],
    ["error=bad_verification_code", form, { error: "bad_verification_code" }],
    ["access_token=a&access_token=b", form, null],
    ["access_token=a", "text/html", null],
    ["access_token=a", "", null],
  ])("%s as %s", (text, type, expected) => {
    expect(formTokenResponse.parse?.(text, type)).toEqual(expected);
  });
});

describe("jsonTokenRequest", () => {
  it("turns the form into a JSON object and sets the content type", () => {
    const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: "a+b &c" });
    const request = { url: "https://x.example/t", headers: { "content-type": "form", a: "b" }, body };
    expect(jsonTokenRequest.request?.(request, onRefresh)).toEqual({
      url: "https://x.example/t",
      headers: { "content-type": "application/json", a: "b" },
      body: '{"grant_type":"refresh_token","refresh_token":"a+b &c"}',
    });
  });
});

describe("scopeOnRefresh", () => {
  const request = { url: "https://x.example/t", headers: {}, body: new URLSearchParams({ a: "1" }) };
  it.each<[string, DeviationContext, string]>([
    ["adds the scopes on refresh", onRefresh, "a=1&scope=a+b"],
    ["adds nothing on exchange", onExchange, "a=1"],
    ["adds nothing without scopes", { grant: "refresh_token", scopes: [] }, "a=1"],
    ["adds nothing on revocation", onRevocation, "a=1"],
  ])("%s", (_claim, context, expected) => {
    expect(String(scopeOnRefresh(" ").request?.(request, context).body)).toBe(expected);
    expect(String(request.body)).toBe("a=1");
  });
});

describe("errorNameAt", () => {
  it.each<[string, string, JsonValue, number, JsonValue]>([
    ["copies the name to error", "status", { status: "BAD" }, 400, { status: "BAD", error: "BAD" }],
    ["copies a name from inside an object", "error.code", { error: { code: 190 } }, 400, { error: "190" }],
    ["keeps an existing error name", "status", { error: "x", status: "BAD" }, 400, { error: "x", status: "BAD" }],
    ["leaves a success unchanged", "status", { status: "ok" }, 200, { status: "ok" }],
    ["leaves a response without the name unchanged", "status", { status: 1.5 }, 400, { status: 1.5 }],
    ["leaves an array unchanged", "0", ["BAD"], 400, ["BAD"]],
  ])("%s", (_claim, path, body, status, expected) => {
    expect(applied(errorNameAt(path), body, status)).toEqual({ status, body: expected });
  });
});

describe("renamedMembers", () => {
  const deviation = renamedMembers({ refresh_expires_in: "refresh_token_expires_in" });
  it.each<[string, JsonValue, JsonValue]>([
    ["adds the standard name", { refresh_expires_in: 5 }, { refresh_expires_in: 5, refresh_token_expires_in: 5 }],
    [
      "overwrites nothing",
      { refresh_expires_in: 5, refresh_token_expires_in: 6 },
      { refresh_expires_in: 5, refresh_token_expires_in: 6 },
    ],
    ["adds nothing if the member is missing", { a: 1 }, { a: 1 }],
    ["leaves a string unchanged", "x", "x"],
  ])("%s", (_claim, body, expected) => {
    expect(applied(deviation, body)?.body).toEqual(expected);
  });
});

describe("assumeBearer", () => {
  it.each<[JsonValue, JsonValue]>([
    [{ access_token: "a" }, { access_token: "a", token_type: "bearer" }],
    [
      { access_token: "a", token_type: "mac" },
      { access_token: "a", token_type: "mac" },
    ],
    [
      { access_token: "a", token_type: null },
      { access_token: "a", token_type: null },
    ],
    [{ error: "x" }, { error: "x" }],
  ])("%j reads as %j", (body, expected) => {
    expect(applied(assumeBearer, body)?.body).toEqual(expected);
  });
});

describe("clientIdParameter", () => {
  it("renames the client id, and adds none if there is none", () => {
    const request = {
      url: "https://x.example/t",
      headers: {},
      body: new URLSearchParams({ client_id: "c", code: "d" }),
    };
    expect(String(clientIdParameter("client_key").request?.(request, onExchange).body)).toBe("code=d&client_key=c");
    const without = { ...request, body: new URLSearchParams({ code: "d" }) };
    expect(String(clientIdParameter("client_key").request?.(without, onExchange).body)).toBe("code=d");
  });
});

describe("grantedScopes", () => {
  const prefix = "https://graph.example/";
  it.each<[string, Parameters<typeof grantedScopes>[0], readonly string[], string, string]>([
    [
      "replaces aliases by the requested names",
      { aliases: { "x/email": "email" } },
      ["email"],
      "openid x/email",
      "openid email",
    ],
    ["strips the prefix", { prefix }, ["Mail.Send"], `${prefix}Mail.Send profile`, "Mail.Send profile"],
    ["restores the requested spelling", {}, ["Mail.Send"], "mail.send", "Mail.Send"],
    ["adds requested scopes that are never listed", { silent: ["offline"] }, ["a", "offline"], "a", "a offline"],
    ["does not add them if they were not requested", { silent: ["offline"] }, ["a"], "a", "a"],
    ["keeps scopes granted beyond the request", {}, ["a"], "b", "b"],
    [
      "keeps a full name that was requested",
      { prefix },
      [`${prefix}Mail.Send`],
      `${prefix}Mail.Send`,
      `${prefix}Mail.Send`,
    ],
    ["is not confused by names from Object.prototype", { aliases: {} }, [], "constructor", "constructor"],
  ])("%s", (_claim, options, scopes, scope, expected) => {
    const context: DeviationContext = { grant: "refresh_token", scopes };
    expect(applied(grantedScopes(options), { scope }, 200, context)?.body).toEqual({ scope: expected });
  });

  it("leaves a response without scopes unchanged", () => {
    for (const body of [{ scope: "" }, {}, { scope: null }, []]) {
      expect(applied(grantedScopes({ silent: ["a"] }), body)?.body).toEqual(body);
    }
  });
});

describe("every deviation", () => {
  it.each(all)("$name cites its RFC section, and does not change a response of another shape", (deviation) => {
    expect(deviation.rfc).toMatch(/^RFC \d{4} §\d/);
    expect(deviation.name).toMatch(/^[a-z_]+$/);
    const response = { status: 200, body: { access_token: "a", token_type: "Bearer", expires_in: 1 } };
    for (const context of [onExchange, onRefresh, onRevocation]) {
      expect(deviation.response?.(structuredClone(response), context) ?? response).toEqual(response);
    }
  });
});
