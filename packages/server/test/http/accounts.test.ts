import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openInstallation } from "../../src/installation.ts";
import { asAppId } from "../../src/core/ids.ts";
import type { Role } from "../../src/core/roles.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { DAY, HOUR, MINUTE, SECOND, until } from "../support/clock.ts";
import { fieldsOf, textOf, type Browser } from "../support/browser.ts";
import { asList, type Reply } from "../support/http.ts";
import { addAccount, secretPart, startTestServer, type TestServer } from "../support/server.ts";

const GRACE = { name: "Grace", email: "Grace@Example.com", password: "correct horse battery" };

/** A person's requests to the API, from a page of ours. */
function api({ request, config }: TestServer, person: Browser) {
  return (method: string, path: string, json?: unknown): Promise<Reply> => {
    const cookie = [...person.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { cookie, origin: config.public_url };
    return request(method, `/api/management${path}`, { headers, ...(json === undefined ? {} : { json }) });
  };
}

const withKey = ({ request, app }: TestServer, api_key: string, path = `/api/apps/${app.app_id}/external-auth/list`) =>
  request("GET", path, { headers: { api_key } });

const member = ({ installation, builder }: TestServer, role: Role, name: string = role) =>
  addAccount(installation.store, {
    name,
    email: `${name}@example.com`,
    workspace_id: builder.workspace_id,
    role,
  });

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

/** A command line that this person lets in. @returns its access token */
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

describe("the whole trip", () => {
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
  it("says the same of every wrong try, and gives the address back, escaped", async () => {
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

  it("answers 429 with the time to wait after five wrong tries, to the right password too", async () => {
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

  it("is where pages lead whoever is not signed in, and leads back", async () => {
    const { holdfast } = await withGrace();
    const browser = holdfast.browser();
    const asked = `/apps/${holdfast.app.app_id}/connect/slack`;
    const page = await browser.get(asked);
    const href = /href="(\/sign-in[^"]*)"/.exec(page.text)?.[1] ?? "";
    const { next = "" } = fieldsOf((await browser.get(href)).text);
    expect([page.status, next]).toEqual([401, asked]);
    expect((await signIn(browser, { next })).headers.get("location")).toBe(`${holdfast.config.public_url}${asked}`);
  });

  it("gives a new session at each sign-in, and ends the one before", async () => {
    const { holdfast, person } = await withGrace();
    const before = person.cookies.get("holdfast-session") ?? "";
    await signIn(person);
    expect(person.cookies.get("holdfast-session")).not.toBe(before);
    const old = holdfast.browser();
    old.cookies.set("holdfast-session", before);
    expect((await old.get("/")).status).toBe(401);
    expect((await person.get("/")).status).toBe(200);
  });

  it("takes no session that somebody else has put into the browser", async () => {
    const { holdfast } = await withGrace();
    const browser = holdfast.browser();
    const planted = "A".repeat(32);
    browser.cookies.set("holdfast-session", planted);
    await signIn(browser);
    expect(browser.cookies.get("holdfast-session")).not.toBe(planted);
  });

  it("takes forms of our own pages only, and so do links", async () => {
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

  it("takes no form but the one that this browser was shown, and so do links", async () => {
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

  it("shows forms in several tabs of one browser, and each can be sent", async () => {
    const { holdfast } = await withGrace();
    const browser = holdfast.browser();
    const first = fieldsOf((await browser.get("/sign-in")).text);
    const second = fieldsOf((await browser.get("/sign-in")).text);
    for (const fields of [first, second])
      expect((await browser.post("/sign-in", { ...fields, email: GRACE.email, password: GRACE.password })).status).toBe(
        303,
      );
  });

  it("keeps a device code through the sign-in, and nothing else of an address's query", async () => {
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
    // The click stays the person's.
    expect(textOf(opened.text)).not.toContain("Did you start this?");
    for (const other of ["/device?user_code=AB&x=1", "/device?user_code=%22", "/account?user_code=ABCD-EFGH"]) {
      const page = await holdfast.browser().get(other);
      const href = /href="(\/sign-in[^"]*)"/.exec(page.text)?.[1] ?? "";
      expect(fieldsOf((await browser.get(href)).text)["next"]).toBe(other.split("?", 1)[0]);
    }
  });
});

describe("the account page", () => {
  it("lists sessions, ends one, and signs out everywhere", async () => {
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

  it("lists command lines, ends one, and ends all of them with the browsers", async () => {
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

  it("names browsers as people know them, and shows what else signed in as it calls itself", async () => {
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

describe("invitations", () => {
  async function invited(role: Role = "editor") {
    const holdfast = await startTestServer();
    const call = api(holdfast, await holdfast.signedIn());
    const base = `/workspaces/${holdfast.builder.workspace_id}/invitations`;
    const made = await call("POST", base, { email: "New@Example.com", role });
    return { holdfast, call, base, made, link: String(made.json["invitation_url"]) };
  }

  it("make an account with the invited address, whatever the form says, and the role", async () => {
    const { holdfast, link, made } = await invited();
    expect(made.headers.get("cache-control")).toBe("no-store");
    const person = holdfast.browser();
    const page = await person.get(link);
    expect(textOf(page.text)).toContain("new@example.com");
    const form = { name: "New", email: "other@example.com", password: "correct horse battery" };
    expect((await person.post(link, { ...fieldsOf(page.text), ...form })).status).toBe(303);
    const workspaces = await api(holdfast, person)("GET", "/workspaces");
    expect(asList(workspaces.json["workspaces"])).toMatchObject([{ role: "editor" }]);
    expect(await holdfast.installation.store.findUser("new@example.com")).not.toBeNull();
    expect(await holdfast.installation.store.findUser("other@example.com")).toBeNull();
    expect((await holdfast.browser().get(link)).status).toBe(400);
  });

  it("let who is signed in join, after a press of the button", async () => {
    const { holdfast, link } = await invited("viewer");
    const { accounts } = holdfast.installation;
    const person = holdfast.browser();
    const { user_id } = await accounts.createDemoBuilder();
    await holdfast.installation.store.setRole(holdfast.builder.workspace_id, user_id, null, "owner");
    await person.signIn(await accounts.createSetupLink(user_id));
    const page = await person.get(link);
    expect(asList((await api(holdfast, person)("GET", "/workspaces")).json["workspaces"])).toEqual([]);
    expect((await person.post(link, {})).status).toBe(403);
    expect((await person.post(link, fieldsOf(page.text))).status).toBe(303);
    expect(asList((await api(holdfast, person)("GET", "/workspaces")).json["workspaces"])).toMatchObject([
      { role: "viewer" },
    ]);
  });

  it("are over after seven days, or when they are taken back, and are stored as a hash", async () => {
    const { holdfast, call, base, link, made } = await invited();
    const rows = await holdfast.installation.store.transaction(async (tx) => {
      return await tx.db.selectFrom("invitations").selectAll().execute();
    });
    expect(JSON.stringify(rows)).not.toContain(link.split("/").at(-1));
    expect(asList((await call("GET", base)).json["invitations"])).toMatchObject([{ email: "new@example.com" }]);
    expect((await call("DELETE", `${base}/${String(made.json["id"])}`)).status).toBe(200);
    expect((await holdfast.browser().get(link)).status).toBe(400);
    const second = await call("POST", base, { email: "new@example.com", role: "viewer" });
    await holdfast.clock.jump(7 * DAY);
    expect((await holdfast.browser().get(String(second.json["invitation_url"]))).status).toBe(400);
  });

  it("give nobody more than who invites has", async () => {
    const { holdfast, base } = await invited();
    const admin = api(holdfast, await holdfast.signedIn(await member(holdfast, "admin")));
    expect((await admin("POST", base, { email: "x@example.com", role: "owner" })).code).toBe("insufficient_role");
    expect((await admin("POST", base, { email: "x@example.com", role: "admin" })).status).toBe(200);
    expect((await admin("POST", base, { email: "x", role: "viewer" })).code).toBe("invalid_email");
  });
});

describe("members", () => {
  it("are raised, lowered and put out, and the last owner stays", async () => {
    const holdfast = await startTestServer();
    const call = api(holdfast, await holdfast.signedIn());
    const base = `/workspaces/${holdfast.builder.workspace_id}/members`;
    const bob = await member(holdfast, "viewer", "bob");
    expect((await call("PATCH", `${base}/${bob}`, { role: "admin" })).status).toBe(200);
    const asBob = api(holdfast, await holdfast.signedIn(bob));
    expect((await asBob("PATCH", `${base}/${holdfast.builder.user_id}`, { role: "viewer" })).code).toBe(
      "insufficient_role",
    );
    expect((await asBob("PATCH", `${base}/${bob}`, { role: "owner" })).code).toBe("insufficient_role");
    expect((await call("DELETE", `${base}/${holdfast.builder.user_id}`)).code).toBe("last_owner");
    expect((await call("PATCH", `${base}/${holdfast.builder.user_id}`, { role: "admin" })).code).toBe("last_owner");
    expect((await call("DELETE", `${base}/${bob}`)).status).toBe(200);
    expect((await asBob("GET", base)).code).toBe("not_found");
    expect((await call("DELETE", `${base}/${bob}`)).code).toBe("not_found");
  });

  it("see their workspace handed over: the new one owns it, the old one administers", async () => {
    const holdfast = await startTestServer();
    const call = api(holdfast, await holdfast.signedIn());
    const base = `/workspaces/${holdfast.builder.workspace_id}`;
    const bob = await member(holdfast, "viewer", "bob");
    expect((await call("POST", `${base}/transfer`, { user_id: "usr_nobody" })).code).toBe("not_found");
    expect((await call("POST", `${base}/transfer`, { user_id: bob })).status).toBe(200);
    const members = asList((await call("GET", `${base}/members`)).json["members"]);
    const roles = members.map(({ name, role }) => `${String(name)} ${String(role)}`);
    expect(roles.toSorted()).toEqual(["Ada admin", "bob owner"]);
    expect((await call("DELETE", base)).code).toBe("insufficient_role");
  });
});

describe("workspaces", () => {
  it("are renamed and deleted, with their apps only when that is said", async () => {
    const holdfast = await startTestServer();
    await holdfast.connect("googlecalendar");
    const { store } = holdfast.installation;
    const call = api(holdfast, await holdfast.signedIn());
    const base = `/workspaces/${holdfast.builder.workspace_id}`;
    expect((await call("PATCH", base, { name: "  The Team " })).json).toMatchObject({ name: "The Team" });
    expect(await store.currentDataKey(holdfast.app.app_id)).not.toBeNull();
    expect((await call("DELETE", base)).code).toBe("workspace_not_empty");
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect((await call("DELETE", `${base}?with_apps=true`)).status).toBe(200);
    expect((await holdfast.token("googlecalendar")).code).toBe("invalid_token");
    expect(await store.currentDataKey(holdfast.app.app_id)).toBeNull();
    expect((await withKey(holdfast, holdfast.app.api_key)).code).toBe("invalid_token");
    expect(asList((await call("GET", "/workspaces")).json["workspaces"])).toEqual([]);
    // What was granted is given back to the provider.
    await holdfast.server.sweeper.tick();
    const revoked = holdfast.simulator.ledger().requests.filter(({ kind }) => kind === "revoke");
    expect(revoked).toHaveLength(1);
  });

  it("have names for their apps, which can change", async () => {
    const holdfast = await startTestServer();
    await holdfast.createApp("other");
    const path = `/api/management/apps/${holdfast.app.app_id}`;
    expect((await holdfast.manage("PATCH", path, { json: { name: "other" } })).code).toBe("already_exists");
    expect((await holdfast.manage("PATCH", path, { json: { name: "new" } })).json).toMatchObject({ name: "new" });
    expect((await holdfast.manage("PATCH", path, { json: { name: "" } })).code).toBe("invalid_name");
  });
});

describe("API keys", () => {
  const keys = ({ builder }: TestServer) => `/workspaces/${builder.workspace_id}/keys`;

  it("are shown once, listed without their secret, and refused at once when revoked", async () => {
    const holdfast = await startTestServer();
    const call = api(holdfast, await holdfast.signedIn());
    const made = await call("POST", keys(holdfast), { name: "ci", scope: "read" });
    const api_key = String(made.json["api_key"]);
    expect([made.headers.get("cache-control"), api_key]).toEqual(["no-store", expect.stringMatching(/^b44k_/)]);
    expect((await withKey(holdfast, api_key)).status).toBe(200);
    const list = await call("GET", keys(holdfast));
    expect(list.text).not.toContain(secretPart(api_key));
    expect(asList(list.json["keys"])).toContainEqual(
      expect.objectContaining({ name: "ci", scope: "read", user_id: holdfast.builder.user_id, revoked_at: null }),
    );
    const id = String(made.json["id"]);
    expect((await call("DELETE", `${keys(holdfast)}/${id}`)).status).toBe(200);
    expect((await withKey(holdfast, api_key)).code).toBe("token_revoked");
    expect((await call("DELETE", `${keys(holdfast)}/${id}`)).code).toBe("not_found");
  });

  it("are refused within a second when another process revoked them", async () => {
    const holdfast = await startTestServer();
    expect((await withKey(holdfast, holdfast.app.api_key)).status).toBe(200);
    const { config, clock, builder } = holdfast;
    const command = await openInstallation(
      { config: { ...config, data_dir: join(config.data_dir) }, clock, log: silentLog },
      "command",
    );
    for (const { id } of await command.apiKeys.list(builder.workspace_id))
      await command.apiKeys.revoke(builder.workspace_id, id);
    await clock.advance(SECOND);
    expect((await withKey(holdfast, holdfast.app.api_key)).code).toBe("token_revoked");
    await command.close();
  });

  it("end at their time, and show when they were last used", async () => {
    const holdfast = await startTestServer();
    const call = api(holdfast, await holdfast.signedIn());
    const made = await call("POST", keys(holdfast), { name: "short", expires_in_s: 3_600 });
    const api_key = String(made.json["api_key"]);
    const used_at = holdfast.clock.now();
    expect((await withKey(holdfast, api_key)).status).toBe(200);
    await holdfast.clock.advance(10 * SECOND);
    const lastUse = async () =>
      asList((await call("GET", keys(holdfast))).json["keys"]).find(({ name }) => name === "short")?.["last_used_at"];
    expect(await until("it is written", lastUse)).toBe(used_at);
    await holdfast.clock.jump(HOUR);
    expect((await withKey(holdfast, api_key)).code).toBe("token_expired");
  });

  it("can be limited in number", async () => {
    const holdfast = await startTestServer({ limits: { live_api_keys_per_workspace: 2 } });
    const make = () => holdfast.manage("POST", `/api/management${keys(holdfast)}`, { json: { name: "next" } });
    expect((await make()).status).toBe(200);
    expect((await make()).code).toBe("limit_reached");
    // An app is worth having without one: its maker has a key, or a session.
    const app = await holdfast.manage("POST", "/api/management/apps", { json: { name: "next" } });
    expect(app).toMatchObject({ status: 200, json: { api_key: null } });
    const [app_id, service_token] = [String(app.json["app_id"]), String(app.json["service_token"])];
    const own = { ...holdfast.app, app_id: asAppId(app_id), service_token };
    expect((await holdfast.token("slack", { app: own })).code).toBe("not_connected");
  });
});
