import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkProvider, requestsOf, urlsOf } from "../../src/providers/check.ts";
import { hostPatterns } from "../../src/providers/hosts.ts";
import { createCatalog, providers } from "../../src/providers/index.ts";
import { keepAliveInterval_ms } from "../../src/providers/lifetime.ts";
import { rotationClass, type Provider } from "../../src/providers/provider.ts";
import { checkConfig, fillTemplate } from "../../src/providers/template.ts";
import { plainProvider } from "../oauth/support.ts";
import { sampleConfig } from "./samples.ts";

const SOURCE = join(import.meta.dirname, "../../src");
const FOLDER = join(SOURCE, "providers/catalog");
const files = readdirSync(FOLDER, { withFileTypes: true }).filter((entry) => entry.isFile());
const all = [...providers.values()];
const catalog = createCatalog();

const SEED = [
  "airtable box clickup discord dropbox github gmail google_analytics googlebigquery googlecalendar google_classroom",
  "googledocs googledrive google_search_console googlesheets googleslides hubspot linear linkedin microsoft_teams",
  "one_drive notion outlook salesforce share_point slack slackbot splitwise tiktok typeform wix wrike",
]
  .join(" ")
  .split(" ");
const NEWER = [
  "bamboohr calendly contentful databricks gitlab googleads googlemeet googletasks hugging_face instagram quickbooks",
  "snowflake square supabase",
]
  .join(" ")
  .split(" ");

describe("the catalog", () => {
  it("has the 32 original services, the 14 newer ones, and more", () => {
    expect([SEED.length, NEWER.length]).toEqual([32, 14]);
    expect([...SEED, ...NEWER, "x", "jira"].filter((id) => !providers.has(id))).toEqual([]);
  });

  it("lists exactly the files in its folder, each under its own name", () => {
    const names = files.map((file) => file.name.replace(/\.ts$/, ""));
    expect([...providers.keys()].toSorted()).toEqual(names.toSorted());
  });

  it.each(files.map((file) => file.name))("%s states where and when it was checked", (name) => {
    expect(readFileSync(join(FOLDER, name), "utf8")).toMatch(
      /^\/\*\*[^/]*https:\/\/[\s\S]*?\(checked \d{4}-\d\d-\d\d\)/,
    );
  });

  it("has a median file length below 70 lines", () => {
    const lines = files.map(({ name }) => readFileSync(join(FOLDER, name), "utf8").split("\n").length);
    const sorted = lines.toSorted((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(70);
  });

  it("keeps provider ids out of every other file", () => {
    const outside = readdirSync(SOURCE, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
      .map(({ parentPath, name }) => join(parentPath, name))
      // The demo lists the services that it shows.
      .filter((path) => !path.startsWith(FOLDER) && !/cli\/demo[^/]*$/.test(path));
    const names = [...providers.keys()].filter((id) => id.length > 3 && !["slack", "notion"].includes(id)).join("|");
    const comparison = new RegExp(`(?:===?|!==?|case|includes\\()\\s*["'\`](?:${names}|slack|notion|box|wix)["'\`]`);
    const branches = new RegExp(`["'\`](?:${names})["'\`]`);
    const offenders = outside.filter((path) => {
      const text = readFileSync(path, "utf8");
      return comparison.test(text) || (/src\/(?:providers|oauth)\//.test(path) && branches.test(text));
    });
    expect(offenders).toEqual([]);
  });

  it.each(all)("$id passes every check for providers", (provider) => {
    expect(checkProvider(provider)).toEqual([]);
  });

  it.each(all)("$id is complete", (provider) => {
    expect(provider.id).toMatch(/^[a-z0-9_-]{1,64}$/);
    expect(provider.vendor).toMatch(/^[a-z0-9]+$/);
    expect(provider.description).toMatch(/^[A-Z].*\.$/);
    expect(provider.sources.length).toBeGreaterThan(0);
    expect(provider.hosts.length).toBeGreaterThan(0);
    for (const host of hostPatterns(provider)) expect(host).toMatch(/^(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+$/);
    for (const text of [...provider.registration.notes, ...provider.traps]) expect(text).toMatch(/^[A-Z"].*[.…]$/i);
    for (const line of provider.unverified) expect(line).toMatch(/^[a-z_., ]+: .+;/);
    for (const url of provider.sources) expect(url).toMatch(/^https:\/\//);
  });

  it.each(all)("$id has only URLs that its defaults and sample values can fill in, at its own hosts", (provider) => {
    for (const [pointer, url] of urlsOf(provider)) {
      const filled = fillTemplate(provider, url, sampleConfig(provider), "client-1");
      expect([pointer, filled]).toEqual([pointer, expect.stringMatching(/^https:\/\/[a-z0-9.-]+(\/|$)/)]);
    }
  });

  it.each(all)("$id has a default for every setting that is not strictly required", (provider) => {
    const required = provider.config_fields.filter((field) => field.required).map((field) => field.name);
    const given = Object.fromEntries(required.map((name) => [name, sampleConfig(provider)[name] ?? ""]));
    expect(checkConfig(provider, given)).toHaveProperty("config");
    expect({ [provider.id]: required }).toEqual({ [provider.id]: REQUIRED[provider.id] ?? [] });
  });

  it("shares a redirect URI only between services with the same authorization server", () => {
    for (const vendor of new Set(all.map((provider) => provider.vendor))) {
      const servers = catalog
        .byVendor(vendor)
        .map(({ authorization_url, token_url }) => `${authorization_url} ${token_url}`);
      expect([vendor, new Set(servers).size]).toEqual([vendor, 1]);
    }
  });

  it("sends the client secret only to hosts under the vendor's own domains", () => {
    const domain = (url: string): string => new URL(url).hostname.split(".").slice(-2).join(".");
    const violations = all.flatMap((provider) => {
      const own = new Set(
        [provider.authorization_url, provider.token_url, ...provider.hosts.map((h) => h.base_url)].map((url) =>
          domain(filled(provider, url)),
        ),
      );
      return requestsOf(provider)
        .filter(
          ([, request]) =>
            request.auth === "client_secret_basic" || JSON.stringify(request).includes("{client_secret}"),
        )
        .filter(([, request]) => !own.has(domain(filled(provider, request.url))))
        .map(([pointer]) => `${provider.id}${pointer}`);
    });
    expect(violations).toEqual([]);
  });

  it("treats a refresh token as single use if it might be", () => {
    const classes = Object.fromEntries(all.map((provider) => [provider.id, rotationClass(provider)]));
    expect(classes).toEqual({
      airtable: "strict",
      asana: "none",
      bamboohr: "strict",
      bitbucket: "none",
      box: "strict",
      calendly: "strict",
      canva: "strict",
      clickup: "none",
      confluence: "grace",
      contentful: "none",
      databricks: "strict",
      discord: "strict",
      docusign: "strict",
      dropbox: "none",
      front: "strict",
      github: "strict",
      gitlab: "strict",
      gmail: "none",
      google_analytics: "none",
      google_classroom: "none",
      google_search_console: "none",
      googleads: "none",
      googlebigquery: "none",
      googlecalendar: "none",
      googledocs: "none",
      googledrive: "none",
      googlemeet: "none",
      googlesheets: "none",
      googleslides: "none",
      googletasks: "none",
      hubspot: "none",
      hugging_face: "strict",
      instagram: "none",
      intercom: "none",
      jira: "grace",
      linear: "strict",
      linkedin: "strict",
      microsoft_teams: "none",
      miro: "strict",
      notion: "strict",
      one_drive: "none",
      outlook: "none",
      quickbooks: "strict",
      salesforce: "strict",
      share_point: "none",
      slack: "strict",
      slackbot: "strict",
      snowflake: "strict",
      splitwise: "none",
      spotify: "strict",
      square: "none",
      strava: "strict",
      supabase: "strict",
      tiktok: "strict",
      todoist: "none",
      typeform: "strict",
      webflow: "none",
      wix: "none",
      wrike: "strict",
      x: "strict",
      xero: "grace",
      zoom: "strict",
    });
  });

  it("knows the services without refresh tokens, and the one whose tokens are reminted", () => {
    const of = (kind: string) => all.filter(({ lifetime }) => lifetime.refresh.kind === kind).map(({ id }) => id);
    expect(of("none")).toEqual(["clickup", "contentful", "intercom", "splitwise", "todoist", "webflow"]);
    expect(of("remint")).toEqual(["wix"]);
  });

  it("refreshes tokens that expire when unused at least every third of their lifetime", () => {
    const days = Object.fromEntries(
      ["airtable", "gmail", "outlook", "linkedin", "notion", "wix", "clickup"].map((id) => {
        const interval_ms = keepAliveInterval_ms(catalog.require(id));
        return [id, interval_ms === null ? null : interval_ms / 86_400_000];
      }),
    );
    expect(days).toEqual({
      airtable: 20,
      gmail: 60,
      outlook: 30,
      linkedin: null,
      notion: null,
      wix: null,
      clickup: null,
    });
  });

  it("marks the vendors that reject plain http, so users do not find out on the vendor's page", () => {
    expect(all.filter((provider) => provider.https_redirect_only).map(({ id }) => id)).toEqual(
      expect.arrayContaining(["tiktok", "wix", "slack", "slackbot", "instagram"]),
    );
  });

  it("finds providers by id and by vendor", () => {
    expect(catalog.get("notion")?.display_name).toBe("Notion");
    expect(catalog.get("constructor")).toBeNull();
    expect(catalog.byVendor("slack").map(({ id }) => id)).toEqual(["slack", "slackbot"]);
    expect(catalog.byVendor("unknown")).toEqual([]);
  });

  it("returns a required provider, or reports what is wrong with the id", () => {
    expect(catalog.require("notion").id).toBe("notion");
    expect(() => catalog.require("Not an id")).toThrow(expect.objectContaining({ code: "invalid_service" }));
    expect(() => catalog.require("nothing_like_it")).toThrow(expect.objectContaining({ code: "unknown_service" }));
    expect(() => catalog.require("slak")).toThrow(/Did you mean "slack"\?/);
    expect(() => catalog.require("constructor")).toThrow(expect.objectContaining({ code: "unknown_service" }));
  });

  it("accepts additional providers, but never two with the same id", () => {
    const extended = createCatalog([plainProvider()]);
    expect(extended.get("plain")?.id).toBe("plain");
    expect(extended.all()).toHaveLength(all.length + 1);
    expect(extended.nearest("plian")).toBe("plain");
    expect(catalog.get("plain")).toBeNull();
    expect(() => createCatalog([plainProvider({ id: "slack" })])).toThrow(/same id/);
  });

  it.each([
    ["google_calendar", "googlecalendar"],
    ["GoogleCalender", "googlecalendar"],
    ["Slack", "slack"],
    ["slack-bot", "slackbot"],
    ["gihub", "github"],
    ["salesfroce", "salesforce"],
    ["sharepoint", "share_point"],
    ["onedrive", "one_drive"],
    ["nothing_like_it", null],
    ["", null],
  ])("resolves %s to %s", (name, expected) => {
    expect(catalog.nearest(name)).toBe(expected);
  });

  it("does not compare names that are too long for a provider", () => {
    expect(catalog.nearest("slack".repeat(100_000))).toBeNull();
  });
});

/** Settings that a URL needs and that have no sensible default. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  bamboohr: ["company_domain"],
  databricks: ["host"],
  share_point: ["subdomain"],
  snowflake: ["subdomain"],
};

const filled = (provider: Provider, url: string): string =>
  fillTemplate(provider, url, sampleConfig(provider), "client-1") ?? "https://nowhere.example";
