/** Issuers over real connections: keys, verify URLs, and what a hostile issuer or caller can do. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Secret } from "../../../src/core/secret.ts";
import type { NewIssuer } from "../../../src/service/users/issuers.ts";
import { putIssuer } from "../../../src/store/queries/app-users.ts";
import { MINUTE } from "../../support/clock.ts";
import { startIssuer, type TestIssuer } from "../../support/issuer.ts";
import {
  openTestServer,
  startTestServer,
  type TestApp,
  type TestServer,
  type TestServerOptions,
} from "../../support/server.ts";
import { createKey, hmacSigned, signed } from "./tokens.ts";

const DISCOVERY = "/.well-known/openid-configuration";
const SECRET = "a shared secret of at least 32 bytes";

const LOOPBACK = { config: { issuer_loopback: true } };
let shared_server: TestServer;
let apps = 0;

beforeAll(async () => {
  shared_server = await openTestServer(LOOPBACK);
});
afterAll(() => shared_server.close());

interface Rig {
  readonly holdfast: TestServer;
  readonly issuer: TestIssuer;
  readonly app: TestApp;
  put(issuer: Partial<NewIssuer>, app?: TestApp): Promise<{ readonly id: string }>;
  /** Returns the subject of the user behind a bearer, or null. */
  who(bearer: string, app?: TestApp): Promise<string | null>;
  token(claims?: object, header?: object): string;
  reasons(): readonly unknown[];
}

/** Returns a new issuer and a new app, on the shared server unless there are options. */
async function rig(options?: TestServerOptions): Promise<Rig> {
  const issuer = await startIssuer();
  onTestFinished(() => issuer.close());
  const holdfast = options === undefined ? shared_server : await startTestServer({ ...LOOPBACK, ...options });
  apps += 1;
  const app = await holdfast.createApp(`app ${apps}`);
  const { appUsers } = holdfast.installation;
  const usual = { issuer: issuer.url, kind: "oidc", url: null, audiences: ["shop"], secret: null } as const;
  return {
    holdfast,
    issuer,
    app,
    put: (change, { app_id } = app) => appUsers.issuers.put(app_id, { ...usual, ...change }, { skip_check: true }),
    who: async (bearer, { app_id } = app) => (await appUsers.verify(app_id, bearer))?.subject ?? null,
    token: (claims, header) => issuer.token(holdfast.clock.now(), claims, header),
    reasons: () =>
      holdfast.log
        .filter(({ event, app_id }) => event === "issuer_unavailable" && app_id === app.app_id)
        .map(({ reason }) => reason),
  };
}

describe("the keys of an issuer", () => {
  it("are found by discovery, or at the URL of the key set, and fetched once", async () => {
    const { issuer, put, who, token } = await rig();
    await put({});
    expect([await who(token()), await who(token({ sub: "u2" }))]).toEqual(["u1", "u2"]);
    expect([issuer.count(DISCOVERY), issuer.count("/keys")]).toEqual([1, 1]);
    await put({ kind: "jwks", url: issuer.jwks_url });
    expect(await who(token())).toBe("u1");
    expect([issuer.count(DISCOVERY), issuer.count("/keys")]).toEqual([1, 2]);
  });

  it("are fetched again for a token with an unknown key, at most once a minute", async () => {
    const { holdfast, issuer, put, who, token } = await rig();
    await put({});
    expect(await who(token())).toBe("u1");
    issuer.key = createKey("ES256", "k2");
    expect(await who(token())).toBeNull();
    for (const kid of ["../../../etc/passwd", "' or 1=1 --", "k3", "k".repeat(256), ""])
      expect(await who(token({}, { kid }))).toBeNull();
    expect(issuer.count("/keys")).toBe(1);
    await holdfast.clock.advance(MINUTE);
    for (const kid of ["k4", "k5", "k6"]) expect(await who(token({}, { kid }))).toBeNull();
    expect(issuer.count("/keys")).toBe(2);
    expect(await who(token())).toBe("u1");
    expect(issuer.count("/keys")).toBe(2);
  });

  it("come from the configured URL only: headers that name or bring keys cause no request", async () => {
    const { issuer, put, who, token } = await rig();
    await put({});
    await who(token());
    const before = issuer.requests.length;
    const thief = createKey("ES256", "k1");
    const exp = 4_000_000_000;
    for (const header of [{ jku: `${issuer.url}/jku` }, { x5u: `${issuer.url}/x5u` }, { jwk: thief.jwk }])
      expect(await who(signed(thief, { iss: issuer.url, aud: "shop", sub: "u1", exp }, header))).toBeNull();
    expect(issuer.requests).toHaveLength(before);
  });

  it("work for an hour while the issuer is unreachable, and it is asked again every few seconds", async () => {
    const { holdfast, issuer, put, who, token, reasons } = await rig();
    await put({ kind: "jwks", url: issuer.jwks_url });
    expect(await who(token())).toBe("u1");
    issuer.replies.set("/keys", () => ({ status: 500 }));
    await holdfast.clock.jump(11 * MINUTE);
    expect([await who(token()), await who(token())]).toEqual(["u1", "u1"]);
    expect(issuer.count("/keys")).toBe(2);
    await holdfast.clock.jump(50 * MINUTE);
    expect(await who(token())).toBeNull();
    expect(reasons()).toEqual(["key_set_500", "key_set_500"]);
    issuer.replies.set("/keys", () => ({ body: { keys: [issuer.key.jwk] } }));
    expect(await who(token())).toBeNull();
    await holdfast.clock.advance(5_000);
    expect(await who(token())).toBe("u1");
  });

  it.each([
    [
      "1,000 keys",
      () => ({ body: { keys: Array.from({ length: 1_000 }, (_key, n) => ({ kty: "EC", kid: `k${n}` })) } }),
    ],
    ["1 MiB", () => ({ body: { keys: [], padding: "x".repeat(1_048_576) } })],
    ["no JSON", () => ({ body: "<html>" })],
    ["a duplicate name", () => ({ body: '{"keys":[],"keys":[]}' })],
    ["a redirect into the network", () => ({ status: 302, headers: { location: "http://169.254.169.254/" } })],
    ["a redirect to itself", () => ({ status: 307, headers: { location: "/keys" } })],
  ])("that are %s are none, and later ones work", async (_what, reply) => {
    const { holdfast, issuer, put, who, token, reasons } = await rig();
    await put({});
    issuer.replies.set("/keys", reply);
    expect(await who(token())).toBeNull();
    expect(issuer.count("/keys")).toBe(1);
    expect(reasons()).toHaveLength(1);
    issuer.replies.set("/keys", () => ({ body: { keys: [issuer.key.jwk] } }));
    await holdfast.clock.advance(5_000);
    expect(await who(token())).toBe("u1");
  });

  it("time out after a deadline", async () => {
    const { holdfast, issuer, put, who, token, reasons } = await rig();
    await put({ kind: "jwks", url: issuer.jwks_url });
    const asked = new Promise<void>((resolve) => {
      issuer.replies.set("/keys", () => {
        resolve();
        return new Promise(() => {});
      });
    });
    const verdict = who(token());
    await asked;
    await holdfast.clock.advance(5_000);
    expect([await verdict, reasons()]).toEqual([null, ["timeout"]]);
  });
});

describe("discovery", () => {
  it.each([
    ["a redirect", { status: 302, headers: { location: "http://169.254.169.254/latest/meta-data" } }, "discovery_302"],
    [
      "another issuer",
      { body: { issuer: "https://other.example", jwks_uri: "https://other.example/k" } },
      "discovery_issuer",
    ],
    ["no key set", { body: { issuer: "ISSUER" } }, "discovery_issuer"],
    [
      "keys at a metadata service",
      { body: { issuer: "ISSUER", jwks_uri: "https://169.254.169.254/keys" } },
      "address_refused",
    ],
    ["keys in a private network", { body: { issuer: "ISSUER", jwks_uri: "https://10.0.0.1/keys" } }, "address_refused"],
    ["keys over http", { body: { issuer: "ISSUER", jwks_uri: "http://idp.example/keys" } }, "not_https"],
    ["keys in a file", { body: { issuer: "ISSUER", jwks_uri: "file:///etc/passwd" } }, "not_https"],
  ])("with %s finds no keys", async (_what, reply, reason) => {
    const { issuer, put, who, token, reasons } = await rig();
    await put({});
    const body = JSON.stringify("body" in reply ? reply.body : {}).replace("ISSUER", issuer.url);
    issuer.replies.set(DISCOVERY, () => ({ ...reply, body }));
    expect(await who(token())).toBeNull();
    expect([issuer.requests.map(({ path }) => path), reasons()]).toEqual([[DISCOVERY], [reason]]);
  });

  it("reaches nothing on this machine unless the operator allows it", async () => {
    const { holdfast, issuer, put, app } = await rig({ config: { issuer_loopback: false } });
    for (const change of [
      {},
      { kind: "jwks", url: issuer.jwks_url },
      { kind: "verify", url: issuer.verify_url },
    ] as const)
      await expect(put(change)).rejects.toMatchObject({ code: "invalid_field" });
    // Stored before the operator changed the setting.
    const stored = { id: "iss_x", app_id: app.app_id, issuer: issuer.url, kind: "oidc" as const, url: null };
    const row = { ...stored, audiences: ["shop"], sealed_secret: null };
    await holdfast.installation.store.transaction((tx) => putIssuer(tx, row, 10));
    expect(await holdfast.installation.appUsers.verify(app.app_id, issuer.token(holdfast.clock.now()))).toBeNull();
    expect(issuer.requests).toEqual([]);
  });
});

describe("a verify URL", () => {
  const opaque = { issuer: "backend", kind: "verify", audiences: [] } as const;

  it("gets an opaque token, and its response is cached for a minute", async () => {
    const { holdfast, issuer, put, who } = await rig();
    await put({ ...opaque, url: issuer.verify_url });
    issuer.replies.set("/verify", (authorization) =>
      authorization === "Bearer opaque-1" ? { body: { sub: "u1" } } : { status: 401 },
    );
    expect([await who("opaque-1"), await who("opaque-1"), await who("opaque-2")]).toEqual(["u1", "u1", null]);
    expect(await who("opaque-2")).toBeNull();
    expect(issuer.count("/verify")).toBe(2);
    issuer.replies.set("/verify", () => ({ status: 401 }));
    await holdfast.clock.advance(59_999);
    expect(await who("opaque-1")).toBe("u1");
    await holdfast.clock.advance(1);
    expect(await who("opaque-1")).toBeNull();
  });

  it("is called once for simultaneous callers", async () => {
    const { issuer, put, who } = await rig();
    await put({ ...opaque, url: issuer.verify_url });
    issuer.replies.set("/verify", () => ({ body: { id: 7, email: "ada@example.com" } }));
    expect(await Promise.all(Array.from({ length: 50 }, () => who("opaque")))).toEqual(Array(50).fill("7"));
    expect(issuer.count("/verify")).toBe(1);
  });

  it.each([
    ["no subject", { email: "a@b.example" }],
    ["a number that other ids are read as, too", { id: 2 ** 53 }],
    ["a number that is not whole", { id: 1.5 }],
    ["a token that is not active", { sub: "u1", active: false }],
    ["a token that is active as text", { sub: "u1", active: "true" }],
    ["a token that has expired", { sub: "u1", exp: 1_000_000_000 }],
    ["a token that has expired, as text", { sub: "u1", exp: "1000000000" }],
    ["an expiry that is no number", { sub: "u1", exp: "2001-01-01T00:00:00Z" }],
    ["an expiry that is empty", { sub: "u1", exp: "" }],
    ["an expiry that is a list", { sub: "u1", exp: [9_999_999_999] }],
    ["a token that is not valid yet", { sub: "u1", nbf: 9_999_999_999 }],
    ["an error beside a subject", { sub: "u1", error: "invalid_token" }],
    ["a list", []],
  ])("that answers with %s knows no user", async (_what, body) => {
    const { issuer, put, who } = await rig();
    await put({ ...opaque, url: issuer.verify_url });
    issuer.replies.set("/verify", () => ({ body }));
    expect(await who("opaque")).toBeNull();
  });

  it.each([
    ["no expiry", { exp: null, error: null }],
    ["an expiry as text", { exp: "9999999999" }],
    ["a begin in the past", { nbf: 1_000_000_000 }],
  ])("that answers with %s knows the user", async (_what, body) => {
    const { issuer, put, who } = await rig();
    await put({ ...opaque, url: issuer.verify_url });
    issuer.replies.set("/verify", () => ({ body: { sub: "u1", ...body } }));
    expect(await who("opaque")).toBe("u1");
  });

  it("is asked once a minute about an expired token", async () => {
    const { issuer, put, who } = await rig();
    await put({ ...opaque, url: issuer.verify_url });
    issuer.replies.set("/verify", () => ({ body: { sub: "u1", exp: 1 } }));
    expect([await who("opaque"), await who("opaque")]).toEqual([null, null]);
    expect(issuer.count("/verify")).toBe(1);
  });

  it("with an audience accepts only responses for that audience", async () => {
    const { issuer, put, who } = await rig();
    await put({ ...opaque, audiences: ["shop"], url: issuer.verify_url });
    const bodies: Record<string, object> = {
      none: { sub: "u1" },
      other: { sub: "u1", aud: "blog" },
      ours: { sub: "u1", aud: ["blog", "shop"] },
    };
    issuer.replies.set("/verify", (authorization) => ({ body: bodies[authorization.slice("Bearer ".length)] }));
    expect([await who("none"), await who("other"), await who("ours")]).toEqual([null, null, "u1"]);
  });

  it("that fails is called again, and its redirects are not followed", async () => {
    const { issuer, put, who, reasons } = await rig();
    await put({ ...opaque, url: issuer.verify_url });
    issuer.replies.set("/verify", () => ({ status: 307, headers: { location: `${issuer.url}/elsewhere` } }));
    expect(await who("opaque")).toBeNull();
    issuer.replies.set("/verify", () => ({ status: 503 }));
    expect(await who("opaque")).toBeNull();
    issuer.replies.set("/verify", () => ({ body: { sub: "u1" } }));
    expect(await who("opaque")).toBe("u1");
    expect([issuer.count("/elsewhere"), reasons()]).toEqual([0, ["verify_307", "verify_503"]]);
  });

  it("never gets the server's own credentials, or a token that another issuer signs", async () => {
    const { holdfast, issuer, app, put, who, token } = await rig();
    await put({ ...opaque, url: issuer.verify_url });
    await put({});
    issuer.replies.set("/verify", () => ({ body: { sub: "u1" } }));
    const own = (await holdfast.installation.appUsers.issueToken(app.app_id, holdfast.builder.user_id)).expose();
    for (const bearer of [
      app.service_token,
      app.api_key,
      "hff_x.y",
      "hfc_x",
      "hfr_x",
      `${own}x`,
      token({ aud: "other" }),
    ])
      expect([bearer, await who(bearer)]).toEqual([bearer, null]);
    expect(issuer.count("/verify")).toBe(0);
  });

  it("gets a limited number of requests at once", async () => {
    const { issuer, put, who } = await rig();
    await put({ ...opaque, url: issuer.verify_url });
    const { promise: answered, resolve } = Promise.withResolvers<void>();
    issuer.replies.set("/verify", async () => {
      await answered;
      return { body: { sub: "u1" } };
    });
    const waiting = Array.from({ length: 20 }, (_one, index) => who(`opaque-${index}`));
    // Verification reads the issuers first, so the requests start after this one would.
    await expect(Promise.all([...waiting, who("one-more")])).rejects.toMatchObject({ code: "overloaded" });
    resolve();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(["u1"]));
    expect(await who("one-more")).toBe("u1");
  });

  it("can belong to only one issuer of an app", async () => {
    const { issuer, put } = await rig();
    await put({ ...opaque, url: issuer.verify_url });
    await put({ ...opaque, url: `${issuer.url}/v2` });
    await expect(put({ ...opaque, issuer: "second", url: issuer.verify_url })).rejects.toMatchObject({
      code: "invalid_field",
    });
  });
});

describe("a shared secret", () => {
  const shared = { issuer: "backend", kind: "secret", secret: new Secret(SECRET) } as const;

  it("verifies tokens, and is stored sealed", async () => {
    const { holdfast, put, who } = await rig();
    await put(shared);
    const exp = Math.floor(holdfast.clock.now() / 1000) + 60;
    const claims = { iss: "backend", aud: "shop", sub: "u1", exp };
    expect(await who(hmacSigned(SECRET, claims))).toBe("u1");
    expect(await who(hmacSigned(`${SECRET}.`, claims))).toBeNull();
    expect(JSON.stringify(holdfast.log)).not.toContain(SECRET);
    const { data_dir } = holdfast.config;
    for (const file of readdirSync(data_dir))
      expect([file, readFileSync(join(data_dir, file)).includes(SECRET)]).toEqual([file, false]);
  });

  it("does not open in the row of another app", async () => {
    const { holdfast, app, put, who } = await rig();
    await put(shared);
    const { app: other } = await rig();
    const { store } = holdfast.installation;
    const [row] = await store.listIssuers(app.app_id);
    if (row === undefined) throw new Error("no issuer");
    await store.transaction((tx) => putIssuer(tx, { ...row, id: "iss_moved", app_id: other.app_id }, 10));
    const exp = Math.floor(holdfast.clock.now() / 1000) + 60;
    const token = hmacSigned(SECRET, { iss: "backend", aud: "shop", sub: "u1", exp });
    await expect(who(token, other)).rejects.toMatchObject({ code: "credential_unreadable" });
  });
});

describe("an issuer that cannot be right", () => {
  const long = "x".repeat(513);

  it.each<readonly [string, Partial<NewIssuer>]>([
    ["no name", { issuer: "" }],
    ["a name with a blank", { issuer: "my issuer", kind: "jwks", url: "https://idp.example/k" }],
    ["a long name", { issuer: long, kind: "jwks", url: "https://idp.example/k" }],
    ["this server's name", { issuer: "SELF", kind: "jwks", url: "https://idp.example/k" }],
    ["discovery at a name that is no URL", { issuer: "idp" }],
    ["discovery with a fragment", { issuer: "https://idp.example/#x" }],
    ["discovery with a user", { issuer: "https://u:p@idp.example" }],
    ["a key set at no URL", { kind: "jwks" }],
    ["a key set over http", { kind: "jwks", url: "http://idp.example/keys" }],
    ["a key set in a private network", { kind: "jwks", url: "https://192.168.0.1/keys" }],
    ["a key set at a metadata service", { kind: "jwks", url: "https://[fd00:ec2::254]/keys" }],
    ["a secret and a key set", { kind: "jwks", url: "https://idp.example/k", secret: new Secret(SECRET) }],
    ["a secret and discovery", { issuer: "https://idp.example", secret: new Secret(SECRET) }],
    ["a secret and a URL", { kind: "secret", url: "https://idp.example/k", secret: new Secret(SECRET) }],
    ["no secret", { kind: "secret" }],
    ["a secret of 31 bytes", { kind: "secret", secret: new Secret("x".repeat(31)) }],
    ["a secret of 4,097 bytes", { kind: "secret", secret: new Secret("x".repeat(4_097)) }],
    ["no audience", { audiences: [] }],
    ["an empty audience", { audiences: [""] }],
    ["eleven audiences", { audiences: Array.from({ length: 11 }, (_one, index) => `a${index}`) }],
  ])("because of %s is refused, and nothing is stored", async (_what, change) => {
    const { holdfast, app, put } = await rig();
    const issuer = change.issuer === "SELF" ? { issuer: holdfast.config.public_url } : {};
    await expect(put({ ...change, ...issuer })).rejects.toMatchObject({ code: "invalid_field" });
    expect(await holdfast.installation.appUsers.issuers.list(app.app_id)).toEqual([]);
  });
});

describe("a token without an app", () => {
  it("finds the only app that it is valid for", async () => {
    const { holdfast, app, put, token } = await rig();
    const { appUsers } = holdfast.installation;
    const { app: blog } = await rig();
    await put({});
    await put({ audiences: ["blog"] }, blog);
    expect(await appUsers.locate(token())).toMatchObject({ app_id: app.app_id, subject: "u1" });
    expect(await appUsers.locate(token({ aud: "blog" }))).toMatchObject({ app_id: blog.app_id });
    expect(await appUsers.locate(token({ aud: "other" }))).toBeNull();
    const own = await appUsers.issueToken(blog.app_id, holdfast.builder.user_id);
    expect(await appUsers.locate(own.expose())).toMatchObject({ app_id: blog.app_id });
  });

  it("is not sent to the verify URL of an app that takes the name of its issuer", async () => {
    const { holdfast, issuer, app, put, token } = await rig();
    const thief = await rig();
    await put({});
    await thief.put({ issuer: issuer.url, kind: "verify", url: thief.issuer.verify_url, audiences: [] });
    thief.issuer.replies.set("/verify", () => ({ body: { sub: "u1" } }));
    const { appUsers } = holdfast.installation;
    expect(await appUsers.locate(token())).toMatchObject({ app_id: app.app_id });
    expect(await appUsers.locate(token({ aud: "other" }))).toBeNull();
    expect(thief.issuer.requests).toEqual([]);
  });

  it("finds no user if two apps accept it, or if it is opaque", async () => {
    const { holdfast, issuer, put, token } = await rig();
    const { appUsers } = holdfast.installation;
    await put({});
    await put({}, (await rig()).app);
    expect(await appUsers.locate(token())).toBeNull();
    await put({ issuer: "backend", kind: "verify", url: issuer.verify_url, audiences: [] });
    issuer.replies.set("/verify", () => ({ body: { sub: "u1" } }));
    expect(await appUsers.locate("opaque")).toBeNull();
    expect(issuer.count("/verify")).toBe(0);
  });
});

describe("a user", () => {
  it("is deleted with the issuer, and a token of a removed issuer is refused immediately", async () => {
    const { holdfast, app, put, who, token } = await rig();
    const { id } = await put({});
    expect(await who(token())).toBe("u1");
    await holdfast.installation.appUsers.issuers.remove(app.app_id, id);
    expect(await who(token())).toBeNull();
    expect(await holdfast.installation.appUsers.list(app.app_id, null)).toEqual({ users: [], next: null });
  });

  it("beyond the limit of the app is refused, and the others are not", async () => {
    const { put, who, token } = await rig({ limits: { users_per_app: 2 } });
    await put({});
    expect([await who(token({ sub: "a" })), await who(token({ sub: "b" }))]).toEqual(["a", "b"]);
    await expect(who(token({ sub: "c" }))).rejects.toMatchObject({ code: "limit_reached" });
    expect(await who(token({ sub: "a" }))).toBe("a");
  });

  it("has a token of at most 8 KiB", async () => {
    const { issuer, put, who, token } = await rig();
    await put({});
    await put({ issuer: "backend", kind: "verify", url: issuer.verify_url, audiences: [] });
    issuer.replies.set("/verify", () => ({ body: { sub: "u1" } }));
    expect(await who(token({ padding: "x".repeat(5_000) }))).toBe("u1");
    expect(await who(token({ padding: "x".repeat(6_200) }))).toBeNull();
    expect(await who("x".repeat(8_193))).toBeNull();
    expect(issuer.count("/verify")).toBe(0);
  });
});
