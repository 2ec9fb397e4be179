/** App users through the public `@base44/sdk`: only a verified bearer is a user. */
import { createClient } from "@base44/sdk";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { instant } from "../../src/core/types.ts";
import { hmacSigned } from "../service/users/tokens.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { addAccount, openTestServer, type TestApp, type TestServer } from "../support/server.ts";

let holdfast: TestServer;
let issuer: TestIssuer;

beforeAll(async () => {
  // Otherwise the SDK writes each error to the console.
  vi.stubEnv("NODE_ENV", "production");
  holdfast = await openTestServer({ config: { issuer_loopback: true } });
  issuer = await startIssuer();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  issuer.close();
  await holdfast.close();
});

const UNKNOWN_APP = "app_00000000000000000000";

const client = (appId: string, token?: string) =>
  createClient({ serverUrl: holdfast.url, appId, ...(token === undefined ? {} : { token }) });

/** Returns bearers of every kind that exist, none of which belongs to an app user. */
const bearers = (): readonly string[] => [
  "x",
  "x.y.z",
  `${btoa('{"alg":"none"}')}.${btoa('{"sub":"u1","exp":9999999999}')}.`,
  holdfast.app.service_token,
  holdfast.app.api_key,
];

describe("a bearer that is no app user's", () => {
  it("is not authenticated for the public SDK, and auth.me() rejects", async () => {
    for (const app of [holdfast.app.app_id, UNKNOWN_APP])
      for (const bearer of bearers()) {
        const { auth } = client(app, bearer);
        expect([bearer, await auth.isAuthenticated()]).toEqual([bearer, false]);
        await expect(auth.me()).rejects.toMatchObject({ status: 401, code: "invalid_token" });
      }
  });

  it("is not authenticated without a bearer either", async () => {
    const { auth } = client(holdfast.app.app_id);
    expect(await auth.isAuthenticated()).toBe(false);
    await expect(auth.me()).rejects.toMatchObject({
      status: 401,
      code: "missing_token",
      message: expect.stringMatching(/^No user is signed in\. Send an app user's token to the function/),
    });
  });

  it("gets the same bytes from an existing and an unknown app", async () => {
    const replies = await Promise.all(
      [holdfast.app.app_id, UNKNOWN_APP, "x"].flatMap((app) =>
        bearers().map(async (bearer) => {
          const headers = { authorization: `Bearer ${bearer}`, "x-request-id": "same" };
          const { status, text } = await holdfast.request("GET", `/api/apps/${app}/entities/User/me`, { headers });
          return `${status} ${text}`;
        }),
      ),
    );
    expect(new Set(replies).size).toBe(1);
    expect(replies[0]).toMatch(/^401 /);
  });
});

const SECRET = "a shared secret of at least 32 bytes";
const token = (claims: object = {}): string => issuer.token(holdfast.clock.now(), claims);

async function appWithIssuer(name: string): Promise<TestApp> {
  const app = await holdfast.createApp(name);
  const oidc = { issuer: issuer.url, kind: "oidc" as const, url: null, audiences: ["shop"], secret: null };
  await holdfast.installation.appUsers.issuers.put(app.app_id, oidc);
  return app;
}

describe("a token of an issuer", () => {
  it("is a user for the public SDK, with the fields it reads", async () => {
    const { app_id } = await appWithIssuer("me");
    const claims = { email: "Ada@Example.com", email_verified: true, name: "Ada Lovelace" };
    const { auth } = client(app_id, token(claims));
    const now = new Date(holdfast.clock.now()).toISOString();
    expect(await auth.isAuthenticated()).toBe(true);
    expect(await auth.me()).toEqual({
      id: expect.stringMatching(/^aus_[a-z0-9]{20}$/),
      created_date: now,
      updated_date: now,
      email: "ada@example.com",
      full_name: "Ada Lovelace",
      disabled: null,
      app_id,
      is_service: false,
      _app_role: "user",
      role: "user",
    });
  });

  it("names the same user each time, and another one for another subject", async () => {
    const { app_id } = await appWithIssuer("same");
    const idOf = async (bearer: string) => (await client(app_id, bearer).auth.me()).id;
    const first = await idOf(token({ sub: "u1" }));
    expect(await idOf(token({ sub: "u1", jti: "another token" }))).toBe(first);
    expect(await idOf(token({ sub: "u2" }))).not.toBe(first);
  });

  it("grants no role, even if it claims one", async () => {
    const { app_id } = await appWithIssuer("role");
    const bearer = token({ sub: "mallory", role: "admin", _app_role: "admin", roles: ["owner"], is_service: true });
    expect(await client(app_id, bearer).auth.me()).toMatchObject({
      role: "user",
      _app_role: "user",
      is_service: false,
    });
    for (const path of [`/api/management/apps/${app_id}/users`, `/api/apps/${app_id}/external-auth/list`]) {
      const reply = await holdfast.request("GET", path, { headers: { authorization: `Bearer ${bearer}` } });
      expect([reply.status, reply.code]).toEqual([401, "invalid_token"]);
    }
  });

  it("makes its user an admin as soon as a builder sets the role, and at every later sign-in", async () => {
    const app = await appWithIssuer("promoted");
    const { app_id } = app;
    const bearer = token({ sub: "ada", role: "user" });
    const { id } = await client(app_id, bearer).auth.me();
    const setRole = (user: string, json: unknown) =>
      holdfast.request("PATCH", `/api/management/apps/${app_id}/users/${user}`, {
        headers: { api_key: app.api_key },
        json,
      });
    const promoted = await setRole(id, { role: "admin" });
    expect([promoted.status, promoted.json["id"], promoted.json["role"]]).toEqual([200, id, "admin"]);
    expect(await client(app_id, bearer).auth.me()).toMatchObject({ id, role: "admin", _app_role: "admin" });
    const renamed = token({ sub: "ada", role: "user", name: "Ada Lovelace" });
    expect(await client(app_id, renamed).auth.me()).toMatchObject({ id, role: "admin", full_name: "Ada Lovelace" });
    expect(await client(app_id, token({ sub: "bob" })).auth.me()).toMatchObject({ role: "user" });
    expect((await setRole(id, { role: "user" })).status).toBe(200);
    expect(await client(app_id, renamed).auth.me()).toMatchObject({ role: "user" });
    const { events } = await holdfast.installation.audit.export({
      app_id,
      workspace_ids: null,
      installation: true,
      since: null,
      until: null,
      cursor: null,
    });
    const roles = events.filter(({ action }) => action === "app_user.role");
    expect(new Set(roles.map(({ target }) => target))).toEqual(new Set([`${id}:admin`, `${id}:user`]));
  });

  it("gets no role from an unknown value, for an unknown user, or through another app", async () => {
    const app = await appWithIssuer("unchanged");
    const bearer = token({ sub: "ada" });
    const { id } = await client(app.app_id, bearer).auth.me();
    const other = await holdfast.createApp("not theirs");
    const setRole = (app_id: string, user: string, json: unknown) =>
      holdfast.request("PATCH", `/api/management/apps/${app_id}/users/${user}`, {
        headers: { api_key: app.api_key },
        json,
      });
    for (const json of [{}, { role: "owner" }, { role: null }])
      expect([json, (await setRole(app.app_id, id, json)).code]).toEqual([json, "invalid_field"]);
    expect((await setRole(app.app_id, id, { role: "admin", email: "x" })).code).toBe("unknown_field");
    expect((await setRole(app.app_id, "aus_00000000000000000000", { role: "admin" })).code).toBe("not_found");
    expect((await setRole(other.app_id, id, { role: "admin" })).code).toBe("not_found");
    expect(await client(app.app_id, bearer).auth.me()).toMatchObject({ role: "user" });
  });

  it("is refused by an app that does not have the issuer, or has it for another audience", async () => {
    const { app_id } = await appWithIssuer("mine");
    const other = await holdfast.createApp("other");
    expect(await client(app_id, token()).auth.isAuthenticated()).toBe(true);
    expect(await client(other.app_id, token()).auth.isAuthenticated()).toBe(false);
    const { issuers } = holdfast.installation.appUsers;
    await issuers.put(other.app_id, { issuer: issuer.url, kind: "oidc", url: null, audiences: ["blog"], secret: null });
    expect(await client(other.app_id, token()).auth.isAuthenticated()).toBe(false);
    expect(await client(other.app_id, token({ aud: "blog" })).auth.isAuthenticated()).toBe(true);
    const refused = holdfast.log.filter((line) => line["app_id"] === other.app_id);
    expect(refused).toMatchObject(
      ["unknown_issuer", "audience"].map((reason) => ({ event: "user_token_refused", reason })),
    );
  });

  it("with the email address of another issuer's user is a different user", async () => {
    const { app_id } = await appWithIssuer("collision");
    const { issuers } = holdfast.installation.appUsers;
    const secret = new Secret(SECRET);
    await issuers.put(app_id, { issuer: "second", kind: "secret", url: null, audiences: ["shop"], secret });
    const exp = Math.floor(holdfast.clock.now() / 1000) + 600;
    const claims = { sub: "u1", email: "ada@example.com" };
    const first = await client(app_id, token(claims)).auth.me();
    const second = await client(app_id, hmacSigned(SECRET, { iss: "second", aud: "shop", exp, ...claims })).auth.me();
    expect([first.email, second.email]).toEqual(["ada@example.com", "ada@example.com"]);
    expect(second.id).not.toBe(first.id);
  });

  it.each([
    ["an address that is not verified", { email: "ceo@corp.example", email_verified: false }],
    ["an address that is none", { email: "not an address" }],
    ["a name that deceives its reader", { name: "admin\u202e\u001b[31m" }],
    ["a name of another type", { name: { toString: "x" }, email: ["a@b.example"] }],
  ])("with %s has neither", async (_what, claims) => {
    const { app_id } = await appWithIssuer(`claims ${JSON.stringify(claims)}`.slice(0, 60).replaceAll(/[^ -~]/g, ""));
    expect(await client(app_id, token(claims)).auth.me()).toMatchObject({ email: null, full_name: null });
  });

  it.each([["", 1, null, ["u1"], "u\u0000", "u".repeat(256)]].flat())("with the subject %j is refused", async (sub) => {
    const { app_id } = await appWithIssuer(`subject ${typeof sub} ${String(sub).length}`);
    expect(await client(app_id, token({ sub })).auth.isAuthenticated()).toBe(false);
  });
});

describe("a token of this server", () => {
  const get = (path: string, headers: Readonly<Record<string, string>>) => holdfast.request("GET", path, { headers });
  const issued = async (app_id: string, api_key: string): Promise<string> =>
    String((await get(`/api/apps/${app_id}/auth/token`, { api_key })).json["token"]);

  it("lets a builder act as a user of the app for an hour", async () => {
    const { app_id, api_key } = holdfast.app;
    const { email } = holdfast.builder;
    const published = await get(`/api/apps/platform/${app_id}/published-url`, { api_key });
    expect(published.json).toEqual({ url: holdfast.config.public_url });
    const bearer = await issued(app_id, api_key);
    expect(await client(app_id, bearer).auth.me()).toMatchObject({
      email,
      full_name: "Ada",
      role: "admin",
      _app_role: "admin",
      app_id,
    });
    holdfast.clock.setWall(instant(holdfast.clock.now() + 3_600_000 + 59_000));
    expect(await client(app_id, bearer).auth.isAuthenticated()).toBe(true);
    holdfast.clock.setWall(instant(holdfast.clock.now() + 1_000));
    expect(await client(app_id, bearer).auth.isAuthenticated()).toBe(false);
  });

  it("is refused by another app, and in place of any other credential", async () => {
    const { app_id, api_key } = holdfast.app;
    const other = await holdfast.createApp("another app of the builder");
    const bearer = await issued(app_id, api_key);
    expect(await client(other.app_id, bearer).auth.isAuthenticated()).toBe(false);
    const authorization = `Bearer ${bearer}`;
    for (const path of [
      "/api/apps",
      `/api/apps/${app_id}/auth/token`,
      `/api/apps/${app_id}/external-auth/tokens/slack`,
    ])
      expect([path, (await get(path, { authorization })).status]).toEqual([path, 401]);
  });

  it("is an admin's while its builder is allowed to edit the app, and never another user's", async () => {
    const { store, appUsers, workspaces } = holdfast.installation;
    const { workspace_id } = holdfast.builder;
    const { app_id } = holdfast.app;
    const builder = await addAccount(store, { name: "Cy", email: "cy@example.com", workspace_id, role: "editor" });
    const bearer = (await appUsers.issueToken(app_id, builder)).expose();
    const roleNow = async () => (await client(app_id, bearer).auth.me()).role;
    expect(await roleNow()).toBe("admin");
    await workspaces.setRole(workspace_id, builder, "viewer", "owner");
    expect(await roleNow()).toBe("user");
    await workspaces.setRole(workspace_id, builder, "editor", "owner");
    expect(await roleNow()).toBe("admin");
  });

  it("gives a builder the role of the membership only, and the list of users shows it", async () => {
    const { appUsers, store } = holdfast.installation;
    const { workspace_id } = holdfast.builder;
    const app = await holdfast.createApp("a viewer's");
    const viewer = await addAccount(store, { name: "Vi", email: "vi@example.com", workspace_id, role: "viewer" });
    const bearer = (await appUsers.issueToken(app.app_id, viewer)).expose();
    const { id } = await client(app.app_id, bearer).auth.me();
    const refused = await holdfast.request("PATCH", `/api/management/apps/${app.app_id}/users/${id}`, {
      headers: { api_key: app.api_key },
      json: { role: "admin" },
    });
    expect([refused.code, refused.text]).toEqual(["invalid_field", expect.stringContaining("not a builder")]);
    expect(await client(app.app_id, bearer).auth.me()).toMatchObject({ role: "user" });
    expect((await appUsers.list(app.app_id, null)).users).toMatchObject([{ id, role: null }]);
  });

  it("is refused as soon as the builder has no role in the workspace", async () => {
    const { store, appUsers, workspaces } = holdfast.installation;
    const { workspace_id } = holdfast.builder;
    const leaving = await addAccount(store, { name: "Bo", email: "bo@example.com", workspace_id, role: "editor" });
    const bearer = (await appUsers.issueToken(holdfast.app.app_id, leaving)).expose();
    expect(await client(holdfast.app.app_id, bearer).auth.isAuthenticated()).toBe(true);
    await workspaces.setRole(workspace_id, leaving, null, "owner");
    expect(await client(holdfast.app.app_id, bearer).auth.isAuthenticated()).toBe(false);
  });

  it("is not signed with a key that an attacker can know", async () => {
    const { app_id } = holdfast.app;
    const exp = Math.floor(holdfast.clock.now() / 1000) + 600;
    const claims = { iss: holdfast.config.public_url, aud: app_id, sub: holdfast.builder.user_id, exp };
    for (const secret of ["", "secret", app_id, holdfast.builder.user_id, holdfast.app.service_token])
      expect(await client(app_id, hmacSigned(secret, claims)).auth.isAuthenticated()).toBe(false);
  });
});
