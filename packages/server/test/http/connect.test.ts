import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { approveConsent } from "@holdfast/simulator";
import { describe, expect, it, vi } from "vitest";
import { HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { authorizationUrlOf, fieldsOf, textOf, type Browser } from "../support/browser.ts";
import { asList } from "../support/http.ts";
import { addAccount, startTestServer, type TestServer } from "../support/server.ts";

const TYPES = ["googlecalendar", "slack", "slackbot", "github", "notion", "salesforce"] as const;

async function ready(integration_type = "googlecalendar", modes: readonly string[] = []) {
  const holdfast = await startTestServer();
  await holdfast.setClient(integration_type, modes);
  return { holdfast, person: await holdfast.signedIn() };
}

async function linkOf(holdfast: TestServer, integration_type = "googlecalendar", body?: unknown): Promise<string> {
  const reply = await holdfast.initiate(integration_type, body);
  if (typeof reply.json["redirect_url"] !== "string") throw new Error(`PUT answered ${reply.status}: ${reply.text}`);
  return reply.json["redirect_url"];
}

/** A consent up to the callback URL that the provider's page would open. */
async function approved(holdfast: TestServer, person: Browser, integration_type = "googlecalendar", body?: unknown) {
  return approveConsent(await person.start(await linkOf(holdfast, integration_type, body)));
}

const exchanges = ({ simulator }: TestServer) =>
  simulator.ledger().requests.filter(({ kind }) => kind === "code_exchange");

const statusOf = async (holdfast: TestServer, connection_id: unknown, integration_type = "googlecalendar") =>
  (
    await holdfast.manage(
      "GET",
      `/api/apps/${holdfast.app.app_id}/external-auth/status?integration_type=${integration_type}&connection_id=${String(connection_id)}`,
    )
  ).json["status"];

const audited = async ({ installation, app }: TestServer) => {
  await installation.audit.flush();
  return (await installation.store.listAudit(app.app_id, 50)).map(({ action }) => action);
};

/** The parameters of a URL, changed. */
function withParameters(url: string, change: Readonly<Record<string, string | null>>): string {
  const changed = new URL(url);
  for (const [name, value] of Object.entries(change)) {
    if (value === null) changed.searchParams.delete(name);
    else changed.searchParams.set(name, value);
  }
  return changed.href;
}

describe("starting a consent", () => {
  it("answers six fields, none missing", async () => {
    const { holdfast } = await ready();
    const reply = await holdfast.initiate("googlecalendar");
    expect(reply.json).toEqual({
      redirect_url: `${holdfast.config.public_url}/connect/${String(reply.json["connection_id"])}`,
      connection_id: expect.stringMatching(/^flw_/),
      already_authorized: false,
      error: null,
      error_message: null,
      other_user_email: null,
    });
  });

  it("answers a repeated PUT with the same flow", async () => {
    const { holdfast } = await ready();
    const [first, second] = [await holdfast.initiate("googlecalendar"), await holdfast.initiate("googlecalendar")];
    expect(second.json).toEqual(first.json);
  });

  it("says already authorized for the same scopes, and asks again for others", async () => {
    const { holdfast } = await ready();
    const scope = "https://www.googleapis.com/auth/calendar.readonly";
    await holdfast.connect("googlecalendar", { declared: [scope] });
    const same = await holdfast.initiate("googlecalendar", { scopes: [scope] });
    const { id } = await holdfast.row("googlecalendar");
    expect(same.json).toMatchObject({ redirect_url: null, connection_id: id, already_authorized: true });
    expect((await holdfast.initiate("googlecalendar", { scopes: [] })).json["already_authorized"]).toBe(false);
  });

  it("refuses the 21st pending consent, and takes it ten minutes later", async () => {
    const { holdfast } = await ready();
    for (let index = 1; index <= 20; index += 1)
      expect((await holdfast.initiate("googlecalendar", { scopes: [`s${index}`] })).status).toBe(200);
    const full = await holdfast.initiate("googlecalendar", { scopes: ["s21"] });
    expect([full.status, full.code, full.headers.get("retry-after")]).toEqual([429, "too_many_flows", "600"]);
    await holdfast.clock.jump(10 * MINUTE);
    expect((await holdfast.initiate("googlecalendar", { scopes: ["s21"] })).status).toBe(200);
  });

  it("says where to register when no OAuth client is set", async () => {
    const holdfast = await startTestServer();
    const reply = await holdfast.initiate("slack");
    expect([reply.status, reply.code]).toEqual([409, "oauth_client_missing"]);
    expect(reply.json["message"]).toContain("holdfast clients set slack --client-id");
  });

  it.for([
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "\t//evil.example",
    "/%09/evil.example",
    "javascript:alert(1)",
    "",
    "apps",
    "/a//b\n",
    "/?x=https://evil.example",
    "/.//evil.example/../..//x\u0000",
  ])("refuses to return to %j", async (return_to) => {
    const { holdfast } = await ready();
    const reply = await holdfast.initiate("googlecalendar", { scopes: [], return_to });
    expect([reply.status, reply.code]).toEqual([400, "invalid_return_to"]);
  });

  it("leads back to a path of this server after the consent", async () => {
    const { holdfast, person } = await ready();
    const result = await person.consent(await linkOf(holdfast, "googlecalendar", { scopes: [], return_to: "/apps" }));
    expect(result.text).toContain('<a href="/apps">Continue</a>');
  });

  it("refuses scopes that could smuggle a parameter", async () => {
    const { holdfast } = await ready();
    for (const scope of ["a b", 'a"b', "a\\b", "a\u00e9", "a\nb"]) {
      const reply = await holdfast.initiate("googlecalendar", { scopes: [scope] });
      expect([reply.status, reply.code]).toEqual([400, "invalid_scope"]);
    }
  });

  it("starts nothing by a GET: the link and the reconnect page may be opened by anything", async () => {
    const { holdfast, person } = await ready();
    const link = await linkOf(holdfast);
    const page = `/apps/${holdfast.app.app_id}/connect/googlecalendar`;
    const before = await flows(holdfast);
    for (const address of [link, page, link, page]) expect((await person.get(address)).status).toBe(200);
    expect(await flows(holdfast)).toEqual(before);
    expect(person.cookies.has("holdfast-flow")).toBe(false);
  });

  it("asks whoever is not signed in to sign in", async () => {
    const { holdfast } = await ready();
    const stranger = holdfast.browser();
    for (const address of [await linkOf(holdfast), `/apps/${holdfast.app.app_id}/connect/googlecalendar`, "/"]) {
      const page = await stranger.get(address);
      expect(page.status).toBe(401);
      expect(textOf(page.text)).toContain("holdfast setup-link");
    }
    expect((await stranger.post(await linkOf(holdfast), {})).status).toBe(401);
  });
});

describe("a whole consent", () => {
  it.for(TYPES)("connects %s, from the confirm page to a token that its API takes", async (type) => {
    const { holdfast, person } = await ready(type);
    const link = await linkOf(holdfast, type);
    const confirm = textOf((await person.get(link)).text);
    expect(confirm).toContain("The app test needs an account");
    expect(confirm).toContain(`${holdfast.config.public_url}/api/external-auth/callback/`);
    const result = await person.consent(link, { account: "bob" });
    expect(textOf(result.text)).toContain("is connected");
    const ledger = holdfast.simulator.ledger();
    const hash = createHash("sha256")
      .update(await holdfast.accessToken(type))
      .digest("hex");
    expect(ledger.access_tokens[hash]).toMatchObject({ status: "current" });
    expect(ledger.cookies_seen).toEqual([]);
    expect(ledger.query_secrets_seen).toEqual([]);
    expect((await holdfast.row(type)).status).toBe("active");
  });

  it.for([
    ["googlecalendar", true],
    ["github", true],
    ["salesforce", true],
    ["slack", false],
    ["notion", false],
  ] as const)("sends a S256 challenge of 43 characters to %s: %s", async ([type, pkce]) => {
    const { holdfast, person } = await ready(type);
    const url = new URL(await person.start(await linkOf(holdfast, type)));
    expect(url.searchParams.get("code_challenge_method")).toBe(pkce ? "S256" : null);
    expect(url.searchParams.get("code_challenge")?.length ?? null).toBe(pkce ? 43 : null);
    expect(url.searchParams.get("state")).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it("shows PENDING until it is finished, then ACTIVE", async () => {
    const { holdfast, person } = await ready();
    const { connection_id, redirect_url } = (await holdfast.initiate("googlecalendar")).json;
    expect(await statusOf(holdfast, connection_id)).toBe("PENDING");
    const authorize_url = await person.start(String(redirect_url));
    expect(await statusOf(holdfast, connection_id)).toBe("PENDING");
    await person.finish(await approveConsent(authorize_url));
    expect(await statusOf(holdfast, connection_id)).toBe("ACTIVE");
    expect(await statusOf(holdfast, (await holdfast.row("googlecalendar")).id)).toBe("ACTIVE");
  });

  it("shows FAILED when it was denied or ran out, and 404 for what never was", async () => {
    const { holdfast, person } = await ready();
    const denied = (await holdfast.initiate("googlecalendar")).json;
    await person.consent(String(denied["redirect_url"]), { decision: "deny" });
    expect(await statusOf(holdfast, denied["connection_id"])).toBe("FAILED");
    const late = (await holdfast.initiate("googlecalendar")).json;
    await holdfast.clock.jump(10 * MINUTE);
    expect(await statusOf(holdfast, late["connection_id"])).toBe("FAILED");
    expect(await statusOf(holdfast, "flw_00000000000000000000")).toBeUndefined();
    expect(await statusOf(holdfast, late["connection_id"], "slack")).toBeUndefined();
  });

  it("records the scopes that were granted, and says which are missing", async () => {
    const { holdfast } = await ready("github", ["partial-scopes"]);
    await holdfast.connect("github", { declared: ["repo", "gist"] });
    const list = await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`);
    expect(list.json["integrations"]).toMatchObject([
      { integration_type: "github", status: "active", scopes: ["repo", "gist"], missing_scopes: ["gist"] },
    ]);
  });

  it("reaches a provider that redirects to another host first", async () => {
    const { holdfast } = await ready("github", ["hop"]);
    await holdfast.connect("github");
    expect((await holdfast.token("github")).status).toBe(200);
  });

  it("connects again by the reconnect page, in place of what is there", async () => {
    const { holdfast } = await ready();
    await holdfast.connect("googlecalendar", { account: "ada" });
    const before = await holdfast.row("googlecalendar");
    await holdfast.connect("googlecalendar", { account: "bob" });
    const after = await holdfast.row("googlecalendar");
    expect([after.id, after.generation]).toEqual([before.id, 2]);
    expect(after.account_id).not.toBe(before.account_id);
  });
});

describe("the provider's answer", () => {
  it("is taken once: the same callback again is state_used, and no second token request is made", async () => {
    const { holdfast, person } = await ready();
    const callback = await approved(holdfast, person);
    expect(textOf((await person.finish(callback)).text)).toContain("is connected");
    const again = await person.get(callback, { accept: "application/json" });
    expect([again.status, again.code]).toEqual([400, "state_used"]);
    expect(exchanges(holdfast)).toHaveLength(1);
  });

  it("is taken once, also by twenty at the same time", async () => {
    const { holdfast, person } = await ready();
    const callback = await approved(holdfast, person);
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => person.get(callback, { accept: "application/json" })),
    );
    expect(replies.filter(({ status }) => status === 303)).toHaveLength(1);
    expect(replies.filter(({ code }) => code === "state_used")).toHaveLength(19);
    expect(exchanges(holdfast)).toHaveLength(1);
  });

  type Attack = (at: { holdfast: TestServer; person: Browser; callback: string }) => Promise<{
    readonly browser?: Browser;
    readonly url?: string;
  }>;
  /** Attack, code, status, and what the real browser gets afterwards. */
  const attacks: readonly [string, string, number, string | number, Attack][] = [
    [
      "another browser of the same person",
      "state_session_mismatch",
      400,
      "state_used",
      async ({ holdfast }) => ({ browser: await holdfast.signedIn() }),
    ],
    [
      "a browser with a flow cookie of its own",
      "state_session_mismatch",
      400,
      "state_used",
      async ({ person }) => {
        person.cookies.set("holdfast-flow", "A".repeat(43));
        return {};
      },
    ],
    [
      "a browser where nobody is signed in",
      "flow_user_mismatch",
      403,
      "state_used",
      async ({ person }) => {
        person.cookies.delete("holdfast-session");
        return {};
      },
    ],
    [
      "a browser where somebody else is signed in",
      "flow_user_mismatch",
      403,
      "state_used",
      async ({ holdfast, person }) => {
        person.cookies.set("holdfast-session", await sessionOf(holdfast));
        return {};
      },
    ],
    [
      "another vendor's address",
      "flow_context_mismatch",
      400,
      "state_used",
      ({ callback }) => Promise.resolve({ url: callback.replace("/callback/google", "/callback/slack") }),
    ],
    [
      "the shared address",
      "flow_context_mismatch",
      400,
      "state_used",
      ({ callback }) => Promise.resolve({ url: callback.replace("/callback/google", "/callback") }),
    ],
    [
      "another issuer",
      "issuer_mismatch",
      400,
      "state_used",
      ({ callback }) => Promise.resolve({ url: withParameters(callback, { iss: "https://accounts.google.com/" }) }),
    ],
    [
      "neither code nor error",
      "callback_invalid",
      400,
      "state_used",
      ({ callback }) => Promise.resolve({ url: withParameters(callback, { code: null }) }),
    ],
    [
      "both code and error",
      "callback_invalid",
      400,
      "state_used",
      ({ callback }) => Promise.resolve({ url: withParameters(callback, { error: "access_denied" }) }),
    ],
    [
      "a code that is too long",
      "callback_invalid",
      400,
      "state_used",
      ({ callback }) => Promise.resolve({ url: withParameters(callback, { code: "c".repeat(4097) }) }),
    ],
    [
      "no state",
      "state_missing",
      400,
      303,
      ({ callback }) => Promise.resolve({ url: withParameters(callback, { state: null }) }),
    ],
    [
      "a state that was never issued",
      "state_unknown",
      400,
      303,
      ({ callback }) => Promise.resolve({ url: withParameters(callback, { state: "A".repeat(43) }) }),
    ],
    [
      "a state of another shape",
      "state_unknown",
      400,
      303,
      ({ callback }) => Promise.resolve({ url: withParameters(callback, { state: "' or 1=1 --" }) }),
    ],
    [
      "two codes",
      "duplicate_parameter",
      400,
      303,
      ({ callback }) => Promise.resolve({ url: `${callback}&code=other` }),
    ],
    [
      "two states",
      "duplicate_parameter",
      400,
      303,
      ({ callback }) => Promise.resolve({ url: `${callback}&state=other` }),
    ],
    [
      "two issuers",
      "duplicate_parameter",
      400,
      303,
      ({ callback }) => Promise.resolve({ url: `${callback}&iss=x&iss=y` }),
    ],
    [
      "a delay of ten minutes",
      "state_expired",
      400,
      "state_expired",
      async ({ holdfast }) => {
        await holdfast.clock.jump(10 * MINUTE);
        return {};
      },
    ],
  ];

  it.for(attacks)("is refused with %s: %s", async ([, code, status, after, attack]) => {
    const { holdfast, person } = await ready();
    const callback = await approved(holdfast, person);
    const session = person.cookies.get("holdfast-session") ?? "";
    const flow = person.cookies.get("holdfast-flow") ?? "";
    const { browser = person, url = callback } = await attack({ holdfast, person, callback });
    const refused = await browser.get(url, { accept: "application/json" });
    expect([refused.status, refused.code]).toEqual([status, code]);
    expect(exchanges(holdfast)).toEqual([]);
    expect(await holdfast.installation.store.listConnections(holdfast.app.app_id)).toEqual([]);

    // What burns the flow leaves the real browser with a used state; the rest has done nothing at all.
    person.cookies.set("holdfast-session", session).set("holdfast-flow", flow);
    const real = await person.get(callback, { accept: "application/json" });
    expect(real.code ?? real.status).toBe(after);
    expect((await audited(holdfast)).includes(`consent.${code}`)).toBe(after === "state_used");
  });

  it("is refused with a foreign issuer that the provider itself sends", async () => {
    const { holdfast, person } = await ready("github", ["wrong-iss"]);
    const callback = await approved(holdfast, person, "github");
    expect((await person.get(callback, { accept: "application/json" })).code).toBe("issuer_mismatch");
    expect(exchanges(holdfast)).toEqual([]);
  });

  it("with the code of another consent fails at the provider, for its verifier is another one", async () => {
    const { holdfast, person } = await ready();
    const [mine, other] = [
      await approved(holdfast, person, "googlecalendar", { scopes: ["a"] }),
      await approved(holdfast, person, "googlecalendar", { scopes: ["b"] }),
    ];
    const swapped = withParameters(mine, { code: new URL(other).searchParams.get("code") });
    const refused = await person.get(swapped, { accept: "application/json" });
    expect([refused.status, refused.code]).toEqual([400, "code_exchange_failed"]);
    expect(exchanges(holdfast)).toMatchObject([{ outcome: "bad_verifier" }]);
    expect(await holdfast.installation.store.listConnections(holdfast.app.app_id)).toEqual([]);
  });

  it.for([
    ["exchange-500", 503, "provider_unavailable"],
    ["exchange-html", 503, "provider_unavailable"],
    ["exchange-invalid-client", 502, "oauth_client_rejected"],
    ["exchange-drop-after", 503, "provider_unavailable"],
    ["exchange-echo", 503, "provider_unavailable"],
  ] as const)("connects nothing when the exchange ends with %s", async ([mode, status, code]) => {
    const { holdfast, person } = await ready("googlecalendar", [mode]);
    const refused = await person.get(await approved(holdfast, person), { accept: "application/json" });
    expect([refused.status, refused.code]).toEqual([status, code]);
    expect(refused.text).not.toContain("secret-of");
    expect(await holdfast.installation.store.listConnections(holdfast.app.app_id)).toEqual([]);
  });

  it("that denies is told in our words; the provider's text is not shown", async () => {
    const { holdfast, person } = await ready();
    const authorize_url = await person.start(await linkOf(holdfast));
    const denied = await approveConsent(authorize_url, { decision: "deny" });
    const result = await person.finish(
      withParameters(denied, {
        error_description: `<script>alert(1)</script><a href="https://evil.example">click</a>`,
      }),
    );
    expect(result.status).toBe(200);
    expect(textOf(result.text)).toContain("declined the consent. Nothing was connected.");
    expect(result.text).not.toMatch(/script|evil\.example|alert/);
    expect((await person.get(denied, { accept: "application/json" })).code).toBe("state_used");
  });

  it("leads on to a clean address before any page, with headers that leak nothing", async () => {
    const { holdfast, person } = await ready();
    const callback = await approved(holdfast, person);
    const reply = await person.get(callback);
    expect([reply.status, reply.text]).toEqual([303, ""]);
    expect(reply.headers.get("location")).not.toMatch(/code|state=/);
    expect(reply.headers.get("referrer-policy")).toBe("no-referrer");
    expect(reply.headers.get("cache-control")).toBe("no-store");
  });

  it("that is refused shows a page without referrer and without the parameters", async () => {
    const { holdfast, person } = await ready();
    const callback = await approved(holdfast, person);
    await person.get(callback);
    const page = await person.get(callback);
    expect(page.status).toBe(400);
    expect(page.headers.get("content-type")).toContain("text/html");
    expect(page.headers.get("referrer-policy")).toBe("no-referrer");
    expect(page.headers.get("cache-control")).toBe("no-store");
    expect(page.text).not.toContain(new URL(callback).searchParams.get("state"));
    expect(textOf(page.text)).toContain("state_used");
  });
});

describe("the addresses that are given out", () => {
  it("come from the configuration, whatever Host and forwarding headers say", async () => {
    const { holdfast, person } = await ready();
    const link = await linkOf(holdfast);
    const authorize_url = await person.start(link);
    const redirect_uri = new URL(authorize_url).searchParams.get("redirect_uri");
    expect(redirect_uri).toBe(`${holdfast.config.public_url}/api/external-auth/callback/google`);
    const evil = {
      host: "evil.example",
      "x-forwarded-host": "evil.example",
      "x-forwarded-proto": "https",
      forwarded: "host=evil.example",
      "x-original-url": "//evil.example",
    };
    const cookie = [...person.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const go = await rawGet(holdfast.url, `${new URL(link).pathname}/go`, { ...evil, cookie, accept: "text/html" });
    expect(authorizationUrlOf(go)).toBe(authorize_url);
    const put = await holdfast.initiate("googlecalendar", { scopes: ["x"] });
    expect(new URL(String(put.json["redirect_url"])).origin).toBe(holdfast.config.public_url);
  });

  it("keep one cookie for the flow across consents in two tabs", async () => {
    const { holdfast, person } = await ready();
    const first = await approved(holdfast, person, "googlecalendar", { scopes: ["a"] });
    const cookie = person.cookies.get("holdfast-flow");
    const second = await approved(holdfast, person, "googlecalendar", { scopes: ["b"] });
    expect(person.cookies.get("holdfast-flow")).toBe(cookie);
    for (const callback of [first, second])
      expect(textOf((await person.finish(callback)).text)).toContain("is connected");
  });
});

describe("settings that a service asks for", () => {
  it("has Salesforce's login host filled in, and takes the org's own", async () => {
    const { holdfast, person } = await ready("salesforce");
    const link = await linkOf(holdfast, "salesforce");
    expect(fieldsOf((await person.get(link)).text)["config.hostname"]).toBe("login.salesforce.com");
    const result = await person.consent(link, {}, { "config.hostname": "acme.my.salesforce.com" });
    expect(textOf(result.text)).toContain("is connected");
    expect((await holdfast.token("salesforce")).json["connection_config"]).toMatchObject({
      hostname: "acme.my.salesforce.com",
      instance_url: expect.stringMatching(/^https:\/\/[a-z0-9.-]+\.my\.salesforce\.com$/),
    });
  });

  it.for([
    "evil.example",
    "evil.example/login.salesforce.com",
    "login.salesforce.com@evil.example",
    "acme.lightning.force.com",
    "login.salesforce.com:444",
    "login.salesforce.com/",
    "LOGIN.salesforce.com",
    "\u217cogin.salesforce.com",
  ])("refuses %j as a login host, by PUT and by form", async (hostname) => {
    const { holdfast, person } = await ready("salesforce");
    const put = await holdfast.initiate("salesforce", { scopes: [], connection_config: { hostname } });
    expect([put.status, put.code]).toEqual([400, "invalid_connection_config"]);
    expect(put.extra["errors"]).toMatchObject([{ name: "hostname" }]);
    const link = await linkOf(holdfast, "salesforce");
    const form = { ...fieldsOf((await person.get(link)).text), "config.hostname": hostname };
    const posted = await person.post(link, form);
    expect(posted.status).toBe(400);
    expect(posted.headers.get("location")).toBeNull();
  });

  it("keeps the settings of a connection when it is connected again", async () => {
    const { holdfast } = await ready("salesforce");
    await holdfast.connect("salesforce", { config: { hostname: "acme.my.salesforce.com" } });
    await holdfast.connect("salesforce");
    expect((await holdfast.row("salesforce")).config).toMatchObject({ hostname: "acme.my.salesforce.com" });
    const same = await holdfast.initiate("salesforce", { scopes: [] });
    expect(same.json["already_authorized"]).toBe(true);
  });
});

describe("ending a connection", () => {
  const base = ({ app }: TestServer) => `/api/apps/${app.app_id}/external-auth/integrations`;
  const list = async (holdfast: TestServer) =>
    (await holdfast.manage("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`)).json["integrations"];

  it("disconnect keeps the entry with its scopes, refuses reads at once, and revokes at the provider", async () => {
    const { holdfast } = await ready("github", ["rotate"]);
    await holdfast.connect("github", { declared: ["repo"] });
    const token = await holdfast.accessToken("github");
    const done = await holdfast.manage("DELETE", `${base(holdfast)}/github`);
    expect([done.status, done.json]).toEqual([200, { status: "disconnected", integration_type: "github" }]);
    expect((await holdfast.token("github")).code).toBe("connection_disconnected");
    expect(await list(holdfast)).toMatchObject([{ status: "disconnected", scopes: ["repo"] }]);
    await holdfast.server.sweeper.tick();
    const ledger = holdfast.simulator.ledger();
    expect(ledger.requests.filter(({ kind }) => kind === "revoke")).toMatchObject([{ outcome: "ok" }]);
    const hash = createHash("sha256").update(token).digest("hex");
    expect(ledger.access_tokens[hash]).toMatchObject({ status: "revoked" });
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.disconnected"]);
  });

  it("disconnect is not undone by a read that began before it", async () => {
    const { holdfast } = await ready("slack");
    await holdfast.connect("slack");
    const { store } = holdfast.installation;
    const find = store.findConnection;
    vi.spyOn(store, "findConnection").mockImplementationOnce(async (...asked) => {
      const row = await find(...asked);
      await holdfast.manage("DELETE", `${base(holdfast)}/slack`);
      return row;
    });
    await holdfast.token("slack");
    expect((await holdfast.token("slack")).code).toBe("connection_disconnected");
  });

  it("remove leaves nothing, succeeds twice, and revokes at the provider", async () => {
    const { holdfast } = await ready();
    await holdfast.connect("googlecalendar");
    for (let time = 0; time < 2; time += 1) {
      const done = await holdfast.manage("DELETE", `${base(holdfast)}/googlecalendar/remove`);
      expect([done.status, done.json]).toEqual([200, { status: "removed", integration_type: "googlecalendar" }]);
    }
    expect(await list(holdfast)).toEqual([]);
    const gone = await holdfast.token("googlecalendar");
    expect([gone.status, gone.code]).toEqual([404, "not_connected"]);
    await holdfast.server.sweeper.tick();
    expect(holdfast.simulator.ledger().grants).toMatchObject([{ revoked_by: "client" }]);
  });

  it("tries a revocation again while the provider is down, and forgets the tokens in the end", async () => {
    const { holdfast } = await ready();
    await holdfast.connect("googlecalendar");
    holdfast.simulator.setModes({ modes: ["outage-503"] });
    await holdfast.manage("DELETE", `${base(holdfast)}/googlecalendar`);
    await holdfast.server.sweeper.tick();
    holdfast.simulator.setModes({ modes: [] });
    await holdfast.clock.jump(MINUTE);
    await holdfast.server.sweeper.tick();
    expect(holdfast.simulator.ledger().grants).toMatchObject([{ revoked_by: "client" }]);
    const items = await holdfast.installation.store.listOutbox(holdfast.app.app_id, "revoke");
    expect(items).toMatchObject([{ sealed: null }]);
  });

  it("revokes nothing where that would end the same person's connection of another app", async () => {
    const { holdfast } = await ready();
    const other = await holdfast.createApp("other");
    await holdfast.connect("googlecalendar");
    await holdfast.connect("googlecalendar", { app: other });
    await holdfast.manage("DELETE", `${base(holdfast)}/googlecalendar`);
    await holdfast.server.sweeper.tick();
    expect(holdfast.simulator.ledger().requests.filter(({ kind }) => kind === "revoke")).toEqual([]);
    expect((await holdfast.token("googlecalendar", { app: other })).status).toBe(200);
  });

  it("lists nothing before the first consent, and gives no e-mail address where none is known", async () => {
    const { holdfast } = await ready("slack");
    await holdfast.initiate("slack", { scopes: ["chat:write"] });
    expect(await list(holdfast)).toEqual([]);
    await holdfast.connect("slack", { declared: ["chat:write"] });
    expect(asList(await list(holdfast))).toEqual([expect.not.objectContaining({ user_email: expect.anything() })]);
    expect(JSON.stringify(await list(holdfast))).not.toContain("user_email");
  });
});

describe("signing in", () => {
  it("does not use the link up by opening it, and works once", async () => {
    const holdfast = await startTestServer();
    const link = await holdfast.installation.accounts.createSetupLink(holdfast.builder.user_id);
    const [one, two] = [holdfast.browser(), holdfast.browser()];
    for (let time = 0; time < 3; time += 1) expect((await two.get(link)).status).toBe(200);
    await one.signIn(link);
    expect((await one.get("/")).status).toBe(200);
    const late = await two.post(link, {});
    expect(late.status).toBe(400);
    expect(textOf((await two.get(link)).text)).toContain("setup_link_invalid");
    expect(two.cookies.has("holdfast-session")).toBe(false);
  });

  it("is over an hour after the link was made", async () => {
    const holdfast = await startTestServer();
    const link = await holdfast.installation.accounts.createSetupLink(holdfast.builder.user_id);
    await holdfast.clock.jump(HOUR);
    expect((await holdfast.browser().post(link, {})).status).toBe(400);
  });

  it("ends after twelve idle hours, or seven days, or by signing out", async () => {
    const holdfast = await startTestServer();
    const person = await holdfast.signedIn();
    for (let half_days = 0; half_days < 13; half_days += 1) {
      await holdfast.clock.jump(12 * HOUR - SECOND);
      expect((await person.get("/")).status).toBe(200);
    }
    await holdfast.clock.jump(11 * HOUR);
    expect((await person.get("/")).status).toBe(200);
    await holdfast.clock.jump(HOUR + MINUTE);
    expect((await person.get("/")).status).toBe(401);

    const idle = await holdfast.signedIn();
    await holdfast.clock.jump(12 * HOUR + SECOND);
    expect((await idle.get("/")).status).toBe(401);

    const leaving = await holdfast.signedIn();
    const { form_token = "" } = fieldsOf((await leaving.get("/")).text);
    const cookie = leaving.cookies.get("holdfast-session") ?? "";
    expect((await leaving.post("/sign-out", { form_token })).status).toBe(200);
    expect(leaving.cookies.has("holdfast-session")).toBe(false);
    leaving.cookies.set("holdfast-session", cookie);
    expect((await leaving.get("/")).status).toBe(401);
  });

  it("sets cookies that scripts cannot read and other sites do not send", async () => {
    const holdfast = await startTestServer();
    const link = await holdfast.installation.accounts.createSetupLink(holdfast.builder.user_id);
    const browser = holdfast.browser();
    const page = await browser.get(link);
    const attributes = String.raw`Max-Age=604800; Path=\/; HttpOnly; SameSite=Lax`;
    expect(page.headers.getSetCookie()).toEqual([
      expect.stringMatching(new RegExp(`^holdfast-form=[A-Za-z0-9_-]{43}; ${attributes}$`)),
    ]);
    const reply = await browser.post(link, fieldsOf(page.text));
    expect(reply.headers.getSetCookie()).toEqual([
      expect.stringMatching(new RegExp(`^holdfast-session=[A-Za-z0-9]{32}; ${attributes}$`)),
    ]);
  });

  it("uses __Host- cookies and strict transport on https", async () => {
    const holdfast = await startTestServer({ public_url: "https://connect.example.com" });
    const link = await holdfast.installation.accounts.createSetupLink(holdfast.builder.user_id);
    const person = holdfast.browser();
    const page = await person.get(link);
    expect(page.headers.getSetCookie()[0]).toMatch(/^__Host-holdfast-form=.*; Secure; SameSite=Lax$/);
    const reply = await person.post(link, fieldsOf(page.text));
    expect(reply.headers.getSetCookie()[0]).toMatch(/^__Host-holdfast-session=.*; Secure; SameSite=Lax$/);
    expect((await person.get("/")).headers.get("strict-transport-security")).toBe("max-age=31536000");
  });
});

describe("changes that come from elsewhere", () => {
  const FOREIGN: readonly Readonly<Record<string, string>>[] = [
    { origin: "https://evil.example" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "none" },
    { origin: "http://localhost:1", "sec-fetch-site": "same-origin" },
  ];

  it.for(FOREIGN)("are refused as csrf with %j, on every form", async (headers) => {
    const { holdfast, person } = await ready();
    const link = await linkOf(holdfast);
    const page = `/apps/${holdfast.app.app_id}/connect/googlecalendar`;
    const { form_token = "" } = fieldsOf((await person.get(link)).text);
    const setup = await holdfast.installation.accounts.createSetupLink(holdfast.builder.user_id);
    const before = await flows(holdfast);
    for (const address of [link, page, "/sign-out", setup]) {
      const reply = await person.post(address, { form_token }, { ...headers, accept: "application/json" });
      expect([address, reply.status, reply.code]).toEqual([address, 403, "csrf"]);
    }
    expect(await flows(holdfast)).toEqual(before);
    expect((await holdfast.browser().get(setup)).status).toBe(200);
  });

  it("are refused without the form's token, or with another session's", async () => {
    const { holdfast, person } = await ready();
    const link = await linkOf(holdfast);
    const other = await holdfast.signedIn();
    const { form_token: foreign = "" } = fieldsOf((await other.get(link)).text);
    for (const form of [{}, { form_token: "" }, { form_token: "x" }, { form_token: foreign }])
      expect((await person.post(link, form)).status).toBe(403);
  });

  it("are refused on the API when only a session's cookie vouches for them", async () => {
    const { holdfast, person } = await ready();
    const path = `/api/apps/${holdfast.app.app_id}/external-auth/integrations/googlecalendar`;
    const cookie = [...person.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    for (const headers of [{}, ...FOREIGN]) {
      const put = await holdfast.request("PUT", path, { headers: { cookie, ...headers }, json: { scopes: [] } });
      expect([put.status, put.code]).toEqual([403, "csrf"]);
    }
    const own = { cookie, origin: holdfast.config.public_url, "sec-fetch-site": "same-origin" };
    expect((await holdfast.request("PUT", path, { headers: own, json: { scopes: [] } })).status).toBe(200);
  });
});

async function flows(holdfast: TestServer): Promise<unknown> {
  return holdfast.installation.store.transaction(async (tx) => {
    return await tx.db.selectFrom("flows").select(["id", "state_hash", "expires_at"]).execute();
  });
}

/** A session of another person, who may do as much. */
async function sessionOf({ installation, builder, browser }: TestServer): Promise<string> {
  const account = { name: "Eve", email: "eve@example.com", workspace_id: builder.workspace_id, role: "owner" as const };
  const other = browser();
  await other.signIn(await installation.accounts.createSetupLink(await addAccount(installation.store, account)));
  return other.cookies.get("holdfast-session") ?? "";
}

/** fetch does not let a caller lie about Host. */
function rawGet(origin: string, path: string, headers: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${origin}${path}`, { headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
    });
    sent.on("error", reject).end();
  });
}
