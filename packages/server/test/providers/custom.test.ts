import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Static } from "typebox";
import { describe, expect, it, onTestFinished } from "vitest";
import { CodedError } from "../../src/core/errors.ts";
import type { JsonObject, JsonValue } from "../../src/core/types.ts";
import { authorizationUrl } from "../../src/oauth/authorization-url.ts";
import { loadCustomProviders, validateProvider } from "../../src/providers/custom.ts";
import { createCatalog } from "../../src/providers/index.ts";
import type { ProviderDefinition } from "../../src/providers/provider.ts";
import type { ProviderSchema } from "../../src/providers/schema.ts";
import { CANARY, credentials, fakeProvider, json, opened, refreshCall, rig } from "../oauth/support.ts";
import acme from "./fixtures/acme.json" with { type: "json" };

/**
 * Makes a type deeply readonly, flattens intersections and marks optional members, which
 * assignability ignores.
 */
type Plain<T> = [JsonValue] extends [T]
  ? "any JSON"
  : T extends string | number | boolean | null
    ? T
    : T extends readonly (infer Item)[]
      ? readonly Plain<Item>[]
      : {
          readonly [Key in keyof T]-?: Pick<T, Key> extends Required<Pick<T, Key>>
            ? Plain<T[Key]>
            : readonly ["optional", Plain<T[Key]>];
        };
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

// If this does not compile, schema.ts differs from ProviderDefinition or DeviationRef.
const schema_matches_type: Same<Plain<Static<typeof ProviderSchema>>, Plain<ProviderDefinition>> = true;

const valid: JsonObject = JSON.parse(JSON.stringify(acme));

/** Returns the valid file with `value` at `pointer`. An undefined value removes the member. */
function changed(pointer: string, value: JsonValue | undefined, target: JsonValue = valid): JsonValue {
  const [step = "", ...rest] = pointer.slice(1).split("/");
  const inner = (child: JsonValue | undefined): JsonValue | undefined =>
    rest.length === 0 ? value : changed(`/${rest.join("/")}`, value, child ?? {});
  if (Array.isArray(target)) {
    return target.map((item: JsonValue, index) => (String(index) === step ? (inner(item) ?? null) : item));
  }
  const members = Object.entries(target ?? {});
  const replaced = inner(members.find(([name]) => name === step)?.[1]);
  const kept = members.filter(([name]) => name !== step);
  return Object.fromEntries(replaced === undefined ? kept : [...kept, [step, replaced]]);
}

const problemsOf = (value: unknown) => {
  const checked = validateProvider(value);
  return "problems" in checked ? checked.problems : [];
};

function directoryOf(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-providers-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

function rejectionOf(directory: string): CodedError {
  try {
    loadCustomProviders(directory);
  } catch (error) {
    if (error instanceof CodedError) return error;
  }
  throw new Error("the directory was accepted");
}

describe("an operator's own service", () => {
  it("has exactly the shape of the built-in ones", () => {
    expect(schema_matches_type).toBe(true);
  });

  it("is read from its file and works like the built-in ones", async () => {
    const [provider, ...rest] = loadCustomProviders(
      directoryOf({ "acme.json": JSON.stringify(valid), "notes.txt": "x" }),
    );
    if (provider === undefined) throw new Error("no provider was loaded");
    expect(rest).toEqual([]);
    expect(createCatalog([provider]).get("acme")?.display_name).toBe("Acme");
    const url = authorizationUrl({
      provider,
      config: { region: "eu1" },
      client_id: "client-1",
      redirect_uri: "https://connect.example/api/external-auth/callback/acme",
      state: "s",
      code_challenge: "c",
      scopes: provider.default_scopes,
    });
    expect(new URL(url).host).toBe("eu1.acme.example.com");

    const fake = await fakeProvider((response) => json(response, { access_token: "new", expires: 60 }));
    const outcome = await rig(fake.gateway).client.refresh(refreshCall(provider, { config: { region: "eu1" } }));
    expect(opened(outcome)).toMatchObject({ access_token: "new", announced_s: 60 });
    expect(fake.seen[0]?.url).toBe("/eu1.acme.example.com/oauth/token");
    expect(fake.seen[0]?.body).toContain(`client_secret=${CANARY.secret}`);
    expect(credentials.client_id).toBe("client-1.2_3");
  });

  it("can contain $schema for the operator's editor", () => {
    expect(problemsOf({ $schema: "./provider.schema.json", ...valid })).toEqual([]);
  });

  const field = "/config_fields/0";
  it.each<[string, JsonValue, string, RegExp]>([
    ["an unknown field", changed("/tokenurl", "x"), "/tokenurl", /not a known field/],
    ["no token_url", changed("/token_url", undefined), "/token_url", /is required/],
    ["plain http", changed("/token_url", "http://acme.example.com/token"), "/token_url", /https/],
    ["a URL with a user", changed("/token_url", "https://a@acme.example.com/t"), "/token_url", /plain host/],
    ["a URL with a port", changed("/token_url", "https://acme.example.com:8443/t"), "/token_url", /plain host/],
    ["a host that a setting chooses", changed("/token_url", "https://{region}/t"), "/token_url", /`under`/],
    [
      "a host directly under a top-level domain",
      changed("/token_url", "https://{region}.com/t"),
      "/token_url",
      /`under`/,
    ],
    ["an unknown variable", changed("/token_url", "https://{regoin}.acme.example.com/t"), "/token_url", /\{regoin\}/],
    [
      "a pattern without an anchor at its end",
      changed(`${field}/pattern`, "^[a-z]+"),
      `${field}/pattern`,
      /ends with \$/,
    ],
    ["a pattern with a bare |", changed(`${field}/pattern`, "^a|b$"), `${field}/pattern`, /begins with \^/],
    ["an invalid pattern", changed(`${field}/pattern`, "^[a$"), `${field}/pattern`, /regular expression/],
    [
      "a default that does not match its pattern",
      changed(`${field}/default`, "EU 1"),
      `${field}/default`,
      /own pattern/,
    ],
    ["the id of a built-in service", changed("/id", "slack"), "/id", /with that id already exists/],
    ["an id with capitals", changed("/id", "Acme"), "/id", /pattern/],
    ["another vendor's redirect URI", changed("/vendor", "google"), "/vendor", /belongs to/],
    ["an unknown kind of revocation", changed("/revocation/kind", "magic"), "/revocation/kind", /"none" or "rfc7009"/],
    ["a revocation without its URL", changed("/revocation/url", undefined), "/revocation/url", /required/],
    ["an unknown deviation", changed("/deviations/0/name", "voodoo"), "/deviations/0/name", /"nested_token"/],
    [
      "a deviation without a required member",
      changed("/deviations/0/members", undefined),
      "/deviations/0/members",
      /required/,
    ],
    [
      "a state parameter of its own",
      changed("/authorization_params", { state: "x" }),
      "/authorization_params/state",
      /protocol sets/,
    ],
    [
      "a credential in a header",
      changed("/token_headers", { Authorization: "x" }),
      "/token_headers/Authorization",
      /credential/,
    ],
    [
      "a token among the values that callers can read",
      changed("/derived_config", [{ name: "t", from: "token", path: "refresh_token", pattern: "^.*$" }]),
      "/derived_config/0/path",
      /secret/,
    ],
    [
      "the client secret in a health request",
      changed("/health/headers", { x: "{client_secret}" }),
      "/health",
      /access token alone/,
    ],
    ["scopes without a scope parameter", changed("/scope_param", null), "/default_scopes", /must be empty/],
    [
      "two expiries of a refresh token",
      changed("/lifetime/refresh_absolute_s", 9),
      "/lifetime/refresh_absolute_s",
      /null/,
    ],
    ["a number given as a string", changed("/lifetime/access_s", "3600"), "/lifetime/access_s", /integer or null/],
    ["a duplicate name", changed("/derived_config/0/name", "region"), "/derived_config/0/name", /earlier/],
    ["a value that is not an object", [1], "", /object/],
  ])("is rejected with %s", (_claim, value, pointer, rule) => {
    expect(problemsOf(value)).toContainEqual({ pointer, rule: expect.stringMatching(rule) });
  });

  it("reports a single problem for a single mistake, at its position", () => {
    expect(problemsOf(changed("/revocation/url", "ftp://x"))).toHaveLength(1);
    expect(problemsOf(changed("/identity/account/id", 5))).toEqual([
      { pointer: "/identity/account/id", rule: expect.stringMatching(/string/) },
    ]);
  });
});

describe("the directory of custom providers", () => {
  it("is rejected as a whole, and reports the file, field and rule of every problem", () => {
    const directory = directoryOf({
      "a.json": JSON.stringify(changed("/token_url", "http://x.example.com")),
      "b.json": "{",
      "c.json": JSON.stringify(valid),
      "d.json": JSON.stringify(valid),
      "e.json": `"${"x".repeat(300_000)}"`,
    });
    const rejection = rejectionOf(directory);
    expect(rejection.code).toBe("configuration");
    expect(rejection.options.errors).toEqual([
      { name: "a.json/token_url", message: expect.stringMatching(/https/) },
      { name: "b.json", message: "must be JSON" },
      { name: "d.json/id", message: expect.stringMatching(/already/) },
      { name: "e.json", message: "must be no larger than 262144 bytes" },
    ]);
    expect(rejection.message).toContain(directory);
    expect(rejection.message).toContain("  d.json/id: must not be");
  });

  it("can be empty, but must exist", () => {
    expect(loadCustomProviders(directoryOf({}))).toEqual([]);
    expect(rejectionOf("/nowhere/at/all").message).toMatch(/Cannot read .*, \/nowhere\/at\/all\. Create it/);
  });

  it("accepts two services of one vendor that share both endpoints", () => {
    const second = JSON.stringify(changed("/id", "acme_admin"));
    const directory = directoryOf({ "1.json": JSON.stringify(valid), "2.json": second });
    expect(loadCustomProviders(directory).map(({ id }) => id)).toEqual(["acme", "acme_admin"]);
  });
});
