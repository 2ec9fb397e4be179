/**
 * A workspace's page as users see it: without scripts, by its forms, each with the page's token.
 */
import { beforeAll, describe, expect, it } from "vitest";
import type { Role } from "../../src/core/roles.ts";
import type { UserId } from "../../src/core/types.ts";
import { fieldsOf, textOf, type Browser } from "../support/browser.ts";
import { DAY, SECOND } from "../support/clock.ts";
import type { Reply } from "../support/http.ts";
import { addAccount, openTestServer, secretPart, startTestServer, type TestServer } from "../support/server.ts";
import { MATRIX } from "./matrix.ts";

const ROLES = ["owner", "admin", "editor", "viewer"] as const;

/** A user of the page, who sends its forms with its token. */
async function onPage(holdfast: TestServer, user_id: UserId = holdfast.builder.user_id) {
  const browser = await holdfast.signedIn(user_id);
  const path = `/workspaces/${holdfast.builder.workspace_id}`;
  const { form_token = "" } = fieldsOf((await browser.get("/account")).text);
  return {
    browser,
    show: () => browser.get(path),
    send: (form: string, fields: Readonly<Record<string, string>>): Promise<Reply> =>
      browser.post(`${path}/${form}`, { form_token, ...fields }),
  };
}

function add({ installation, builder }: TestServer, role: Role, name: string = role): Promise<UserId> {
  const { workspace_id } = builder;
  return addAccount(installation.store, { name, email: `${name}@example.com`, workspace_id, role });
}

const shownSecret = (page: string): string => /<p class="secret"><code>([^<]*)<\/code>/.exec(page)?.[1] ?? "";
/** Returns the hidden value of the line that contains this text. */
const valueBeside = (page: string, words: string, name: string): string =>
  new RegExp(`${words}(?:(?!</li>)[^])*?name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? "";

describe("access", () => {
  let holdfast: TestServer;
  let people: Record<Role | "stranger", UserId>;
  beforeAll(async () => {
    holdfast = await openTestServer();
    const owner = holdfast.builder.user_id;
    const [admin, editor] = [await add(holdfast, "admin"), await add(holdfast, "editor")];
    const viewer = await add(holdfast, "viewer");
    const elsewhere = await holdfast.installation.accounts.createWorkspace("elsewhere", owner);
    const stranger = await addAccount(holdfast.installation.store, {
      name: "stranger",
      email: "stranger@example.com",
      workspace_id: elsewhere,
      role: "owner",
    });
    people = { owner, admin, editor, viewer, stranger };
    return () => holdfast.close();
  });

  /** Filled in so that an allowed user succeeds, or gets not found. */
  const SAMPLE = { email: "x@example.com", role: "viewer", name: "x", scope: "read", life: "30d", user: "usr_nobody" };

  const forms = Object.entries(MATRIX).flatMap(([route, line]) =>
    line.by === "form" && line.least !== undefined
      ? [{ route, form: route.replace("POST /workspaces/:workspace/", ""), least: line.least }]
      : [],
  );

  it.for(forms)("$route is for its role and higher ones", async ({ form, least }) => {
    const found: string[] = [];
    for (const role of ROLES) {
      const { send } = await onPage(holdfast, people[role]);
      const { status, text } = await send(form, { ...SAMPLE, invitation: "x", key: "x" });
      const is_refused = status === 403 && textOf(text).includes("insufficient_role");
      expect([200, 404, 403]).toContain(status);
      found.push(`${role} ${is_refused ? "no" : "yes"}`);
    }
    const may = ROLES.indexOf(least);
    expect(found).toEqual(ROLES.map((role, index) => `${role} ${index <= may ? "yes" : "no"}`));
  });

  it.for(forms)("$route is not found for a non-member, whether the workspace exists or not", async ({ form }) => {
    const stranger = await holdfast.signedIn(people.stranger);
    const { form_token = "" } = fieldsOf((await stranger.get("/account")).text);
    const ask = async (workspace_id: string) => {
      const path = `/workspaces/${workspace_id}/${form}`;
      const headers = { origin: holdfast.config.public_url, "x-request-id": "same" };
      const { status, text } = await stranger.post(path, { ...SAMPLE, form_token }, headers);
      return `${status} ${text}`;
    };
    const missing = await ask("wsp_00000000000000000000");
    expect(missing).toMatch(/^404 /);
    expect(await ask(holdfast.builder.workspace_id)).toBe(missing);
  });

  it("to the page is for members, with the forms of their role, and all except the last owner can leave. To others it does not exist", async () => {
    const wanted: Readonly<Record<Role, readonly string[]>> = {
      viewer: ["leave"],
      editor: ["leave"],
      admin: ["invitations", "keys", "leave", "members"],
      owner: ["invitations", "keys", "members"],
    };
    for (const role of ROLES) {
      const { status, text } = await (await onPage(holdfast, people[role])).show();
      const shown = [...text.matchAll(/action="\/workspaces\/[^"/]+\/([a-z]+)/g)].map(([, form = ""]) => form);
      expect([role, status, [...new Set(shown)].toSorted()]).toEqual([role, 200, wanted[role]]);
      expect(textOf(text)).toContain("viewer@example.com");
    }
    const stranger = await holdfast.signedIn(people.stranger);
    const ask = async (id: string) => {
      const { status, text } = await stranger.get(`/workspaces/${id}`, { "x-request-id": "same" });
      return `${status} ${text}`;
    };
    expect(await ask(holdfast.builder.workspace_id)).toBe(await ask("wsp_00000000000000000000"));
    expect(await ask(holdfast.builder.workspace_id)).toMatch(/^404 /);
  });

  it("offers no role above the user's own, and none for a member with a higher role", async () => {
    const { text } = await (await onPage(holdfast, people.admin)).show();
    expect(text).not.toContain('value="owner"');
    expect(text).not.toContain(`value="${people.owner}"`);
    expect(text).toContain(`value="${people.editor}"`);
  });
});

describe("members on the page", () => {
  it("change roles and are removed, except for the last owner", async () => {
    const holdfast = await startTestServer();
    const bob = await add(holdfast, "viewer", "bob");
    const { show, send } = await onPage(holdfast);
    const changed = await send("members/role", { user: bob, role: "admin" });
    const path = `${holdfast.config.public_url}/workspaces/${holdfast.builder.workspace_id}`;
    expect([changed.status, changed.headers.get("location")]).toEqual([303, path]);
    const roleOfBob = () => holdfast.installation.store.roleOf(bob, holdfast.builder.workspace_id);
    expect(await roleOfBob()).toBe("admin");
    expect((await send("members/role", { user: bob, role: "king" })).status).toBe(400);
    const { user_id } = holdfast.builder;
    for (const form of ["members/role", "members/remove"]) {
      const refused = await send(form, { user: user_id, role: "viewer" });
      expect([refused.status, textOf(refused.text)]).toEqual([409, expect.stringContaining("last_owner")]);
    }
    expect((await send("members/remove", { user: bob })).status).toBe(303);
    expect(await roleOfBob()).toBeNull();
    expect(textOf((await show()).text)).not.toContain("bob");
  });

  it("can leave in any role, except for the last owner", async () => {
    const holdfast = await startTestServer();
    for (const role of ["viewer", "admin"] as const) {
      const { browser, show, send } = await onPage(holdfast, await add(holdfast, role));
      expect(textOf((await show()).text).match(/Leave/g)).toHaveLength(1);
      const left = await send("leave", {});
      expect([left.status, left.headers.get("location")]).toEqual([303, `${holdfast.config.public_url}/`]);
      expect(textOf((await browser.get("/")).text)).toContain("You are not a member of any workspace.");
      expect((await send("leave", {})).status).toBe(404);
    }
    const owner = await onPage(holdfast);
    const refused = await owner.send("leave", {});
    expect([refused.status, textOf(refused.text)]).toEqual([409, expect.stringContaining("last_owner")]);
    expect((await owner.show()).status).toBe(200);
  });

  it("are shown as text, for any name", async () => {
    const holdfast = await startTestServer();
    await add(holdfast, "viewer", "<b>x</b>");
    const { text } = await (await onPage(holdfast)).show();
    expect(text).toContain("&lt;b&gt;x");
    expect(text).not.toContain("<b>x");
  });
});

describe("invitations on the page", () => {
  const NEW = { name: "New", password: "correct horse battery" };

  async function accept(browser: Browser, link: string): Promise<Reply> {
    return browser.post(link, { ...fieldsOf((await browser.get(link)).text), ...NEW });
  }

  it("are created, shown once, listed, accepted, and then no longer listed", async () => {
    const holdfast = await startTestServer();
    const { show, send } = await onPage(holdfast);
    const made = await send("invitations", { email: "New@Example.com", role: "editor" });
    expect([made.status, made.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const link = shownSecret(made.text);
    expect(link).toMatch(new RegExp(`^${holdfast.config.public_url}/invitations/[A-Za-z0-9_-]{43}$`));
    const listed = await show();
    expect(textOf(listed.text)).toMatch(/new@example\.com as editor, expires \d{4}-\d\d-\d\d \d\d:\d\d/);
    expect(listed.text).not.toContain(link.split("/").at(-1));
    const person = holdfast.browser();
    expect((await accept(person, link)).status).toBe(303);
    const joined = await person.get(`/workspaces/${holdfast.builder.workspace_id}`);
    expect(textOf(joined.text)).toContain("Your role: editor");
    expect(textOf((await show()).text)).toContain("No pending invitations.");
  });

  it("stop working with their link when revoked", async () => {
    const holdfast = await startTestServer();
    const { show, send } = await onPage(holdfast);
    const link = shownSecret((await send("invitations", { email: "new@example.com", role: "viewer" })).text);
    const invitation = valueBeside((await show()).text, "new@example\\.com", "invitation");
    expect((await send("invitations/revoke", { invitation })).status).toBe(303);
    expect((await holdfast.browser().get(link)).status).toBe(400);
    expect((await send("invitations/revoke", { invitation })).status).toBe(404);
  });

  it("report an invalid address, and grant no role above one's own", async () => {
    const holdfast = await startTestServer();
    const { send } = await onPage(holdfast, await add(holdfast, "admin"));
    expect(textOf((await send("invitations", { email: "x", role: "viewer" })).text)).toContain("invalid_email");
    const above = await send("invitations", { email: "x@example.com", role: "owner" });
    expect([above.status, textOf(above.text)]).toEqual([403, expect.stringContaining("insufficient_role")]);
  });
});

describe("API keys on the page", () => {
  const list = (holdfast: TestServer, api_key: string) =>
    holdfast.request("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`, { headers: { api_key } });

  it("are created with a scope and an expiry, shown once, and work until then", async () => {
    const holdfast = await startTestServer();
    const { show, send } = await onPage(holdfast);
    const made = await send("keys", { name: "ci <1>", scope: "read", life: "30d" });
    expect([made.status, made.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const api_key = shownSecret(made.text);
    expect(api_key).toMatch(/^b44k_/);
    expect((await list(holdfast, api_key)).status).toBe(200);
    const put = await holdfast.request("PUT", `/api/apps/${holdfast.app.app_id}/external-auth/integrations/slack`, {
      headers: { api_key },
      json: { scopes: [] },
    });
    expect(put.code).toBe("insufficient_role");
    const listed = await show();
    expect(textOf(listed.text)).toMatch(/ci <1> read, created by Ada, .*expires \d{4}-/);
    expect(listed.text).not.toContain(secretPart(api_key));
    await holdfast.clock.jump(30 * DAY + SECOND);
    expect((await list(holdfast, api_key)).code).toBe("token_expired");
    const later = await (await onPage(holdfast)).show();
    expect(textOf(later.text)).toContain("1 revoked or expired");
  });

  it("work until revoked when they never expire, and are refused at once then", async () => {
    const holdfast = await startTestServer();
    const { send } = await onPage(holdfast);
    const api_key = shownSecret((await send("keys", { name: "forever", scope: "admin", life: "unlimited" })).text);
    await holdfast.clock.jump(400 * DAY);
    expect((await list(holdfast, api_key)).status).toBe(200);
    const later = await onPage(holdfast);
    const key = valueBeside((await later.show()).text, "forever", "key");
    expect((await later.send("keys/revoke", { key })).status).toBe(303);
    expect((await list(holdfast, api_key)).code).toBe("token_revoked");
    expect((await later.send("keys/revoke", { key })).status).toBe(404);
  });

  it("are not created from values that the page does not offer", async () => {
    const holdfast = await startTestServer();
    const { send } = await onPage(holdfast);
    const good = { name: "x", scope: "read", life: "30d" };
    const before = await holdfast.installation.apiKeys.list(holdfast.builder.workspace_id);
    for (const wrong of [{ scope: "all" }, { scope: "" }, { life: "9999d" }, { life: "" }, { name: " " }])
      expect((await send("keys", { ...good, ...wrong })).status).toBe(400);
    expect(await holdfast.installation.apiKeys.list(holdfast.builder.workspace_id)).toEqual(before);
  });
});

it("records who did what on the page, without secrets", async () => {
  const holdfast = await startTestServer();
  const bob = await add(holdfast, "viewer", "bob");
  const { send } = await onPage(holdfast);
  await send("members/role", { user: bob, role: "editor" });
  await send("members/remove", { user: bob });
  const link = shownSecret((await send("invitations", { email: "new@example.com", role: "viewer" })).text);
  const api_key = shownSecret((await send("keys", { name: "x", scope: "read", life: "30d" })).text);
  const query = `workspace=${holdfast.builder.workspace_id}`;
  const { text } = await holdfast.manage("GET", `/api/management/audit?${query}`);
  for (const action of ["member.role", "member.remove", "invitation.create", "api_key.create"])
    expect(text).toMatch(new RegExp(`"actor":"user:${holdfast.builder.user_id}"[^\\n]*"action":"${action}"`));
  expect(text).not.toContain(secretPart(api_key));
  expect(text).not.toContain(link.split("/").at(-1));
});
