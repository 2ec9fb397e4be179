import { describe, expect, it } from "vitest";
import { instant, plus } from "../../src/core/types.ts";
import { keepAliveInterval_ms, refreshTokenExpiry } from "../../src/providers/lifetime.ts";
import { acceptsRedirect, type Lifetime } from "../../src/providers/provider.ts";
import { plainProvider } from "../oauth/support.ts";

const AT = instant(1_800_000_000_000);
const BEFORE = plus(AT, 1000);
const provider = (changes: Partial<Lifetime>) =>
  plainProvider({
    lifetime: {
      access_s: 3600,
      refresh: { kind: "stays" },
      refresh_idle_s: null,
      refresh_absolute_s: null,
      ...changes,
    },
  });

describe("the expiry of a refresh token", () => {
  it.each<[string, Partial<Lifetime>, number | null, typeof BEFORE | null, typeof BEFORE | null]>([
    ["is the one in the response", { refresh_idle_s: 10 }, 60, BEFORE, plus(AT, 60_000)],
    ["moves with every use if the token expires when unused", { refresh_idle_s: 10 }, null, BEFORE, plus(AT, 10_000)],
    ["is counted from the consent if it is absolute", { refresh_absolute_s: 10 }, null, null, plus(AT, 10_000)],
    ["does not move after the consent if it is absolute", { refresh_absolute_s: 10 }, null, BEFORE, BEFORE],
    ["is unknown if neither the response nor the definition states it", {}, null, BEFORE, null],
  ])("%s", (_claim, lifetime, announced_s, before, expected) => {
    expect(refreshTokenExpiry(provider(lifetime), { received_at: AT, announced_s }, before)).toBe(expected);
  });
});

describe("keeping a refresh token alive", () => {
  it.each<[string, Partial<Lifetime>, number | null]>([
    ["needs a refresh every third of its lifetime", { refresh_idle_s: 90 }, 30_000],
    ["is not possible if the expiry is fixed", { refresh_absolute_s: 90 }, null],
    ["is not needed if it does not expire", {}, null],
    ["is not needed without refresh tokens", { refresh: { kind: "none" }, refresh_idle_s: 90 }, null],
    ["is not needed if tokens are reminted", { refresh: { kind: "remint" }, refresh_idle_s: 90 }, null],
  ])("%s", (_claim, lifetime, expected) => {
    expect(keepAliveInterval_ms(provider(lifetime))).toBe(expected);
  });
});

describe("a redirect URI", () => {
  it("must be https only if the vendor requires it", () => {
    const strict = plainProvider({ https_redirect_only: true });
    expect(acceptsRedirect(plainProvider(), "http://localhost:4180/cb")).toBe(true);
    expect(acceptsRedirect(strict, "http://localhost:4180/cb")).toBe(false);
    expect(acceptsRedirect(strict, "https://connect.example/cb")).toBe(true);
  });
});
