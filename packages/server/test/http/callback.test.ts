/** The provider's response to a consent: what is accepted, and every way to refuse it. */
import { approveConsent } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { MINUTE } from "../support/clock.ts";
import { textOf, type Browser } from "../support/browser.ts";
import { addAccount, type TestServer } from "../support/server.ts";
import { approved, audited, linkOf, ready } from "./stage.ts";

const exchanges = ({ simulator }: TestServer) =>
  simulator.ledger().requests.filter(({ kind }) => kind === "code_exchange");

/** Returns a URL with changed parameters. Null deletes one. */
function withParameters(url: string, change: Readonly<Record<string, string | null>>): string {
  const changed = new URL(url);
  for (const [name, value] of Object.entries(change)) {
    if (value === null) changed.searchParams.delete(name);
    else changed.searchParams.set(name, value);
  }
  return changed.href;
}

describe("the provider's response", () => {
  it("is accepted once: the same callback again is state_used, without a second token request", async () => {
    const { holdfast, person } = await ready();
    const callback = await approved(holdfast, person);
    expect(textOf((await person.finish(callback)).text)).toContain("is connected");
    const again = await person.get(callback, { accept: "application/json" });
    expect([again.status, again.code]).toEqual([400, "state_used"]);
    expect(exchanges(holdfast)).toHaveLength(1);
  });

  it("is accepted once, even out of twenty at the same time", async () => {
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
  /** Attack, error code, status, and what the real browser gets afterwards. */
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
      "a browser where no user is signed in",
      "flow_user_mismatch",
      403,
      "state_used",
      async ({ person }) => {
        person.cookies.delete("holdfast-session");
        return {};
      },
    ],
    [
      "a browser where another user is signed in",
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

    // An attack that burns the flow leaves the real browser with a used state. Others change
    // nothing.
    person.cookies.set("holdfast-session", session).set("holdfast-flow", flow);
    const real = await person.get(callback, { accept: "application/json" });
    expect(real.code ?? real.status).toBe(after);
    expect((await audited(holdfast)).includes(`consent.${code}`)).toBe(after === "state_used");
  });

  it("is refused with the wrong issuer, even from the provider itself", async () => {
    const { holdfast, person } = await ready("github", ["wrong-iss"]);
    const callback = await approved(holdfast, person, "github");
    expect((await person.get(callback, { accept: "application/json" })).code).toBe("issuer_mismatch");
    expect(exchanges(holdfast)).toEqual([]);
  });

  it("with the code of another consent fails at the provider, because the verifier differs", async () => {
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

  it("with a denial is shown in our words, without the provider's text", async () => {
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

  it("redirects to a clean address before any page, with headers that leak nothing", async () => {
    const { holdfast, person } = await ready();
    const callback = await approved(holdfast, person);
    const reply = await person.get(callback);
    expect([reply.status, reply.text]).toEqual([303, ""]);
    expect(reply.headers.get("location")).not.toMatch(/code|state=/);
    expect(reply.headers.get("referrer-policy")).toBe("no-referrer");
    expect(reply.headers.get("cache-control")).toBe("no-store");
  });

  it("leads, when refused, to a page without referrer and without the parameters", async () => {
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

/** Returns a session of another user with the same role. */
async function sessionOf({ installation, builder, browser }: TestServer): Promise<string> {
  const account = { name: "Eve", email: "eve@example.com", workspace_id: builder.workspace_id, role: "owner" as const };
  const other = browser();
  await other.signIn(await installation.accounts.createSetupLink(await addAccount(installation.store, account)));
  return other.cookies.get("holdfast-session") ?? "";
}
