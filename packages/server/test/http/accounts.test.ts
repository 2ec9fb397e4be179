/** Accounts: the first one, signing in, and the account page. */
import { describe, expect, it } from "vitest";
import { MINUTE, SECOND } from "../support/clock.ts";
import { fieldsOf, textOf, type Browser } from "../support/browser.ts";
import { asList, type Reply } from "../support/http.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { api, withKey } from "./stage.ts";

const GRACE = { name: "Grace", email: "Grace@Example.com", password: "correct horse battery" };

async function withGrace() {
  const holdfast = await startTestServer();
  const person = holdfast.browser();
  await person.signIn(await holdfast.installation.accounts.createSetupLink(), GRACE);
  return { holdfast, person };
}

async function signIn(browser: Browser, change: Readonly<Record<string, string>> = {}): Promise<Reply> {
  const { form_token = "" } = fieldsOf((await browser.get("/sign-in")).text);
  return browser.post("/sign-in", { form_token, email: GRACE.email, password: GRACE.password, ...change });
}

/** Signs in a command line as this user. Returns its access token. */
async function commandLine({ request }: TestServer, person: Browser): Promise<string> {
  const client_id = "base44_cli";
  const { json } = await request("POST", "/oauth/device/code", { json: { client_id } });
  const { device_code, user_code } = { device_code: String(json["device_code"]), user_code: String(json["user_code"]) };
  const opened = await person.get(`/device?user_code=${user_code}`);
  const asked = await person.post("/device", fieldsOf(opened.text));
  await person.post("/device", { ...fieldsOf(asked.text), decision: "approved" });
  const grant_type = "urn:ietf:params:oauth:grant-type:device_code";
  const issued = await request("POST", "/oauth/token", { json: { grant_type, device_code, client_id } });
  return String(issued.json["access_token"]);
}

describe("the whole journey", () => {
  it("goes from the setup link to an account, a sign-in, a workspace, an app, a key and a connector", async () => {
    const { holdfast, person } = await withGrace();
    const home = await person.get("/");
    expect([home.status, textOf(home.text)]).toEqual([200, expect.stringContaining("grace@example.com")]);

    const other = holdfast.browser();
    const entered = await signIn(other, { next: "/account" });
    expect([entered.status, entered.headers.get("location")]).toEqual([303, `${holdfast.config.public_url}/account`]);
    expect((await other.get("/account")).status).toBe(200);

    const call = api(holdfast, other);
    const made = await call("POST", "/workspaces", { name: "Team" });
    expect(made.json).toMatchObject({ name: "Team", plan: "builder", role: "owner" });
    const workspace_id = String(made.json["id"]);
    const app = await call("POST", "/apps", { name: "shop", workspace_id });
    const key = await call("POST", `/workspaces/${workspace_id}/keys`, { name: "ci", scope: "write" });
    const path = `/api/apps/${String(app.json["app_id"])}/external-auth/list`;
    expect((await withKey(holdfast, String(key.json["api_key"]), path)).json).toEqual({ integrations: [] });
    expect(asList((await call("GET", "/workspaces")).json["workspaces"])).toHaveLength(2);
    const names = asList((await call("GET", "/apps")).json["apps"]).map(({ name }) => String(name));
    expect(names.toSorted()).toEqual(["shop", "test"]);
  });
});

describe("the sign-in page", () => {
  it("shows the same message after every failed attempt, and returns the email address escaped", async () => {
    const { holdfast } = await withGrace();
    const browser = holdfast.browser();
    for (const email of [GRACE.email, "nobody@example.com", '"><b>x</b>@example.com']) {
      const reply = await signIn(browser, { email, password: "wrong wrong wrong" });
      expect(reply.status).toBe(401);
      expect(textOf(reply.text)).toContain("The email address or the password is wrong.");
      expect(reply.text).not.toContain("<b>x</b>");
      expect(reply.text).not.toContain("wrong wrong wrong");
    }
    expect([...browser.cookies.keys()]).toEqual(["holdfast-form"]);
  });

  it("replies 429 with the time to wait after five wrong attempts, even to the right password", async () => {
    const { holdfast } = await withGrace();
    const browser = holdfast.browser();
    for (let time = 0; time < 5; time += 1) expect((await signIn(browser, { password: "wrong" })).status).toBe(401);
    const refused = await signIn(browser);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(14 * 60);
    await holdfast.clock.jump(15 * MINUTE + SECOND);
    expect((await signIn(browser)).status).toBe(303);
  });

  it.for([
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "javascript:alert(1)",
    "/a?b=c",
    "\t//x",
    "/%09/x",
  ])("leads to the start page instead of %j", async (next) => {
    const { holdfast } = await withGrace();
    const browser = holdfast.browser();
    expect(fieldsOf((await browser.get(`/sign-in?next=${encodeURIComponent(next)}`)).text)["next"]).toBe("/");
    expect((await signIn(browser, { next })).headers.get("location")).toBe(`${holdfast.config.public_url}/`);
  });

  it("is linked from pages for visitors who are not signed in, and returns to the page", async () => {
    const { holdfast } = await withGrace();
    const browser = holdfast.browser();
    const asked = `/apps/${holdfast.app.app_id}/connect/slack`;
    const page = await browser.get(asked);
    const href = /href="(\/sign-in[^"]*)"/.exec(page.text)?.[1] ?? "";
    const { next = "" } = fieldsOf((await browser.get(href)).text);
    expect([page.status, next]).toEqual([401, asked]);
    expect((await signIn(browser, { next })).headers.get("location")).toBe(`${holdfast.config.public_url}${asked}`);
  });

  it("starts a new session at each sign-in, and ends the previous one", async () => {
    const { holdfast, person } = await withGrace();
    const before = person.cookies.get("holdfast-session") ?? "";
    await signIn(person);
    expect(person.cookies.get("holdfast-session")).not.toBe(before);
    const old = holdfast.browser();
    old.cookies.set("holdfast-session", before);
    expect((await old.get("/")).status).toBe(401);
    expect((await person.get("/")).status).toBe(200);
  });

  it("does not adopt a session that another person planted in the browser", async () => {
    const { holdfast } = await withGrace();
    const browser = holdfast.browser();
    const planted = "A".repeat(32);
    browser.cookies.set("holdfast-session", planted);
    await signIn(browser);
    expect(browser.cookies.get("holdfast-session")).not.toBe(planted);
  });

  it("accepts forms only from our own pages, and so do links", async () => {
    const { holdfast } = await withGrace();
    const setup = await holdfast.installation.accounts.createSetupLink();
    const { workspace_id } = holdfast.builder;
    const { workspaces } = holdfast.installation;
    const { invitation_url } = await workspaces.invite(workspace_id, {
      email: "new@example.com",
      role: "viewer",
      by: "owner",
      actor: "test",
    });
    for (const address of ["/sign-in", setup, invitation_url])
      for (const headers of [
        {},
        { origin: "https://evil.example" },
        { origin: "null" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
      ]) {
        const browser = holdfast.browser();
        const { form_token = "" } = fieldsOf((await browser.get(address)).text);
        const form = { ...GRACE, form_token };
        const reply = await browser.post(address, form, { ...headers, accept: "application/json" });
        expect([address, reply.status, reply.code]).toEqual([address, 403, "csrf"]);
        expect([...browser.cookies.keys()]).toEqual(["holdfast-form"]);
      }
  });

  it("accepts only the form that this browser was shown, and so do links", async () => {
    const { holdfast } = await withGrace();
    const setup = await holdfast.installation.accounts.createSetupLink();
    const { invitation_url } = await holdfast.installation.workspaces.invite(holdfast.builder.workspace_id, {
      email: "new@example.com",
      role: "viewer",
      by: "owner",
      actor: "test",
    });
    const attacker = holdfast.browser();
    for (const address of ["/sign-in", setup, invitation_url]) {
      const foreign = fieldsOf((await attacker.get(address)).text)["form_token"] ?? "";
      const [fresh, opened] = [holdfast.browser(), holdfast.browser()];
      const { form_token = "" } = fieldsOf((await opened.get(address)).text);
      for (const [browser, token] of [
        [fresh, ""],
        [fresh, foreign],
        [opened, ""],
        [opened, foreign],
        [opened, `${form_token}x`],
      ] as const) {
        const reply = await browser.post(address, { ...GRACE, form_token: token });
        expect([address, reply.status]).toEqual([address, 403]);
        expect(browser.cookies.has("holdfast-session")).toBe(false);
      }
      const own = { ...GRACE, name: "Own", email: GRACE.email, form_token };
      expect([address, (await opened.post(address, own)).status]).toEqual([address, 303]);
    }
  });

  it("works in several tabs of one browser, and each form can be sent", async () => {
    const { holdfast } = await withGrace();
    const browser = holdfast.browser();
    const first = fieldsOf((await browser.get("/sign-in")).text);
    const second = fieldsOf((await browser.get("/sign-in")).text);
    for (const fields of [first, second])
      expect((await browser.post("/sign-in", { ...fields, email: GRACE.email, password: GRACE.password })).status).toBe(
        303,
      );
  });

  it("keeps a device code through the sign-in, and drops every other query", async () => {
    const { holdfast } = await withGrace();
    const begun = await holdfast.request("POST", "/oauth/device/code", { json: { client_id: "base44_cli" } });
    const link = new URL(String(begun.json["verification_uri_complete"]));
    const browser = holdfast.browser();
    const refused = await browser.get(link.href);
    expect(refused.status).toBe(401);
    const sign_in = await browser.get(/href="(\/sign-in[^"]*)"/.exec(refused.text)?.[1] ?? "");
    const { next = "", form_token = "" } = fieldsOf(sign_in.text);
    expect(next).toBe(`${link.pathname}${link.search}`);
    const entered = await signIn(browser, { next, form_token });
    const opened = await browser.get(entered.headers.get("location") ?? "");
    expect(fieldsOf(opened.text)["user_code"]).toBe(begun.json["user_code"]);
    // The user still has to click.
    expect(textOf(opened.text)).not.toContain("Did you start this?");
    for (const other of ["/device?user_code=AB&x=1", "/device?user_code=%22", "/account?user_code=ABCD-EFGH"]) {
      const page = await holdfast.browser().get(other);
      const href = /href="(\/sign-in[^"]*)"/.exec(page.text)?.[1] ?? "";
      expect(fieldsOf((await browser.get(href)).text)["next"]).toBe(other.split("?", 1)[0]);
    }
  });
});

describe("the account page", () => {
  it("lists sessions, ends one of them, and signs out everywhere", async () => {
    const { holdfast, person } = await withGrace();
    const other = holdfast.browser();
    await signIn(other);
    const page = await person.get("/account");
    expect(textOf(page.text)).toContain("this session");
    const ended = fieldsOf(page.text);
    await person.post("/account/sessions/end", ended);
    expect([(await other.get("/")).status, (await person.get("/")).status]).toEqual([401, 200]);
    await signIn(other);
    await person.post("/account/sign-out-everywhere", ended);
    expect([(await other.get("/")).status, (await person.get("/")).status]).toEqual([401, 401]);
  });

  it("lists command lines, ends one, and ends all of them together with the browsers", async () => {
    const { holdfast, person } = await withGrace();
    const who = (bearer: string) =>
      holdfast.request("GET", "/oauth/userinfo", { headers: { authorization: `Bearer ${bearer}` } });
    const [first, second] = [await commandLine(holdfast, person), await commandLine(holdfast, person)];
    expect([(await who(first)).status, (await who(second)).status]).toEqual([200, 200]);
    const page = await person.get("/account");
    expect(textOf(page.text)).toContain("Command line 127.0.0.1 since");
    const fields = fieldsOf(page.text);
    expect((await person.post("/account/sessions/end", fields)).status).toBe(303);
    const left = [(await who(first)).status, (await who(second)).status].filter((status) => status === 200);
    expect(left).toHaveLength(1);
    const foreign = await holdfast.signedIn();
    const { form_token = "" } = fieldsOf((await foreign.get("/account")).text);
    const other = fieldsOf((await person.get("/account")).text);
    expect((await foreign.post("/account/sessions/end", { ...other, form_token })).status).toBe(404);
    await person.post("/account/sign-out-everywhere", fields);
    expect([(await who(first)).status, (await who(second)).status]).toEqual([401, 401]);
  });

  it("shows known browsers by name, and other clients by their own user agent", async () => {
    const { holdfast, person } = await withGrace();
    const agents = {
      "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Linux",
      "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0": "Edge on Windows",
      "my <script>": "my <script>",
    };
    for (const user_agent of Object.keys(agents)) {
      const browser = holdfast.browser();
      const fields = fieldsOf((await browser.get("/sign-in")).text);
      const form = { ...fields, email: GRACE.email, password: GRACE.password };
      await browser.post("/sign-in", form, { origin: holdfast.config.public_url, "user-agent": user_agent });
    }
    const { text } = await person.get("/account");
    for (const name of Object.values(agents)) expect(textOf(text)).toContain(name);
    expect(text).not.toContain("<script");
  });

  it("changes the password", async () => {
    const { holdfast, person } = await withGrace();
    const { form_token = "" } = fieldsOf((await person.get("/account")).text);
    const change = (current: string) =>
      person.post("/account/password", { form_token, current, password: "a new long password" });
    expect((await change("wrong")).status).toBe(401);
    expect((await change(GRACE.password)).status).toBe(200);
    expect((await person.get("/account")).status).toBe(200);
    const other = holdfast.browser();
    expect((await signIn(other)).status).toBe(401);
    expect((await signIn(other, { password: "a new long password" })).status).toBe(303);
  });
});
