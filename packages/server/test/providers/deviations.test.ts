import { describe, expect, it } from "vitest";
import type { JsonValue } from "../../src/core/types.ts";
import {
  assumeBearer,
  bearerAlias,
  clientIdParameter,
  errorInOkResponse,
  errorNameAt,
  formTokenAnswer,
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
  formTokenAnswer,
  jsonTokenRequest,
  scopeOnRefresh(" "),
  errorNameAt("status"),
  renamedMembers({ scopes: "scope" }),
  assumeBearer,
  clientIdParameter("client_key"),
  grantedScopes({ silent: ["a"] }),
];

function answered(deviation: Deviation, body: JsonValue, status = 200, context = onExchange) {
  return deviation.response?.({ status, body }, context);
}

describe("errorInOkResponse", () => {
  const deviation = errorInOkResponse({ ratelimited: 429, internal_error: 500 });
  it.each<[string, JsonValue, number, number]>([
    ["an error becomes 400", { ok: false, error: "invalid_refresh_token" }, 200, 400],
    ["an error without an ok flag too", { error: "bad_refresh_token" }, 200, 400],
    ["a rate limit becomes 429", { ok: false, error: "ratelimited" }, 200, 429],
    ["a fault that may have had effects becomes 500", { ok: false, error: "internal_error" }, 200, 500],
    ["a success stays", { ok: true, access_token: "a" }, 200, 200],
    ["an empty error is none", { error: "" }, 200, 200],
    ["an error that is no text is none", { error: { code: 1 } }, 200, 200],
    ["a real status is not touched", { error: "ratelimited" }, 503, 503],
    ["a name of Object.prototype is a name like others", { error: "constructor" }, 200, 400],
    ["a list is not touched", ["error"], 200, 200],
    ["an unreadable body is not touched", null, 200, 200],
  ])("%s", (_claim, body, status, expected) => {
    expect(answered(deviation, body, status)).toEqual({ status: expected, body });
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

  it("lifts the person's tokens and leaves the rest of the object where it is", () => {
    expect(answered(deviation, { ok: true, authed_user: nested })?.body).toEqual({
      ok: true,
      authed_user: { id: "U1" },
      access_token: "user",
      refresh_token: "user-r",
      expires_in: 60,
      scope: "x",
      token_type: "user",
    });
  });

  it("never pairs the person's access token with the bot's refresh token", () => {
    const body = { access_token: "bot", refresh_token: "bot-r", expires_in: 9, authed_user: { access_token: "user" } };
    expect(answered(deviation, body)?.body).toEqual({ access_token: "user", authed_user: {} });
  });

  it("takes the top level on refresh, and the nested tokens when there are no others", () => {
    const both = { access_token: "top", authed_user: nested };
    expect(answered(deviation, both, 200, onRefresh)?.body).toEqual(both);
    expect(answered(deviation, { authed_user: nested }, 200, onRefresh)?.body).toMatchObject({ access_token: "user" });
  });

  it.each<[string, JsonValue]>([
    ["no nested object", { access_token: "a" }],
    ["only an id in it", { access_token: "bot", authed_user: { id: "U1" } }],
    ["a nested token that is no text", { authed_user: { access_token: 5 } }],
    ["a body that is no object", "text"],
  ])("leaves alone: %s", (_claim, body) => {
    expect(answered(deviation, body)?.body).toEqual(body);
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
    expect(answered(bearerAlias("bot", "user"), body)?.body).toEqual(expected);
  });
});

describe("formTokenAnswer", () => {
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
    expect(formTokenAnswer.parse?.(text, type)).toEqual(expected);
  });
});

describe("jsonTokenRequest", () => {
  it("turns the form into a JSON object and says so", () => {
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
    ["not on exchange", onExchange, "a=1"],
    ["not without scopes", { grant: "refresh_token", scopes: [] }, "a=1"],
    ["not on revocation", onRevocation, "a=1"],
  ])("%s", (_claim, context, expected) => {
    expect(String(scopeOnRefresh(" ").request?.(request, context).body)).toBe(expected);
    expect(String(request.body)).toBe("a=1");
  });
});

describe("errorNameAt", () => {
  it.each<[string, string, JsonValue, number, JsonValue]>([
    ["copies the name to where it belongs", "status", { status: "BAD" }, 400, { status: "BAD", error: "BAD" }],
    ["from inside an object", "error.code", { error: { code: 190 } }, 400, { error: "190" }],
    ["leaves a name that is there", "status", { error: "x", status: "BAD" }, 400, { error: "x", status: "BAD" }],
    ["leaves a success alone", "status", { status: "ok" }, 200, { status: "ok" }],
    ["leaves an answer without the name", "status", { status: 1.5 }, 400, { status: 1.5 }],
    ["leaves a list", "0", ["BAD"], 400, ["BAD"]],
  ])("%s", (_claim, path, body, status, expected) => {
    expect(answered(errorNameAt(path), body, status)).toEqual({ status, body: expected });
  });
});

describe("renamedMembers", () => {
  const deviation = renamedMembers({ refresh_expires_in: "refresh_token_expires_in" });
  it.each<[string, JsonValue, JsonValue]>([
    ["adds the usual name", { refresh_expires_in: 5 }, { refresh_expires_in: 5, refresh_token_expires_in: 5 }],
    [
      "overwrites nothing",
      { refresh_expires_in: 5, refresh_token_expires_in: 6 },
      { refresh_expires_in: 5, refresh_token_expires_in: 6 },
    ],
    ["adds nothing where there is nothing", { a: 1 }, { a: 1 }],
    ["leaves a text", "x", "x"],
  ])("%s", (_claim, body, expected) => {
    expect(answered(deviation, body)?.body).toEqual(expected);
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
    expect(answered(assumeBearer, body)?.body).toEqual(expected);
  });
});

describe("clientIdParameter", () => {
  it("renames the client id, and only there", () => {
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
      "gives aliases back their names",
      { aliases: { "x/email": "email" } },
      ["email"],
      "openid x/email",
      "openid email",
    ],
    [
      "takes off what stands before names",
      { prefix },
      ["Mail.Send"],
      `${prefix}Mail.Send profile`,
      "Mail.Send profile",
    ],
    ["gives names the spelling they were asked for in", {}, ["Mail.Send"], "mail.send", "Mail.Send"],
    ["adds what is never named", { silent: ["offline"] }, ["a", "offline"], "a", "a offline"],
    ["but not what was not asked for", { silent: ["offline"] }, ["a"], "a", "a"],
    ["keeps what was granted beyond that", {}, ["a"], "b", "b"],
    [
      "keeps a full name that was asked for",
      { prefix },
      [`${prefix}Mail.Send`],
      `${prefix}Mail.Send`,
      `${prefix}Mail.Send`,
    ],
    ["is not led astray by names of every object", { aliases: {} }, [], "constructor", "constructor"],
  ])("%s", (_claim, options, scopes, scope, expected) => {
    const context: DeviationContext = { grant: "refresh_token", scopes };
    expect(answered(grantedScopes(options), { scope }, 200, context)?.body).toEqual({ scope: expected });
  });

  it("leaves an answer that names none", () => {
    for (const body of [{ scope: "" }, {}, { scope: null }, []]) {
      expect(answered(grantedScopes({ silent: ["a"] }), body)?.body).toEqual(body);
    }
  });
});

describe("every deviation", () => {
  it.each(all)("$name cites its section, and changes no answer that it does not know", (deviation) => {
    expect(deviation.rfc).toMatch(/^RFC \d{4} §\d/);
    expect(deviation.name).toMatch(/^[a-z_]+$/);
    const answer = { status: 200, body: { access_token: "a", token_type: "Bearer", expires_in: 1 } };
    for (const context of [onExchange, onRefresh, onRevocation]) {
      expect(deviation.response?.(structuredClone(answer), context) ?? answer).toEqual(answer);
    }
  });
});
