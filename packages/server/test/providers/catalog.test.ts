import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createCatalog, findProvider, nearestProvider, providers } from "../../src/providers/index.ts";
import { rotationClass, type Provider } from "../../src/providers/provider.ts";
import { checkConfig, fillTemplate } from "../../src/providers/template.ts";
import { plainProvider } from "../oauth/support.ts";

const FOLDER = join(import.meta.dirname, "../../src/providers/catalog");
const files = readdirSync(FOLDER, { withFileTypes: true }).filter((entry) => entry.isFile());
const all = [...providers.values()];
const sample = { instance_url: "https://acme.my.salesforce.com" };

const urlsOf = (provider: Provider): readonly string[] => [
  provider.authorization_url,
  provider.token_url,
  provider.health.url,
  ...provider.hosts.map((host) => host.base_url),
  ...(provider.identity.from === "request" ? [provider.identity.request.url] : []),
  ...(provider.revocation.kind === "none" ? [] : [provider.revocation.url]),
];

describe("the catalog", () => {
  it("lists exactly the files of its folder, each under its own name", () => {
    const names = files.map((file) => file.name.replace(/\.ts$/, ""));
    expect([...providers.keys()].toSorted()).toEqual(names.toSorted());
  });

  it.each(files.map((file) => file.name))("%s says where and when it was checked", (name) => {
    expect(readFileSync(join(FOLDER, name), "utf8")).toMatch(
      /^\/\*\*[^/]*https:\/\/[\s\S]*?\(checked \d{4}-\d\d-\d\d\)/,
    );
  });

  it("keeps the names of providers out of every other file", () => {
    const outside = [join(FOLDER, ".."), join(FOLDER, "../../oauth")].flatMap((folder) =>
      readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile()),
    );
    const names = new RegExp(`["'\`](${[...providers.keys()].join("|")})["'\`]`);
    for (const { parentPath, name } of outside) expect(readFileSync(join(parentPath, name), "utf8")).not.toMatch(names);
  });

  it.each(all)("$id is complete and consistent", (provider) => {
    expect(provider.id).toMatch(/^[a-z0-9_-]{1,64}$/);
    expect(provider.vendor).toMatch(/^[a-z0-9]+$/);
    expect(provider.sources.length).toBeGreaterThan(0);
    for (const line of provider.unverified) expect(line).toMatch(/^[a-z_., ]+: .+;/);
    for (const { pattern } of [...provider.config_fields, ...provider.derived_config])
      expect(pattern).toMatch(/^\^.*\$$/);
    for (const { default: value, pattern } of provider.config_fields) {
      expect(value === null || new RegExp(pattern).test(value)).toBe(true);
    }
    expect(provider.scope_param === null && provider.default_scopes.length > 0).toBe(false);
  });

  it.each(all)("$id has only URLs that its defaults and derived values fill", (provider) => {
    for (const url of urlsOf(provider)) {
      const filled = fillTemplate(provider, url, sample, "client-1");
      expect(filled).toMatch(/^https:\/\/[a-z0-9.]+(\/|$)/);
    }
  });

  it.each(all)("$id works without any setting given", (provider) => {
    expect(checkConfig(provider, {})).toHaveProperty("config");
  });

  it("treats a refresh token as single use wherever it may be", () => {
    const classes = Object.fromEntries(all.map((provider) => [provider.id, rotationClass(provider)]));
    expect(classes).toEqual({
      github: "strict",
      googlecalendar: "none",
      notion: "strict",
      salesforce: "strict",
      slack: "strict",
      slackbot: "strict",
    });
  });

  it("finds by id and by vendor", () => {
    expect(findProvider("notion")?.display_name).toBe("Notion");
    expect(findProvider("constructor")).toBeNull();
    expect(
      createCatalog()
        .byVendor("slack")
        .map(({ id }) => id),
    ).toEqual(["slack", "slackbot"]);
    expect(createCatalog().byVendor("nobody")).toEqual([]);
  });

  it("takes further providers, but never two of one id", () => {
    const catalog = createCatalog([plainProvider()]);
    expect(catalog.get("plain")?.id).toBe("plain");
    expect(catalog.all()).toHaveLength(all.length + 1);
    expect(catalog.nearest("plian")).toBe("plain");
    expect(findProvider("plain")).toBeNull();
    expect(() => createCatalog([plainProvider({ id: "slack" })])).toThrow(/same id/);
  });

  it.each([
    ["google_calendar", "googlecalendar"],
    ["GoogleCalender", "googlecalendar"],
    ["Slack", "slack"],
    ["slack-bot", "slackbot"],
    ["gihub", "github"],
    ["salesfroce", "salesforce"],
    ["jira", null],
    ["", null],
  ])("takes %s for %s", (name, expected) => {
    expect(nearestProvider(name)).toBe(expected);
  });

  it("does not compare names that no provider could have", () => {
    expect(nearestProvider("slack".repeat(100_000))).toBeNull();
  });
});
