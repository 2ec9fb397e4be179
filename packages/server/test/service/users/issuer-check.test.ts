/** Issuers are tried before they are stored, so that the builder finds a mistyped address. */
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { Secret } from "../../../src/core/secret.ts";
import type { NewIssuer } from "../../../src/service/users/issuers.ts";
import { startIssuer, type IssuerReply, type TestIssuer } from "../../support/issuer.ts";
import { openTestServer, type TestApp, type TestServer } from "../../support/server.ts";

const DISCOVERY = "/.well-known/openid-configuration";

let holdfast: TestServer;
let apps = 0;

beforeAll(async () => {
  holdfast = await openTestServer({ config: { issuer_loopback: true } });
});
afterAll(() => holdfast.close());

interface Rig {
  readonly issuer: TestIssuer;
  readonly app: TestApp;
  /** Returns the code and message of the refusal, or `stored`. */
  put(change?: Partial<NewIssuer>, options?: { skip_check?: boolean }): Promise<string>;
  /** Returns the number of the app's issuers. */
  count(): Promise<number>;
}

async function rig(): Promise<Rig> {
  const issuer = await startIssuer();
  onTestFinished(() => issuer.close());
  apps += 1;
  const app = await holdfast.createApp(`app ${apps}`);
  const { issuers } = holdfast.installation.appUsers;
  const usual = { issuer: issuer.url, kind: "oidc", url: null, audiences: ["shop"], secret: null } as const;
  return {
    issuer,
    app,
    put: async (change, options) =>
      await issuers.put(app.app_id, { ...usual, ...change }, options).then(
        () => "stored",
        (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
      ),
    count: async () => (await issuers.list(app.app_id)).length,
  };
}

it("stores an issuer whose keys can be fetched, after one request for each document", async () => {
  const { issuer, put, count } = await rig();
  expect(await put()).toBe("stored");
  expect([issuer.count(DISCOVERY), issuer.count("/keys")]).toEqual([1, 1]);
  expect(await put({ kind: "jwks", url: issuer.jwks_url })).toBe("stored");
  expect([issuer.count(DISCOVERY), issuer.count("/keys")]).toEqual([1, 2]);
  expect(await count()).toBe(1);
});

it("sends no request for a shared secret, or with skip_check", async () => {
  const { issuer, put, count } = await rig();
  const secret = new Secret("a shared secret of at least 32 bytes");
  expect(await put({ issuer: "backend", kind: "secret", secret })).toBe("stored");
  issuer.replies.set(DISCOVERY, () => ({ status: 503 }));
  expect(await put({}, { skip_check: true })).toBe("stored");
  expect([issuer.requests.length, await count()]).toEqual([0, 2]);
});

it.each<[string, string, IssuerReply, string]>([
  ["has no discovery document", DISCOVERY, { status: 404 }, "cannot be read: status 404"],
  ["names another issuer", DISCOVERY, { body: { issuer: "https://other.example" } }, "names another issuer"],
  ["redirects its discovery", DISCOVERY, { status: 302, headers: { location: "/" } }, "cannot be read: status 302"],
  ["has no key set", "/keys", { status: 500 }, "its key set cannot be read: status 500"],
  ["has a key set that is no JSON", "/keys", { body: "<html>" }, "its key set cannot be read: status 200"],
  ["has no keys", "/keys", { body: { keys: [] } }, "its key set has no keys"],
])("refuses an issuer that %s, and stores nothing", async (_what, path, reply, message) => {
  const { issuer, put, count } = await rig();
  issuer.replies.set(path, () => reply);
  const refused = await put();
  expect(refused).toMatch(/^issuer_unusable: The issuer cannot be used: .* Nothing was stored\./);
  expect(refused).toContain(message);
  expect(await count()).toBe(0);
});

it("refuses an issuer that does not respond, and keeps the one that it would replace", async () => {
  const { issuer, put, count } = await rig();
  expect(await put()).toBe("stored");
  issuer.close();
  expect(await put({ audiences: ["blog"] })).toContain(
    "issuer_unusable: The issuer cannot be used: it does not respond",
  );
  expect(await count()).toBe(1);
});

it("follows no discovery document into a private network", async () => {
  const { issuer, put, count } = await rig();
  issuer.replies.set(DISCOVERY, () => ({ body: { issuer: issuer.url, jwks_uri: "https://169.254.169.254/keys" } }));
  expect(await put()).toContain("its host is in a private network");
  expect(await count()).toBe(0);
});

it.each<[IssuerReply, string]>([
  [{ status: 401 }, "stored"],
  [{ status: 400 }, "stored"],
  [{ body: { active: false } }, "stored"],
  [{ body: { sub: "u1" } }, "accepted a made-up token"],
  [{ status: 404 }, "replied 404"],
  [{ status: 503 }, "replied 503"],
  [{ status: 302, headers: { location: "/" } }, "replied 302"],
])("tries a verify URL with a token that it must refuse: %o", async (reply, outcome) => {
  const { issuer, put, count } = await rig();
  issuer.replies.set("/verify", () => reply);
  expect(await put({ kind: "verify", url: issuer.verify_url })).toContain(outcome);
  expect(await count()).toBe(outcome === "stored" ? 1 : 0);
  expect(issuer.requests.map(({ authorization }) => authorization)).toEqual([expect.stringMatching(/^Bearer .{43}$/)]);
});

it("stores one of two verify URLs of an app that are tried at the same time", async () => {
  const { issuer, put, count } = await rig();
  const tried = Promise.withResolvers<void>();
  issuer.replies.set("/verify", async () => {
    if (issuer.count("/verify") === 2) tried.resolve();
    await tried.promise;
    return { status: 401 };
  });
  const verify = { kind: "verify", url: issuer.verify_url } as const;
  const outcomes = await Promise.all(["one", "two"].map(async (name) => await put({ ...verify, issuer: name })));
  expect(outcomes.toSorted()).toEqual([expect.stringContaining("invalid_field"), "stored"]);
  expect(await count()).toBe(1);
});

it("is refused over HTTP by its code, and stored with skip_check", async () => {
  const { issuer, app, count } = await rig();
  issuer.replies.set("/keys", () => ({ status: 503 }));
  const add = (more: object) =>
    holdfast.request("POST", `/api/management/apps/${app.app_id}/issuers`, {
      headers: { api_key: app.api_key },
      json: { issuer: issuer.url, kind: "oidc", audiences: ["shop"], ...more },
    });
  const refused = await add({});
  expect([refused.status, refused.code, await count()]).toEqual([400, "issuer_unusable", 0]);
  expect([(await add({ skip_check: true })).status, await count()]).toEqual([200, 1]);
});
