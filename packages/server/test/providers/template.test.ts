import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ConfigField } from "../../src/providers/provider.ts";
import { checkConfig, fillTemplate } from "../../src/providers/template.ts";
import { catalog, plainProvider } from "../oauth/support.ts";

const salesforce = catalog("salesforce");
const slack = catalog("slack");

const field = (name: string, pattern: string, changes: Partial<ConfigField> = {}): ConfigField => ({
  name,
  display_name: `The ${name}`,
  description: "",
  placeholder: "",
  required: true,
  default: null,
  pattern,
  validation_error: `${name} is wrong.`,
  ...changes,
});

/**
 * The most careless patterns an operator can write. They accept anything, so only the second check
 * is left.
 */
const careless = plainProvider({
  config_fields: [
    field("sub", "^[\\s\\S]*$"),
    field("path", "^[\\s\\S]*$"),
    field("whole", "^[\\s\\S]*$", { under: ["api.example"] }),
  ],
});

const TRICKS = [
  "evil.com/",
  "evil.com#",
  "evil.com?",
  "evil.com\\",
  "evil.com/x",
  "user@evil.com",
  "a:443",
  "a:8443",
  "@evil",
  "..",
  "a..b/..",
  "%2e%2e",
  "%65vil",
  "a\nb",
  "a\tb",
  " a",
  "a ",
  "a\0",
  "ｅvil",
  "evil。com",
  "127.1#",
  "[::1]",
  "//evil.com",
  "https://evil.com",
  "EVIL",
  "é",
];

const fillWhole = (whole: string) => fillTemplate(careless, "{whole}", { whole });

describe("a URL template", () => {
  it.each(TRICKS)("never lets %j choose the host", (value) => {
    const moved = [value, `x${value}`].filter((sub) => {
      const url = fillTemplate(careless, "https://{sub}.plain.example/v1", { sub });
      return url !== null && new URL(url).hostname !== `${sub}.plain.example`;
    });
    expect(moved).toEqual([]);
  });

  it.each(TRICKS)("keeps %j inside its path segment", (path) => {
    const url = fillTemplate(careless, "https://plain.example/v1/{path}/x", { path });
    const { host, pathname } = new URL(url ?? "https://plain.example/v1/none/x");
    expect([host, pathname.split("/").length]).toEqual(["plain.example", 4]);
  });

  it("rejects plain http, ports, users, paths and fragments in a value that is a whole origin", () => {
    expect(fillWhole("https://api.example")).toBe("https://api.example");
    for (const bad of [
      "http://api.example",
      "https://api.example:8443",
      "https://api.example:443",
      "https://a@api.example",
      "https://api.example/",
      "https://api.example/x",
      "https://api.example#x",
      "https://API.example",
      "https://127.1",
      "javascript:x",
      "api.example",
      "",
    ]) {
      expect([bad, fillWhole(bad)]).toEqual([bad, null]);
    }
  });

  it("is not filled in if a value is missing, unknown or does not match its pattern", () => {
    expect(fillTemplate(salesforce, "{instance_url}", {})).toBeNull();
    expect(fillTemplate(salesforce, "https://{unknown}.example", { unknown: "a" })).toBeNull();
    expect(fillTemplate(salesforce, salesforce.token_url, { hostname: "evil.com" })).toBeNull();
    expect(fillTemplate(salesforce, "{instance_url}", { instance_url: "https://evilsalesforce.com" })).toBeNull();
    expect(fillTemplate(plainProvider(), "https://{constructor}.example", {})).toBeNull();
    expect(fillTemplate(plainProvider(), "https://plain.example/{client_id}/token", {}, "..")).toBeNull();
    expect(fillTemplate(plainProvider(), "https://plain.example/{client_id}/token", {}, "a/b")).toBeNull();
    expect(fillTemplate(plainProvider(), "http://plain.example", {})).toBeNull();
    expect(fillTemplate(plainProvider(), "https://plain.example:444/x", {})).toBeNull();
    expect(fillTemplate(plainProvider(), "https://plain.example/#x", {})).toBeNull();
  });

  it("accepts a value as a whole host only under the domains of its field, even if its pattern accepts more", () => {
    const provider = plainProvider({
      config_fields: [
        field("free", "^[a-z.-]+$"),
        field("own", "^[a-z.-]+$", { under: ["acme.example", "acme.test"] }),
      ],
    });
    const at = (template: string, name: string, value: string) => fillTemplate(provider, template, { [name]: value });
    expect(at("https://{own}/x", "own", "acme.example")).toBe("https://acme.example/x");
    expect(at("https://{own}/x", "own", "a.b.acme.test")).toBe("https://a.b.acme.test/x");
    for (const host of ["evil.example", "notacme.example", "acme.example.evil.example", "example", "acme.example."]) {
      expect([host, at("https://{own}/x", "own", host)]).toEqual([host, null]);
    }
    expect(at("https://{free}/x", "free", "acme.example")).toBeNull();
    expect(at("https://{free}.example/x", "free", "acme")).toBeNull();
    expect(at("https://{free}.acme.example/x", "free", "eu")).toBe("https://eu.acme.example/x");
    expect(checkConfig(provider, { free: "x", own: "evil.example" })).toHaveProperty("errors");
  });

  it("uses the default of a field that was left out", () => {
    expect(fillTemplate(salesforce, salesforce.token_url, {})).toBe(
      "https://login.salesforce.com/services/oauth2/token",
    );
    expect(fillTemplate(salesforce, salesforce.token_url, { hostname: "acme--dev.sandbox.my.salesforce.com" })).toBe(
      "https://acme--dev.sandbox.my.salesforce.com/services/oauth2/token",
    );
  });

  it("property: for any input, a resulting URL is https, at the literal host or under its suffix", () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constantFrom(...TRICKS), fc.webUrl());
    fc.assert(
      fc.property(text, text, (sub, path) => {
        const filled = fillTemplate(careless, "https://{sub}.plain.example/v1/{path}?q={path}", { sub, path });
        if (filled === null) return;
        const url = new URL(filled);
        expect(url.href).toBe(filled);
        expect([url.protocol, url.port, url.username, url.password, url.hash]).toEqual(["https:", "", "", "", ""]);
        expect(url.hostname).toBe(`${sub}.plain.example`);
        expect(url.pathname.startsWith("/v1/")).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it("property: every config that Salesforce's patterns accept stays at Salesforce's hosts", () => {
    const hosts = /\.(salesforce\.com|salesforce\.mil|sfcrmproducts\.cn|force\.com|cloudforce\.com)$/;
    const [hostname] = salesforce.config_fields;
    const instance_url = salesforce.derived_config.find(({ name }) => name === "instance_url");
    const accepted = fc.stringMatching(new RegExp(hostname?.pattern ?? "x"));
    const instances = fc.stringMatching(new RegExp(instance_url?.pattern ?? "x"));
    fc.assert(
      fc.property(accepted, instances, (host, instance) => {
        expect(checkConfig(salesforce, { hostname: host })).toEqual({ config: { hostname: host } });
        const token_url = fillTemplate(salesforce, salesforce.token_url, { hostname: host });
        expect(new URL(token_url ?? "").hostname).toBe(host);
        expect(host).toMatch(hosts);
        const api = fillTemplate(salesforce, "{instance_url}", { instance_url: instance });
        expect(api === null || hosts.test(new URL(api).hostname)).toBe(true);
      }),
    );
  });

  it("property: a value that Salesforce's pattern rejects yields no URL", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.domain(), fc.constantFrom(...TRICKS)), (hostname) => {
        const ok = "config" in checkConfig(salesforce, { hostname }) && hostname !== "";
        const url = fillTemplate(salesforce, salesforce.token_url, { hostname });
        expect(url !== null).toBe(ok);
      }),
    );
  });
});

const kinds = (result: ReturnType<typeof checkConfig>) =>
  "errors" in result ? result.errors.map(({ kind, name }) => [kind, name]) : result.config;

describe("checkConfig", () => {
  it.each<[string, Record<string, string>, unknown]>([
    ["accepts an empty config", {}, {}],
    ["accepts a valid value", { team: "T0123456789" }, { team: "T0123456789" }],
    ["treats an empty string as missing", { team: "" }, {}],
    ["rejects an invalid value", { team: "nope" }, [["invalid", "team"]]],
    ["rejects a value with a trailing line break", { team: "T0123456789\n" }, [["invalid", "team"]]],
    ["rejects an unknown name", { tea: "T0123456789" }, [["unknown", "tea"]]],
    ["rejects the name of a derived value", { team_id: "T0123456789" }, [["unknown", "team_id"]]],
    [
      "reports every error",
      { team: "x", a: "y" },
      [
        ["unknown", "a"],
        ["invalid", "team"],
      ],
    ],
  ])("%s", (_claim, input, expected) => {
    expect(kinds(checkConfig(slack, input))).toEqual(expected);
  });

  it("fills in defaults and reports what is missing", () => {
    expect(kinds(checkConfig(salesforce, {}))).toEqual({ hostname: "login.salesforce.com" });
    expect(checkConfig(plainProvider({ config_fields: [field("site", "^a$")] }), { site: "" })).toEqual({
      errors: [{ kind: "missing", name: "site", message: "The site is required." }],
    });
  });

  it("is not confused by names from Object.prototype", () => {
    const input = Object.fromEntries([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
    expect(kinds(checkConfig(slack, input))).toEqual([
      ["unknown", "__proto__"],
      ["unknown", "constructor"],
    ]);
  });
});
