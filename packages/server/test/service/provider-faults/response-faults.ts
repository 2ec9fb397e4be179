/** F32 to F37, F40, F42 to F45, F47, F49: whole responses without usable tokens. */
import { LOST, type FaultRow } from "./classes.ts";
import { altered, respond, floods, head, html, json } from "./gateway.ts";
import type { Service } from "./stage.ts";

const HTML = { "content-type": "text/html" };
const FORM = { "content-type": "application/x-www-form-urlencoded" };
const tokens = { access_token: "at-new", token_type: "Bearer", expires_in: 3600 };
const good = JSON.stringify(tokens);
const bad = { class: "MAYBE", error: "provider_bad_response" } as const;
const throttled = (retry_after_s: number): Pick<FaultRow, "class" | "error" | "differs"> => ({
  class: "NOT_CONSUMED",
  error: "http_429",
  differs: {
    fail_class: "throttled",
    retry_at_s: retry_after_s,
    expired_reader: `503 provider_unavailable, ${retry_after_s} s`,
    // The other connection of the same OAuth client waits, too.
    requests: [1, 0],
  },
});

export const SLACK: Service = { type: "slack", host: "slack.com", modes: ["rotate", "life-3600s"] };
export const GITHUB: Service = { type: "github", host: "github.com", modes: ["rotate", "life-3600s"] };

/** Bytes that the provider sent before the client stopped reading. */
const sent_bytes = { flood: 0, nested: 0 };
const bounded = (which: keyof typeof sent_bytes) => (): readonly string[] =>
  sent_bytes[which] > 0 && sent_bytes[which] < 16_000_000 ? [] : [`${sent_bytes[which]} bytes of 40 MB were read`];

export const RESPONSE_FAULTS: readonly FaultRow[] = [
  {
    id: "F32",
    does: "429, Retry-After: 7",
    ...throttled(7),
    fault: { response: json(429, {}, { "retry-after": "7" }) },
  },
  {
    id: "F32",
    does: "429, Retry-After: a date in 90 s",
    ...throttled(90),
    fault: {
      response: (scene) => json(429, {}, { "retry-after": new Date(scene.clock.now() + 90_000).toUTCString() })(scene),
    },
  },
  {
    id: "F32",
    does: "429, Retry-After: a date an hour ago",
    ...throttled(1),
    fault: {
      response: (scene) =>
        json(429, {}, { "retry-after": new Date(scene.clock.now() - 3_600_000).toUTCString() })(scene),
    },
  },
  {
    id: "F32",
    does: "429, Retry-After: soon",
    ...throttled(30),
    fault: { response: json(429, {}, { "retry-after": "soon" }) },
  },
  {
    id: "F32",
    does: "429, Retry-After: 99999999",
    ...throttled(3600),
    fault: { response: json(429, {}, { "retry-after": "99999999" }) },
  },
  {
    id: "F32",
    does: "429 without Retry-After",
    class: "NOT_CONSUMED",
    error: "http_429",
    fault: { response: json(429, {}) },
  },
  {
    id: "F32",
    does: "429 that says invalid_grant",
    ...throttled(7),
    error: "invalid_grant",
    fault: { response: json(429, { error: "invalid_grant" }, { "retry-after": "7" }) },
  },
  {
    id: "F32",
    does: "Slack's rate limit in a 200",
    ...throttled(7),
    error: "ratelimited",
    service: SLACK,
    rotation: "strict",
    fault: { response: json(200, { ok: false, error: "ratelimited" }, { "retry-after": "7" }) },
  },

  ...(["500", "502", "503", "504"] as const).map((mode): FaultRow => ({
    id: "F33",
    does: mode,
    class: "MAYBE",
    error: mode === "500" ? "server_error" : `http_${mode}`,
    fault: { modes: [mode] },
  })),
  {
    id: "F33",
    does: "500 that says invalid_grant",
    class: "MAYBE",
    error: "invalid_grant",
    fault: { response: json(500, { error: "invalid_grant" }) },
  },
  {
    id: "F33",
    does: "503, single-use",
    class: "MAYBE",
    error: "http_503",
    rotation: "strict",
    fault: { modes: ["503"] },
  },

  { id: "F34", does: "200 with the page of a captive portal", ...bad, fault: { modes: ["html"] } },
  { id: "F34", does: "200 with a maintenance page", ...bad, fault: { response: html(200) } },

  { id: "F35", does: "200, JSON cut short", ...bad, fault: { response: respond(200, good.slice(0, -5)) } },
  { id: "F35", does: "200, empty", ...bad, fault: { response: respond(200, "") } },
  { id: "F35", does: "204", ...bad, fault: { response: ({ socket }) => void socket.end(head(204, {})) } },
  { id: "F35", does: "200, a byte order mark", ...bad, fault: { response: respond(200, `\uFEFF${good}`) } },
  {
    id: "F35",
    does: "200, UTF-16",
    ...bad,
    fault: { response: respond(200, Buffer.from(`\uFEFF${good}`, "utf16le")) },
  },
  {
    id: "F35",
    does: "200, access_token twice",
    ...bad,
    fault: { response: respond(200, `{"access_token":"at-other",${good.slice(1)}`) },
  },
  {
    id: "F35",
    does: "200, NaN",
    ...bad,
    fault: { response: respond(200, good.replace("3600", "NaN")) },
  },
  { id: "F35", does: "200, a list", ...bad, fault: { response: json(200, [tokens]) } },
  {
    id: "F35",
    does: "200, 40 MB",
    ...bad,
    fault: { response: floods(40_000_000, `${good.slice(0, -1)},"x":"`, "x", (sent) => (sent_bytes.flood = sent)) },
    also: bounded("flood"),
  },
  {
    id: "F35",
    does: "200, 40 MB of nesting",
    ...bad,
    fault: { response: floods(40_000_000, `${good.slice(0, -1)},"x":`, "[", (sent) => (sent_bytes.nested = sent)) },
    also: bounded("nested"),
  },
  {
    id: "F35",
    does: "200, 5,000 levels deep",
    ...bad,
    fault: { response: respond(200, `${good.slice(0, -1)},"x":${"[".repeat(5000)}${"]".repeat(5000)}}`) },
  },

  {
    id: "F36",
    does: "200, a form instead of JSON",
    ...bad,
    fault: {
      response: respond(200, String(new URLSearchParams({ access_token: "at-new", token_type: "bearer" })), FORM),
    },
  },
  {
    id: "F36",
    does: "200, a form with a name twice, from a provider that sends forms",
    ...bad,
    rotation: "strict",
    service: GITHUB,
    fault: { response: respond(200, "access_token=a&access_token=b&token_type=bearer", FORM) },
  },

  { id: "F37", does: "200 with error: invalid_grant", ...bad, fault: { modes: ["error-200"] } },
  {
    id: "F37",
    does: "GitHub's 200 with error: bad_refresh_token",
    class: "REFUSED",
    error: "bad_refresh_token",
    rotation: "strict",
    service: GITHUB,
    fault: { response: json(200, { error: "bad_refresh_token" }) },
  },
  {
    id: "F37",
    does: "Slack's 200 with ok: false",
    class: "REFUSED",
    error: "invalid_refresh_token",
    rotation: "strict",
    service: SLACK,
    fault: { response: json(200, { ok: false, error: "invalid_refresh_token" }) },
  },
  {
    id: "F37",
    does: "Slack's 200 with an error after possible effects",
    class: "MAYBE",
    error: "fatal_error",
    rotation: "strict",
    service: SLACK,
    fault: { response: json(200, { ok: false, error: "fatal_error" }) },
  },

  ...(
    [
      ["no access_token", { access_token: undefined }],
      ["an empty access_token", { access_token: "" }],
      ["an access_token that is a number", { access_token: 5 }],
      ["an access_token that is an object", { access_token: { token: "at-new" } }],
      ["an access_token with a line break", { access_token: "at\r\nx-evil: 1" }],
      ["an access_token over 16 KiB", { access_token: "a".repeat(16_385) }],
      ["a refresh_token with a line break", { refresh_token: "rt\nx" }],
      ["a refresh_token that is a number", { refresh_token: 7 }],
    ] as const
  ).map(([does, changes]): FaultRow => ({ id: "F40", does, ...bad, fault: { response: altered(() => changes) } })),
  {
    id: "F40",
    does: "no access_token, single-use",
    ...bad,
    rotation: "strict",
    fault: { response: altered(() => ({ access_token: undefined })) },
    later: LOST,
  },

  ...["mac", "DPoP", "bot"].map((token_type): FaultRow => ({
    id: "F42",
    does: `token_type ${token_type}, which the catalog does not name`,
    class: "MAYBE",
    error: "unsupported_token_type",
    fault: { response: altered(() => ({ token_type })) },
  })),
  { id: "F42", does: "no token_type", ...bad, fault: { response: altered(() => ({ token_type: undefined })) } },

  {
    id: "F43",
    does: "401 invalid_client",
    class: "misconfigured",
    error: "invalid_client",
    fault: { modes: ["invalid-client"] },
  },
  {
    id: "F43",
    does: "400 unauthorized_client",
    class: "misconfigured",
    error: "unauthorized_client",
    fault: { response: json(400, { error: "unauthorized_client" }) },
  },
  {
    id: "F43",
    does: "GitHub's 200 with incorrect_client_credentials",
    class: "misconfigured",
    error: "incorrect_client_credentials",
    rotation: "strict",
    service: GITHUB,
    fault: { response: json(200, { error: "incorrect_client_credentials" }) },
  },

  ...(
    [
      ["temporarily_unavailable", "temporarily_unavailable"],
      ["slow_down", "slow_down"],
      ["invalid_request", "invalid_request"],
      ["quantum_flux", "unrecognised_error"],
    ] as const
  ).map(([name, error]): FaultRow => ({
    id: "F44",
    does: `400 ${name}`,
    class: "NOT_CONSUMED",
    error,
    fault: { response: json(400, { error: name }) },
  })),
  {
    id: "F44",
    does: "403 with a page",
    class: "NOT_CONSUMED",
    error: "http_403",
    fault: { response: respond(403, "<h1>Forbidden</h1>", HTML) },
  },

  {
    id: "F45",
    does: "consent revoked, refresh token stays",
    class: "REFUSED",
    error: "invalid_grant",
    fault: { modes: ["revoked"] },
  },
  {
    id: "F45",
    does: "consent revoked, single-use",
    class: "REFUSED",
    error: "invalid_grant",
    rotation: "strict",
    fault: { modes: ["revoked"] },
  },

  {
    id: "F47",
    does: "307 to another host",
    class: "NOT_CONSUMED",
    error: "redirected",
    fault: { modes: ["redirect-token"] },
  },
  {
    id: "F47",
    does: "308 to another host",
    class: "NOT_CONSUMED",
    error: "redirected",
    fault: { response: respond(308, "", { location: "https://evil.example/token" }) },
  },
  {
    id: "F47",
    does: "302 to another host",
    class: "MAYBE",
    error: "http_302",
    fault: { response: respond(302, "", { location: "https://evil.example/token" }) },
  },

  { id: "F49", does: "gzip that unpacks to 200 MB", ...bad, fault: { modes: ["gzip-bomb"] } },
  {
    id: "F49",
    does: "gzip that unpacks to 200 MB, processed, single-use",
    ...bad,
    rotation: "strict",
    fault: { modes: ["gzip-bomb"] },
    later: LOST,
  },
];
