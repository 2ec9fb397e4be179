/** Browser sessions: how they start and end, and requests that other sites forge. */
import { describe, expect, it } from "vitest";
import { HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { fieldsOf, textOf } from "../support/browser.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { linkOf, ready } from "./stage.ts";

describe("signing in", () => {
  it("does not consume the link by opening it, and works once", async () => {
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

  it("fails an hour after the link was created", async () => {
    const holdfast = await startTestServer();
    const link = await holdfast.installation.accounts.createSetupLink(holdfast.builder.user_id);
    await holdfast.clock.jump(HOUR);
    expect((await holdfast.browser().post(link, {})).status).toBe(400);
  });

  it("expires after twelve idle hours or seven days, and ends by signing out", async () => {
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

describe("changes requested by other sites", () => {
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

  it("are refused on the API when their only credential is a session cookie", async () => {
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
