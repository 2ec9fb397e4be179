import { describe, expect, it } from "vitest";
import { loadConfig, type Config } from "../../../src/config.ts";
import { EVENT_TYPES } from "../../../src/core/events.ts";
import { SECRET, SECRETS } from "./support.ts";

describe("the settings of webhooks", () => {
  const URL_SETTING = { HOLDFAST_WEBHOOK_URL: "https://example.com/hook?key=hidden" };
  const BOTH = { ...URL_SETTING, HOLDFAST_WEBHOOK_SECRET: SECRET };
  const load = (environment: Record<string, string>): Config => loadConfig({}, { ...environment });

  it("are removed from the environment, where functions and crash reports would find them", () => {
    const environment: Record<string, string> = { ...BOTH, HOLDFAST_WEBHOOK_SECRET: SECRETS.join(" ") };
    const { webhook } = loadConfig({}, environment);
    expect(webhook?.url.expose()).toBe(URL_SETTING.HOLDFAST_WEBHOOK_URL);
    expect(webhook?.secrets.map((secret) => secret.expose())).toEqual(SECRETS);
    expect(environment).toEqual({});
  });

  it("select every event except connection.refreshed, unless they name some", () => {
    expect(load({}).events_wanted.size).toBe(0);
    expect([...load(BOTH).events_wanted]).toEqual(EVENT_TYPES.filter((type) => type !== "connection.refreshed"));
    const some = load({ ...BOTH, HOLDFAST_WEBHOOK_EVENTS: "connection.refreshed, connection.recovered" });
    expect([...some.events_wanted]).toEqual(["connection.refreshed", "connection.recovered"]);
  });

  it.each<readonly [string, Record<string, string>]>([
    ["plain http", { ...BOTH, HOLDFAST_WEBHOOK_URL: "http://example.com/hook?key=hidden" }],
    ["no URL", { ...BOTH, HOLDFAST_WEBHOOK_URL: "example.com?key=hidden" }],
    ["a password", { ...BOTH, HOLDFAST_WEBHOOK_URL: "https://me:hidden@example.com/" }],
    ["no secret", URL_SETTING],
    ["no URL for the secret", { HOLDFAST_WEBHOOK_SECRET: SECRET }],
    ["a short secret", { ...BOTH, HOLDFAST_WEBHOOK_SECRET: `whsec_${Buffer.alloc(23).toString("base64")}` }],
    ["a long secret", { ...BOTH, HOLDFAST_WEBHOOK_SECRET: `whsec_${Buffer.alloc(65).toString("base64")}` }],
    ["a secret of another kind", { ...BOTH, HOLDFAST_WEBHOOK_SECRET: SECRET.replace("whsec_", "whpk_") }],
    ["a secret that is not base64", { ...BOTH, HOLDFAST_WEBHOOK_SECRET: `${SECRET}*` }],
    ["three secrets", { ...BOTH, HOLDFAST_WEBHOOK_SECRET: [...SECRETS, SECRET].join(" ") }],
    ["an unknown event", { ...BOTH, HOLDFAST_WEBHOOK_EVENTS: "connection.lost" }],
    ["events without a receiver", { HOLDFAST_WEBHOOK_EVENTS: "connection.recovered" }],
  ])("reject %s, and do not repeat secrets", (_, environment) => {
    expect(() => load(environment)).toThrow(
      expect.objectContaining({
        code: "configuration",
        message: expect.stringMatching(/^HOLDFAST_WEBHOOK_\w+ (?!.*(?:hidden|AQEB|AAAA)).+/),
      }),
    );
  });

  it("accept plain http on the same machine", () => {
    for (const origin of ["http://localhost:9/", "http://127.0.0.1:9/", "http://[::1]:9/"])
      expect(load({ ...BOTH, HOLDFAST_WEBHOOK_URL: origin }).webhook?.url.expose()).toBe(origin);
  });
});
