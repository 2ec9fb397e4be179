/** The outcome of every response of a token endpoint: retry, ask the user, or an unknown grant. */
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { instant } from "../../src/core/types.ts";
import { parseRetryAfter } from "../../src/net/retry-after.ts";
import { outcomeOfResponse, type TokenOutcome } from "../../src/oauth/outcome.ts";
import { providers } from "../../src/providers/index.ts";
import type { Provider } from "../../src/providers/provider.ts";
import {
  CANARY,
  START,
  catalog,
  credentials,
  fakeProvider,
  json,
  opened,
  plainProvider,
  refreshCall,
  rig,
  codeGrant,
} from "./support.ts";

const plain = plainProvider();
const slack = catalog("slack");
const github = catalog("github");
const google = catalog("googlecalendar");
const salesforce = catalog("salesforce");

const later = (error: string, retry_after_ms: number | null = null) => ({
  kind: "retry_later",
  sent: true,
  retry_after_ms,
  error,
});
const refused = (error: string) => ({ kind: "refused", error });
const misconfigured = (error: string) => ({ kind: "misconfigured", error });
const unknown = (error: string) => ({ kind: "unknown", error });
const bad = unknown("provider_bad_response");
const good = { access_token: "new", token_type: "Bearer" };

type Respond = (response: ServerResponse) => void;
const body =
  (value: unknown, status = 200, headers: Record<string, string> = {}): Respond =>
  (response) =>
    json(response, value, status, headers);
const raw =
  (content: string | Buffer, status = 200, headers: Record<string, string> = {}): Respond =>
  (response) =>
    response.writeHead(status, headers).end(content);

const deep = `{"access_token":"a","token_type":"bearer","x":${"[".repeat(5000)}${"]".repeat(5000)}}`;

const MATRIX: readonly [string, Provider, Respond, object][] = [
  // The grant is no longer valid.
  ["invalid_grant", plain, body({ error: "invalid_grant" }, 400), refused("invalid_grant")],
  ["invalid_grant with 401", plain, body({ error: "invalid_grant" }, 401), refused("invalid_grant")],
  ["the vendor's name", plain, body({ error: "grant_gone" }, 400), refused("grant_gone")],
  ["GitHub, HTTP 200", github, body({ error: "bad_refresh_token" }), refused("bad_refresh_token")],
  [
    "GitHub, HTTP 200 as a form",
    github,
    raw("error=bad_refresh_token", 200, { "content-type": "application/x-www-form-urlencoded" }),
    refused("bad_refresh_token"),
  ],
  ["Slack, HTTP 200", slack, body({ ok: false, error: "invalid_refresh_token" }), refused("invalid_refresh_token")],
  ["Salesforce, a user who left", salesforce, body({ error: "inactive_user" }, 400), refused("inactive_user")],
  [
    "Google, session control",
    google,
    body({ error: "invalid_grant", error_subtype: "invalid_rapt" }, 400),
    refused("invalid_grant"),
  ],
  // The OAuth client is wrong.
  [
    "invalid_client with a challenge",
    plain,
    body({ error: "invalid_client" }, 401, { "www-authenticate": 'Basic realm="x"' }),
    misconfigured("invalid_client"),
  ],
  ["unauthorized_client", plain, body({ error: "unauthorized_client" }, 400), misconfigured("unauthorized_client")],
  ["the vendor's name", plain, body({ error: "app_disabled" }, 403), misconfigured("app_disabled")],
  ["GitHub", github, body({ error: "incorrect_client_credentials" }), misconfigured("incorrect_client_credentials")],
  ["Slack", slack, body({ ok: false, error: "bad_client_secret" }), misconfigured("bad_client_secret")],
  [
    "Salesforce, in capitals",
    salesforce,
    body({ error: "OAUTH_APP_BLOCKED" }, 400),
    misconfigured("oauth_app_blocked"),
  ],
  // Nothing was consumed.
  ["429", plain, body({}, 429), later("http_429")],
  ["429 with Retry-After", plain, body({}, 429, { "retry-after": "7" }), later("http_429", 7000)],
  [
    "429 with a date",
    plain,
    body({}, 429, { "retry-after": new Date(START + 60_000).toUTCString() }),
    later("http_429", 60_000),
  ],
  ["429 with a malformed Retry-After", plain, body({}, 429, { "retry-after": "soon" }), later("http_429", 30_000)],
  ["429, even if it says invalid_grant", plain, body({ error: "invalid_grant" }, 429), later("invalid_grant")],
  ["429 with an endless page", plain, raw("x".repeat(600_000), 429, { "retry-after": "7" }), later("http_429", 7000)],
  [
    "Slack, rate limit in HTTP 200",
    slack,
    body({ ok: false, error: "ratelimited" }, 200, { "retry-after": "3" }),
    later("ratelimited", 3000),
  ],
  ["Slack, not processed", slack, body({ ok: false, error: "service_unavailable" }), later("service_unavailable")],
  ["temporarily_unavailable", plain, body({ error: "temporarily_unavailable" }, 400), later("temporarily_unavailable")],
  ["slow_down", plain, body({ error: "slow_down" }, 400), later("slow_down")],
  ["invalid_request", plain, body({ error: "invalid_request" }, 400), later("invalid_request")],
  ["invalid_scope", plain, body({ error: "invalid_scope" }, 400), later("invalid_scope")],
  ["unsupported_grant_type", plain, body({ error: "unsupported_grant_type" }, 400), later("unsupported_grant_type")],
  ["the vendor's name for a temporary error", plain, body({ error: "busy" }, 400), later("busy")],
  ["an unknown name", plain, body({ error: "quantum_flux" }, 400), later("unrecognised_error")],
  ["a page with 403", plain, raw("<html>blocked</html>", 403, { "content-type": "text/html" }), later("http_403")],
  ["404 without a body", plain, raw("", 404), later("http_404")],
  ["307, not followed", plain, raw("", 307, { location: "https://evil.example/token" }), later("redirected")],
  ["308, not followed", plain, raw("", 308, { location: "https://evil.example/token" }), later("redirected")],
  // May be consumed.
  ["500", plain, raw("oops", 500), unknown("http_500")],
  ["502 with a page", plain, raw("<html>bad gateway</html>", 502), unknown("http_502")],
  ["503 with Retry-After", plain, raw("", 503, { "retry-after": "5" }), unknown("http_503")],
  ["504", plain, raw("", 504), unknown("http_504")],
  ["500 that says invalid_grant", plain, body({ error: "invalid_grant" }, 500), unknown("invalid_grant")],
  ["Slack, an error with possible effects", slack, body({ ok: false, error: "fatal_error" }), unknown("fatal_error")],
  ["303", plain, raw("", 303, { location: "https://evil.example/token" }), unknown("http_303")],
  ["302", plain, raw("", 302, { location: "https://evil.example/token" }), unknown("http_302")],
  ["a captive portal's page with 200", plain, raw("<html>sign in</html>", 200, { "content-type": "text/html" }), bad],
  ["an empty 200", plain, raw(""), bad],
  ["204", plain, raw("", 204), bad],
  ["broken JSON", plain, raw('{"access_token":"a","token_type":'), bad],
  ["a byte order mark", plain, raw(`\uFEFF${JSON.stringify(good)}`), bad],
  ["UTF-16", plain, raw(Buffer.from(JSON.stringify(good), "utf16le")), bad],
  [
    "bytes that are not UTF-8",
    plain,
    raw(Buffer.concat([Buffer.from('{"access_token":"a'), Buffer.from([0xff]), Buffer.from('"}')])),
    bad,
  ],
  ["a duplicate name", plain, raw('{"access_token":"a","access_token":"b","token_type":"bearer"}'), bad],
  ["the same, escaped", plain, raw('{"access_token":"a","\\u0061ccess_token":"b","token_type":"bearer"}'), bad],
  ["NaN", plain, raw('{"access_token":"a","token_type":"bearer","expires_in":NaN}'), bad],
  ["deep nesting", plain, raw(deep), bad],
  ["gzip that was not requested", plain, raw(gzipSync(JSON.stringify(good)), 200, { "content-encoding": "gzip" }), bad],
  ["40 MB", plain, raw(`{"x":"${"x".repeat(40_000_000)}"}`), bad],
  ["tokens followed by endless spaces", plain, raw(JSON.stringify(good) + " ".repeat(600_000)), bad],
  ["a list", plain, body([good]), bad],
  [
    "a form instead of JSON",
    plain,
    raw("access_token=a&token_type=bearer", 200, { "content-type": "application/x-www-form-urlencoded" }),
    bad,
  ],
  ["an error in 200 that is not in the catalog", plain, body({ error: "invalid_grant" }), bad],
  ["no access token", plain, body({ token_type: "bearer" }), bad],
  ["an empty access token", plain, body({ ...good, access_token: "" }), bad],
  ["an access token that is a number", plain, body({ ...good, access_token: 5 }), bad],
  ["an access token with a line break", plain, body({ ...good, access_token: "a\r\nx-evil: 1" }), bad],
  ["an access token with a control character", plain, body({ ...good, access_token: "a\u0007" }), bad],
  ["an access token over 16 KiB", plain, body({ ...good, access_token: "a".repeat(16_385) }), bad],
  ["a refresh token with a line break", plain, body({ ...good, refresh_token: "a\nb" }), bad],
  ["a refresh token that is a number", plain, body({ ...good, refresh_token: 7 }), bad],
  ["no token type", plain, body({ access_token: "a" }), bad],
  ["token type mac", plain, body({ ...good, token_type: "mac" }), unknown("unsupported_token_type")],
  ["token type dpop", plain, body({ ...good, token_type: "DPoP" }), unknown("unsupported_token_type")],
  [
    "token type bot if the catalog names no bot type",
    plain,
    body({ ...good, token_type: "bot" }),
    unknown("unsupported_token_type"),
  ],
];

const tokensOf = async (provider: Provider, respond: Respond): Promise<TokenOutcome> => {
  const { gateway } = await fakeProvider(respond);
  return rig(gateway).client.refresh(refreshCall(provider));
};

describe("the response to a refresh", () => {
  it.each(MATRIX)("%s ($id) -> %o", async (_claim, provider, respond, expected) => {
    expect(await tokensOf(provider, respond)).toEqual(expected);
  });

  it("is not followed by a second request if it redirects", async () => {
    const fake = await fakeProvider((response) => {
      response.writeHead(307, { location: "/elsewhere.example/token" }).end();
    });
    await rig(fake.gateway).client.refresh(refreshCall(plain));
    expect(fake.seen).toHaveLength(1);
  });

  it("is classified the same way for a code exchange", async () => {
    const fake = await fakeProvider((response) => json(response, { error: "bad_verification_code" }));
    const outcome = await rig(fake.gateway).client.exchange({
      provider: github,
      config: {},
      client: credentials,
      redirect_uri: "https://connect.example/cb",
      callback: codeGrant(),
      code_verifier: new Secret(CANARY.verifier),
      requested_scopes: [],
    });
    expect(outcome).toEqual(refused("bad_verification_code"));
  });
});

const read = async (tokens: object, provider = plain) => opened(await tokensOf(provider, body(tokens)));

describe("a success", () => {
  it.each<[string, unknown, number | null]>([
    ["a number", 3600, 3600],
    ["a string", "3600", 3600],
    ["a fraction", 3600.7, 3600],
    ["zero, so that it is refreshed once a minute", 0, 80],
    ["negative, so that it is refreshed once a minute", -5, 80],
    ["absurd, capped to ten years", 1e300, 315_360_000],
    ["null", null, null],
    ["nothing", undefined, null],
    ["words", "1h", null],
    ["an object", { s: 1 }, null],
  ])("reads expires_in: %s", async (_claim, expires_in, announced_s) => {
    expect(await read({ ...good, expires_in })).toMatchObject({ access_token: "new", announced_s });
  });

  it.each<[unknown, readonly string[] | null]>([
    ["a b", ["a", "b"]],
    ["a,b", ["a", "b"]],
    [
      ["a", "b"],
      ["a", "b"],
    ],
    ["", null],
    [undefined, null],
    [null, null],
    [5, null],
  ])("reads scope %j as %j", async (scope, scopes) => {
    expect(await read({ ...good, scope })).toMatchObject({ scopes });
  });

  it.each<[unknown, string | null]>([
    ["r", "r"],
    ["", null],
    [null, null],
    [undefined, null],
  ])("reads refresh_token %j as %j", async (refresh_token, expected) => {
    expect(await read({ ...good, refresh_token })).toMatchObject({ refresh_token: expected });
  });

  it("can have another 2xx status if the tokens are there", async () => {
    expect(opened(await tokensOf(plain, body(good, 201)))).toMatchObject({ access_token: "new" });
  });

  it("does not depend on the ID token, which a wrong clock would reject", async () => {
    expect(await read({ ...good, id_token: "not.a.jwt" })).toMatchObject({ access_token: "new", extra: {} });
  });

  it("has the lifetime of the refresh token if the vendor states it", async () => {
    expect(await read({ ...good, refresh_token_expires_in: 604_799 }, google)).toMatchObject({
      refresh_announced_s: 604_799,
    });
  });

  it("passes on no other token and no undeclared field", async () => {
    const sent = {
      access_token: "secret-a",
      token_type: "bearer",
      refresh_token: "secret-r",
      workspace_id: "0".repeat(32),
      bot_id: "../../evil",
      workspace_name: "Acme",
      owner: { user: { id: "u1", token: "secret-x", person: { email: "a@b.example" } } },
      id_token: "secret-id",
      incoming_webhook: { url: "https://secret.example" },
    };
    const outcome = await read(sent, catalog("notion"));
    expect(outcome).toEqual({
      access_token: "secret-a",
      refresh_token: "secret-r",
      announced_s: null,
      refresh_announced_s: null,
      scopes: null,
      config: { workspace_id: "0".repeat(32) },
      extra: { workspace_name: "Acme", owner: { user: { id: "u1", person: { email: "a@b.example" } } } },
    });
    expect(JSON.stringify({ ...outcome, access_token: "", refresh_token: "" })).not.toContain("secret");
  });

  it.each([
    ["https://acme.my.salesforce.com", { instance_url: "https://acme.my.salesforce.com" }],
    ["https://salesforce.com.evil.example", {}],
    ["http://acme.my.salesforce.com", {}],
    ["", {}],
  ])("with Salesforce's instance_url %s derives %o", async (instance_url, config) => {
    const outcome = await tokensOf(salesforce, body({ ...good, instance_url }));
    expect(outcome.kind === "ok" && outcome.tokens.config).toEqual(config);
  });

  it("has the user's token for slack on exchange, and the top-level one on refresh", async () => {
    const sent = {
      ok: true,
      team: { id: "T0123456789" },
      authed_user: {
        id: "U0123456789",
        access_token: "xoxp",
        refresh_token: "xoxr",
        expires_in: 43_200,
        scope: "a,b",
        token_type: "user",
      },
    };
    const fake = await fakeProvider((response) => json(response, sent));
    const call = {
      ...refreshCall(slack),
      redirect_uri: "https://c.example",
      callback: codeGrant("c"),
      code_verifier: null,
    };
    const exchanged = await rig(fake.gateway).client.exchange({ ...call, requested_scopes: ["a"] });
    expect(opened(exchanged)).toEqual({
      access_token: "xoxp",
      refresh_token: "xoxr",
      announced_s: 43_200,
      refresh_announced_s: null,
      scopes: ["a", "b"],
      config: { team_id: "T0123456789", user_id: "U0123456789" },
      extra: {},
    });
    const refreshed = await read(
      { ok: true, access_token: "xoxp2", refresh_token: "xoxr2", token_type: "user" },
      slack,
    );
    expect(refreshed).toMatchObject({ access_token: "xoxp2", refresh_token: "xoxr2" });
  });
});

describe("the error of an outcome", () => {
  const all = [plain, ...providers.values()];

  it("law: it is short, plain, and never the provider's text", () => {
    const texts = fc.oneof(fc.string(), fc.constantFrom(CANARY.refresh, `invalid ${CANARY.refresh}`, "invalid_grant "));
    const bodies = fc.oneof(
      fc.json(),
      fc.record({ error: texts, error_description: texts }).map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.integer({ min: 300, max: 599 }), bodies, (provider, status, text) => {
        const outcome = outcomeOfResponse(provider, { status, body: JSON.parse(text) }, null);
        expect(outcome?.error).toMatch(/^[a-z0-9_.-]{1,100}$/);
        expect(outcome?.error).not.toContain("canary");
      }),
    );
  });

  it("never contains a token that a provider echoes", async () => {
    for (const error of [CANARY.refresh, `${CANARY.refresh}_invalid`, `invalid_grant: ${CANARY.refresh}`]) {
      const outcome = await tokensOf(plain, body({ error, error_description: CANARY.refresh }, 400));
      expect(outcome).toEqual(later("unrecognised_error"));
    }
  });
});

describe("parseRetryAfter", () => {
  const limits = { retry_after_cap_ms: 3_600_000 };
  const now = instant(Date.UTC(2026, 10, 23, 12, 0, 0));
  it.each<[string | undefined, number | null]>([
    [undefined, null],
    ["7", 7000],
    [" 7 ", 7000],
    ["0", 1000],
    ["99999999", 3_600_000],
    ["9".repeat(400), 3_600_000],
    ["Mon, 23 Nov 2026 12:00:30 GMT", 30_000],
    ["Mon, 23 Nov 2026 11:00:00 GMT", 1000],
    ["Mon, 99 Nov 2026 11:00:00 GMT", 30_000],
    ["-5", 30_000],
    ["7.5", 30_000],
    ["2026-11-23", 30_000],
    ["tomorrow", 30_000],
    ["", 30_000],
  ])("%s is %s ms", (header, expected) => {
    expect(parseRetryAfter(header, now, limits)).toBe(expected);
  });
});
