import { describe, expect, it } from "vitest";
import { defineProvider } from "../../src/providers/provider.ts";
import { fieldsOf, textOf } from "../support/browser.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const tokenFor = (holdfast: TestServer, integration_type: string, seconds: string) =>
  holdfast.request(
    "GET",
    `/api/apps/${holdfast.app.app_id}/external-auth/tokens/${integration_type}?min_valid_seconds=${seconds}`,
    {
      headers: { authorization: `Bearer ${holdfast.app.service_token}` },
    },
  );

describe("min_valid_seconds", () => {
  it("serves the current token if it is valid for long enough", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    const first = await holdfast.accessToken("googlecalendar");
    const reply = await tokenFor(holdfast, "googlecalendar", "1800");
    expect([reply.status, reply.json["access_token"]]).toEqual([200, first]);
    expect(holdfast.refreshes()).toHaveLength(0);
  });

  it("refreshes once for many callers if the current token expires too early", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    const first = await holdfast.accessToken("googlecalendar");
    await holdfast.clock.jump(40 * MINUTE);
    const replies = await Promise.all(Array.from({ length: 20 }, () => tokenFor(holdfast, "googlecalendar", "1800")));
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
    expect(replies[0]?.json["access_token"]).not.toBe(first);
    expect(holdfast.refreshes()).toHaveLength(1);
    const { expires_at } = await holdfast.row("googlecalendar");
    expect((expires_at ?? 0) - holdfast.clock.now()).toBeGreaterThanOrEqual(1_800_000);
  });

  it("returns the maximum if no token is valid for that long, without a request to the provider", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    const reply = await tokenFor(holdfast, "googlecalendar", "7200");
    expect([reply.status, reply.code]).toEqual([409, "min_valid_unavailable"]);
    expect(reply.json["message"]).toMatch(/The maximum is 3\d\d\d\./);
    expect(holdfast.refreshes()).toHaveLength(0);
  });

  it("serves a token whose expiry is unknown", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("notion");
    expect((await tokenFor(holdfast, "notion", "86400")).status).toBe(200);
  });

  it("does not serve a token that expires too early if the provider is down", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    await holdfast.clock.jump(40 * MINUTE);
    holdfast.simulator.setModes({ modes: ["outage"] });
    const reply = await tokenFor(holdfast, "googlecalendar", "1800");
    expect([reply.status, reply.code]).toEqual([503, "provider_unavailable"]);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
  });

  it.for(["0", "-1", "1.5", "abc", "86401", "99999999999999999"])("rejects %s", async (seconds) => {
    const holdfast = await startTestServer();
    const reply = await tokenFor(holdfast, "googlecalendar", seconds);
    expect([reply.status, reply.code]).toEqual([400, "invalid_field"]);
  });
});

describe("a refresh token that expires in any case", () => {
  it("causes one warning 7 days before and one 1 day before, and again after a new consent", async () => {
    const holdfast = await startTestServer();
    // GitHub Apps announce the expiry of their refresh tokens.
    await holdfast.setClient("github", ["rotate", "500"]);
    await holdfast.connect("github");
    const { refresh_token_expires_at } = await holdfast.row("github");
    const end = refresh_token_expires_at ?? 0;
    const warnings = async () => (await holdfast.events()).filter((type) => type === "connection.expiring_soon").length;
    const tickAt = async (at: number) => {
      await holdfast.clock.jump(at - holdfast.clock.now());
      await holdfast.server.sweeper.tick();
      await holdfast.server.sweeper.tick();
    };
    expect(end).toBeGreaterThan(holdfast.clock.now() + 100 * DAY);
    await holdfast.installation.store.transaction(async (tx) => {
      // Failing refreshes would give up after four days. This is about the warning only.
      await tx.db.updateTable("connections").set({ refresh_at: null }).execute();
    });
    await tickAt(end - 8 * DAY);
    expect(await warnings()).toBe(0);
    await tickAt(end - 7 * DAY + HOUR);
    expect(await warnings()).toBe(1);
    await tickAt(end - DAY + HOUR);
    expect(await warnings()).toBe(2);
    expect((await holdfast.row("github")).warned_days).toBe(1);
  });
});

describe("a refresh token that expires from disuse", () => {
  const idle_s = 30 * 24 * 3600;
  const me = { method: "GET", url: "https://idle.example.com/api/v1/me" } as const;
  const idle = defineProvider({
    id: "idle",
    display_name: "Idle",
    description: "Access tokens that never expire, refresh tokens that must be used once in thirty days.",
    vendor: "idle",
    docs_url: "https://example.com/",
    registration: { url: "https://example.com/", notes: [] },
    authorization_url: "https://idle.example.com/oauth/authorize",
    token_url: "https://idle.example.com/oauth/token",
    client_auth: "client_secret_basic",
    default_scopes: ["read"],
    common_scopes: [],
    lifetime: {
      access_s: null,
      refresh: { kind: "rotates", reuse: "strict" },
      refresh_idle_s: idle_s,
      refresh_absolute_s: null,
    },
    identity: { from: "request", request: me, account: { id: "id", label: null, email: null } },
    health: me,
    revocation: { kind: "none", note: "none" },
    hosts: [],
    errors: { refused: [], misconfigured: [], transient: [] },
    sources: [],
    unverified: [],
  });

  it("is used in time by the sweeper, without readers, and expires later", async () => {
    const holdfast = await startTestServer({ providers: [idle] });
    await holdfast.setClient("idle", ["rotate", "no-expires-in"]);
    await holdfast.connect("idle");
    const { refresh_token_expires_at: first_end, expires_at } = await holdfast.row("idle");
    expect(expires_at).toBeNull();
    await holdfast.clock.jump(9 * DAY);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(0);
    await holdfast.clock.jump(2 * DAY);
    await holdfast.server.sweeper.tick();
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(1);
    const { refresh_token_expires_at: second_end, status } = await holdfast.row("idle");
    expect(status).toBe("active");
    expect((second_end ?? 0) - (first_end ?? 0)).toBe(11 * DAY);
  });
});

describe("a vendor that redirects to https only", () => {
  it("is refused on our page, which names the public URL, before the vendor would refuse", async () => {
    const holdfast = await startTestServer({ config: { provider_gateway: null } });
    const [strict] = holdfast.installation.catalog.all().filter((provider) => provider.https_redirect_only);
    await holdfast.setClient(strict?.id ?? "");
    const browser = await holdfast.signedIn();
    const { json } = await holdfast.initiate(strict?.id ?? "");
    const link = String(json["redirect_url"]);
    const confirm = await browser.get(link);
    const refused = await browser.post(link, fieldsOf(confirm.text));
    expect(refused.status).toBe(409);
    expect(textOf(refused.text)).toContain(holdfast.config.public_url);
    expect(textOf(refused.text)).toContain("HOLDFAST_PUBLIC_URL");
    expect(await holdfast.row(strict?.id ?? "").catch(() => null)).toBeNull();
  });

  it("connects over loopback http while the services are simulated", async () => {
    const holdfast = await startTestServer();
    const [strict] = holdfast.installation.catalog.all().filter((provider) => provider.https_redirect_only);
    await holdfast.connect(strict?.id ?? "");
    expect((await holdfast.row(strict?.id ?? "")).status).toBe("active");
  });
});
