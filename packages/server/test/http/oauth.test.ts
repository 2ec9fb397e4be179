import { describe, expect, it } from "vitest";
import { fieldsOf, textOf, type Browser } from "../support/browser.ts";
import { MINUTE, SECOND } from "../support/clock.ts";
import type { Reply } from "../support/http.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const CLIENT = { client_id: "base44_cli" };
const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

const form = (holdfast: TestServer, path: string, fields: Readonly<Record<string, string>>): Promise<Reply> =>
  holdfast.request("POST", path, {
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(fields).toString(),
  });

const token = (holdfast: TestServer, fields: Readonly<Record<string, string>>): Promise<Reply> =>
  form(holdfast, "/oauth/token", { ...CLIENT, ...fields });

const poll = (holdfast: TestServer, device_code: string): Promise<Reply> =>
  token(holdfast, { grant_type: DEVICE_GRANT, device_code });

/** Sends JSON, as the public CLI does. */
async function begin(holdfast: TestServer): Promise<{ device_code: string; user_code: string }> {
  const { json } = await holdfast.request("POST", "/oauth/device/code", {
    json: { ...CLIENT, scope: "apps:read apps:write sandbox:write" },
  });
  return { device_code: String(json["device_code"]), user_code: String(json["user_code"]) };
}

/** Enters the code and presses the button. */
async function decide(person: Browser, user_code: string, decision = "approved"): Promise<Reply> {
  const opened = await person.get("/device");
  const asked = await person.post("/device", { ...fieldsOf(opened.text), user_code });
  return person.post("/device", { ...fieldsOf(asked.text), decision });
}

async function loggedIn(holdfast: TestServer): Promise<{ access_token: string; refresh_token: string }> {
  const { device_code, user_code } = await begin(holdfast);
  await decide(await holdfast.signedIn(), user_code);
  const { json } = await poll(holdfast, device_code);
  return { access_token: String(json["access_token"]), refresh_token: String(json["refresh_token"]) };
}

const userinfo = (holdfast: TestServer, bearer: string): Promise<Reply> =>
  holdfast.request("GET", "/oauth/userinfo", { headers: { authorization: `Bearer ${bearer}` } });

describe("the login of a command line", () => {
  it("goes from the code to the page, tokens, a name, a refresh and a revocation", async () => {
    const holdfast = await startTestServer();
    const begun = await holdfast.request("POST", "/oauth/device/code", {
      json: { ...CLIENT, scope: "apps:read apps:write sandbox:write" },
    });
    expect(begun.status).toBe(200);
    expect(begun.headers.get("cache-control")).toBe("no-store");
    expect(begun.json).toEqual({
      device_code: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      user_code: expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/),
      verification_uri: `${holdfast.config.public_url}/device`,
      verification_uri_complete: `${holdfast.config.public_url}/device?user_code=${String(begun.json["user_code"])}`,
      expires_in: 600,
      interval: 5,
    });
    const device_code = String(begun.json["device_code"]);
    const pending = await poll(holdfast, device_code);
    expect([pending.status, pending.json["error"]]).toEqual([400, "authorization_pending"]);
    expect(pending.headers.get("cache-control")).toBe("no-store");

    const done = await decide(await holdfast.signedIn(), String(begun.json["user_code"]));
    expect(textOf(done.text)).toContain("Base44 command line will be signed in");
    await holdfast.clock.jump(5 * SECOND);
    const issued = await poll(holdfast, device_code);
    expect(issued.json).toEqual({
      access_token: expect.stringMatching(/^hfc_/),
      refresh_token: expect.stringMatching(/^hfr_/),
      token_type: "Bearer",
      expires_in: 3_600,
      scope: "apps:read apps:write sandbox:write",
    });
    const who = await userinfo(holdfast, String(issued.json["access_token"]));
    expect(who.json).toMatchObject({ email: holdfast.builder.email, name: "Ada" });
    const list = await holdfast.request("GET", `/api/apps/${holdfast.app.app_id}/external-auth/list`, {
      headers: { authorization: `Bearer ${String(issued.json["access_token"])}` },
    });
    expect(list.status).toBe(200);

    const refreshed = await token(holdfast, {
      grant_type: "refresh_token",
      refresh_token: String(issued.json["refresh_token"]),
    });
    expect(refreshed.status).toBe(200);
    expect(refreshed.json["refresh_token"]).not.toBe(issued.json["refresh_token"]);
    const revoked = await form(holdfast, "/oauth/revoke", {
      ...CLIENT,
      token: String(refreshed.json["refresh_token"]),
    });
    expect([revoked.status, revoked.text]).toEqual([200, ""]);
    const over = await userinfo(holdfast, String(refreshed.json["access_token"]));
    expect([over.status, over.code]).toEqual([401, "invalid_token"]);
    expect(over.headers.get("www-authenticate")).toContain("invalid_token");
  });

  it("gives working tokens to one of ten concurrent polls", async () => {
    const holdfast = await startTestServer();
    const { device_code, user_code } = await begin(holdfast);
    await decide(await holdfast.signedIn(), user_code);
    const polls = await Promise.all(Array.from({ length: 10 }, () => poll(holdfast, device_code)));
    const issued = polls.filter(({ status }) => status === 200);
    expect(issued).toHaveLength(1);
    const others = polls.filter(({ status }) => status !== 200).map(({ status, json }) => [status, json["error"]]);
    expect(new Set(others.map(String))).toEqual(new Set(["400,invalid_grant"]));
    expect((await userinfo(holdfast, String(issued[0]?.json["access_token"]))).status).toBe(200);
  });

  it("ends when its code is used again before its first access token", async () => {
    const holdfast = await startTestServer();
    const { device_code, user_code } = await begin(holdfast);
    await decide(await holdfast.signedIn(), user_code);
    const { json } = await poll(holdfast, device_code);
    await holdfast.clock.jump(5 * SECOND);
    const again = await poll(holdfast, device_code);
    expect([again.status, again.json["error"]]).toEqual([400, "invalid_grant"]);
    expect(again.headers.get("cache-control")).toBe("no-store");
    expect((await userinfo(holdfast, String(json["access_token"]))).status).toBe(401);
    const refreshed = await token(holdfast, {
      grant_type: "refresh_token",
      refresh_token: String(json["refresh_token"]),
    });
    expect([refreshed.status, refreshed.json["error"]]).toEqual([400, "invalid_grant"]);
  });

  it("gets the protocol's errors with 400, each with a description", async () => {
    const holdfast = await startTestServer();
    const { device_code, user_code } = await begin(holdfast);
    const errors: unknown[] = [];
    const note = async (reply: Promise<Reply>): Promise<void> => {
      const { status, json, headers } = await reply;
      expect([status, headers.get("cache-control"), Object.keys(json)]).toEqual([
        400,
        "no-store",
        ["error", "error_description"],
      ]);
      errors.push(json["error"]);
    };
    await note(poll(holdfast, device_code));
    await note(poll(holdfast, device_code));
    await decide(await holdfast.signedIn(), user_code, "denied");
    await note(poll(holdfast, device_code));
    const late = await begin(holdfast);
    await holdfast.clock.jump(10 * MINUTE);
    await note(poll(holdfast, late.device_code));
    await note(poll(holdfast, "made up"));
    await note(token(holdfast, { grant_type: "refresh_token", refresh_token: "made up" }));
    await note(token(holdfast, { grant_type: "password" }));
    await note(token(holdfast, {}));
    await note(token(holdfast, { grant_type: "refresh_token" }));
    await note(token(holdfast, { grant_type: "refresh_token", refresh_token: "x", client_id: "" }));
    await note(form(holdfast, "/oauth/device/code", { client_id: "stranger" }));
    await note(form(holdfast, "/oauth/device/code", { ...CLIENT, scope: "everything" }));
    await note(form(holdfast, "/oauth/revoke", { token: "x" }));
    await note(holdfast.request("POST", "/oauth/token", { json: ["no", "object"] }));
    await note(
      holdfast.request("POST", "/oauth/token", {
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: "grant_type=refresh_token&grant_type=password",
      }),
    );
    await note(
      holdfast.request("POST", "/oauth/token", { headers: { "content-type": "application/json" }, body: "{" }),
    );
    expect(errors).toEqual([
      "authorization_pending",
      "slow_down",
      "access_denied",
      "expired_token",
      "invalid_grant",
      "invalid_grant",
      "unsupported_grant_type",
      "invalid_request",
      "invalid_request",
      "invalid_request",
      "invalid_client",
      "invalid_scope",
      "invalid_request",
      "invalid_request",
      "invalid_request",
      "invalid_request",
    ]);
  });

  it("reports other errors in the protocol's form", async () => {
    const holdfast = await startTestServer();
    const unread = await holdfast.request("POST", "/oauth/token", {
      headers: { "content-type": "text/xml" },
      body: "<x/>",
    });
    expect([unread.status, unread.json["error"]]).toEqual([415, "invalid_request"]);
    for (let n = 0; n < 5; n += 1) await begin(holdfast);
    const sixth = await form(holdfast, "/oauth/device/code", CLIENT);
    expect([sixth.status, sixth.json["error"], sixth.headers.get("retry-after")]).toEqual([429, "slow_down", "600"]);
  });

  it("ends when its user's account is deleted", async () => {
    const holdfast = await startTestServer();
    const { access_token } = await loggedIn(holdfast);
    await holdfast.installation.store.deleteLibraryRows("auth_user", [
      { column: "id", operator: "=", value: holdfast.builder.user_id },
    ]);
    expect((await userinfo(holdfast, access_token)).status).toBe(401);
  });
});

describe("the page", () => {
  it("shows the client and its address, warns, and does nothing before the button is pressed", async () => {
    const holdfast = await startTestServer();
    const { device_code, user_code } = await begin(holdfast);
    const person = await holdfast.signedIn();
    const prefilled = await person.get(`/device?user_code=${user_code}`);
    expect(fieldsOf(prefilled.text)["user_code"]).toBe(user_code);
    // Opening the page does not show whether the code is valid.
    expect(textOf(prefilled.text)).not.toContain("command line at the address");
    const asked = await person.post("/device", fieldsOf(prefilled.text));
    const text = textOf(asked.text);
    expect(text).toContain("Base44 command line at the address 127.0.0.1 asks to act on your behalf.");
    expect(text).toContain("Did you start this?");
    expect(text).toContain("If someone else sent you here or gave you the code, deny the request.");
    expect((await poll(holdfast, device_code)).json["error"]).toBe("authorization_pending");
  });

  it("needs a sign-in, our form and our page", async () => {
    const holdfast = await startTestServer();
    const { user_code, device_code } = await begin(holdfast);
    const stranger = holdfast.browser();
    expect((await stranger.get("/device")).status).toBe(401);
    expect((await stranger.post("/device", { user_code, decision: "approved" })).status).toBe(401);
    const person = await holdfast.signedIn();
    const { form_token = "" } = fieldsOf((await person.get("/device")).text);
    const fields = { form_token, user_code, decision: "approved" };
    const crossSite = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    expect((await person.post("/device", fields, crossSite)).status).toBe(403);
    expect((await person.post("/device", { ...fields, form_token: "made up" })).status).toBe(403);
    await person.get(`/device?user_code=${user_code}&decision=approved&form_token=${form_token}`);
    expect((await poll(holdfast, device_code)).json["error"]).toBe("authorization_pending");
    expect((await person.post("/device", fields)).status).toBe(200);
  });

  it("refuses wrong codes, after five of them the right one too, and says when to retry", async () => {
    const holdfast = await startTestServer();
    const person = await holdfast.signedIn();
    const { user_code } = await begin(holdfast);
    const fields = fieldsOf((await person.get("/device")).text);
    for (let n = 0; n < 5; n += 1)
      expect((await person.post("/device", { ...fields, user_code: "BCDF-GHJK" })).status).toBe(400);
    const right = await person.post("/device", { ...fields, user_code });
    expect([right.status, right.headers.get("retry-after")]).toEqual([429, "600"]);
    expect(textOf(right.text)).toContain("rate_limited");
  });

  it("refuses a second decision", async () => {
    const holdfast = await startTestServer();
    const { user_code } = await begin(holdfast);
    const person = await holdfast.signedIn();
    expect((await decide(person, user_code, "denied")).status).toBe(200);
    const fields = fieldsOf((await person.get("/device")).text);
    const again = await person.post("/device", { ...fields, user_code, decision: "approved" });
    expect([again.status, textOf(again.text)]).toEqual([400, expect.stringContaining("user_code_invalid")]);
  });

  it("records the user, the client and the address of each login", async () => {
    const holdfast = await startTestServer();
    await loggedIn(holdfast);
    const { audit, store } = holdfast.installation;
    await audit.flush();
    const events = await store.listAudit("", 20);
    const actor = `user:${holdfast.builder.user_id}`;
    expect(events).toContainEqual(
      expect.objectContaining({ action: "device_login.approved", actor, target: "base44_cli", address: "127.0.0.1" }),
    );
    expect(events).toContainEqual(
      expect.objectContaining({
        action: "cli_session.create",
        actor,
        address: "127.0.0.1",
        request_id: expect.stringMatching(/^req_/),
      }),
    );
  });
});
