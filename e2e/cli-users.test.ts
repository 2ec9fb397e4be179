/** Issuers and users of an app, managed from another machine and on the server's. */
import { createHmac } from "node:crypto";
import { expect, it } from "vitest";
import { holdfast, type Ended } from "./support/holdfast.ts";
import { parseJson } from "./support/json.ts";
import { startRemoteStage, type RemoteStage } from "./support/remote-stage.ts";

const SECRET = "a shared secret of at least 32 bytes";

const run = ({ home, env, app }: RemoteStage, args: readonly string[], stdin = ""): Promise<Ended> =>
  holdfast(["users", ...args, "--app", app.app_id], { home, env, stdin });

/** Signs a token as the app's own backend does. */
function tokenOf(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const input = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${input}.${createHmac("sha256", SECRET).update(input).digest("base64url")}`;
}

async function me({ site, app }: RemoteStage, token: string): Promise<Response> {
  const headers = { authorization: `Bearer ${token}` };
  return await fetch(`${site.server_url}/api/apps/${app.app_id}/entities/User/me`, { headers });
}

it("adds an issuer whose secret comes on standard input, lists its users, and removes both", async () => {
  const stage = await startRemoteStage();
  const exp = Math.floor(Date.now() / 1000) + 600;
  const token = tokenOf({ iss: "backend", aud: "shop", sub: "ada", email: "ada@example.com", exp });
  expect((await run(stage, ["issuers", "list"])).stdout).toContain("The app has no issuer");
  expect((await me(stage, token)).status).toBe(401);

  const add = ["issuers", "add", "backend", "--audience", "shop", "--audience", "blog", "--secret-stdin"];
  const added = await run(stage, add, `${SECRET}\n`);
  expect([added.exit_code, added.stderr]).toEqual([0, ""]);
  const id = /\((iss_[a-z0-9]{20})\)/.exec(added.stdout)?.[1] ?? "";
  expect((await me(stage, token)).status).toBe(200);

  const listed = await run(stage, ["issuers", "list"]);
  expect(listed.stdout).toMatch(new RegExp(String.raw`\n${id} +backend +shared secret +- +shop blog +`));
  const users = parseJson((await run(stage, ["list", "--json"])).stdout).list("users");
  expect(users.map((user) => [user.text("subject"), user.text("email")])).toEqual([["ada", "ada@example.com"]]);
  expect((await run(stage, ["list"])).stdout).toMatch(/ada@example\.com +- +iss_/);

  const user_id =
    parseJson((await run(stage, ["list", "--json"])).stdout)
      .list("users")[0]
      ?.text("id") ?? "";
  const promoted = await run(stage, ["role", user_id, "admin"]);
  expect([promoted.exit_code, promoted.stdout]).toEqual([
    0,
    `${user_id} now has the role admin. Functions see it from their next call.\n`,
  ]);
  expect(parseJson(await (await me(stage, token)).text()).text("role")).toBe("admin");
  expect((await run(stage, ["list"])).stdout).toMatch(/ada +admin +/);
  const unknown = await run(stage, ["role", user_id, "owner"]);
  expect([unknown.exit_code, unknown.stderr]).toEqual([2, expect.stringContaining("user, admin") as unknown]);
  expect((await run(stage, ["role", "aus_00000000000000000000", "admin"])).exit_code).toBe(4);
  expect(`${added.stdout}${listed.stdout}`).not.toContain(SECRET);

  const removed = await run(stage, ["issuers", "remove", id]);
  expect([removed.exit_code, removed.stdout]).toEqual([0, `Removed ${id} and its users.\n`]);
  expect((await me(stage, token)).status).toBe(401);
  expect((await run(stage, ["issuers", "remove", id])).exit_code).toBe(4);
  expect((await run(stage, ["list"])).stdout).toContain("The app has no users yet");
});

it("refuses a secret beside keys, a short one, and private addresses, and says what to do", async () => {
  const stage = await startRemoteStage();
  const add = (args: readonly string[], stdin = "") => run(stage, ["issuers", "add", "backend", ...args], stdin);
  const both = await add(["--audience", "shop", "--jwks-url", "https://idp.example/keys", "--secret-stdin"], SECRET);
  expect([both.exit_code, both.stderr]).toEqual([2, expect.stringContaining("Use one") as unknown]);
  const short = await add(["--audience", "shop", "--secret-stdin"], "too short");
  expect([short.exit_code, short.stderr]).toEqual([1, expect.stringContaining("secret: 32 to 4096 bytes") as unknown]);
  const none = await add(["--audience", "shop", "--secret-stdin"]);
  expect([none.exit_code, none.stderr]).toEqual([2, expect.stringContaining("users issuers add backend") as unknown]);
  const inside = await add(["--audience", "shop", "--jwks-url", "https://169.254.169.254/keys"]);
  expect([inside.exit_code, inside.stderr]).toEqual([1, expect.stringContaining("a public address") as unknown]);
  const for_all = await add(["--jwks-url", "https://idp.example/keys"]);
  expect([for_all.exit_code, for_all.stderr]).toEqual([
    1,
    expect.stringContaining("audiences: at least one") as unknown,
  ]);
  expect((await run(stage, ["issuers", "list"])).stdout).toContain("The app has no issuer");
});

it(
  "tries an issuer first, on both machines, and says how to add an issuer that is not up yet",
  { tags: "all" },
  async () => {
    const stage = await startRemoteStage();
    const { site, app, home } = stage;
    // A name that never exists (RFC 6761 §6.4).
    const add = ["users", "issuers", "add", "https://login.invalid", "--audience", "shop", "--app", app.app_id];
    for (const where of [
      { home, env: stage.env, more: [] },
      { home, env: {}, more: ["--data-dir", site.data_dir] },
    ]) {
      const refused = await holdfast([...add, ...where.more], where);
      expect([refused.exit_code, refused.stderr]).toEqual([
        1,
        expect.stringContaining("it does not respond (dns_failed)"),
      ]);
      expect(refused.stderr).toContain("--skip-check");
      expect((await run(stage, ["issuers", "list"])).stdout).toContain("The app has no issuer");
      const added = await holdfast([...add, "--skip-check", ...where.more], where);
      const id = /\((iss_[a-z0-9]{20})\)/.exec(added.stdout)?.[1] ?? "";
      expect((await run(stage, ["issuers", "remove", id])).exit_code).toBe(0);
    }
  },
);

it("works on the server's data, which the running server then uses within a second", { tags: "all" }, async () => {
  const stage = await startRemoteStage();
  const { site, app, home } = stage;
  const add = ["users", "issuers", "add", "backend", "--app", app.app_id, "--audience", "shop", "--secret-stdin"];
  const here = { home, stdin: SECRET };
  const added = await holdfast([...add, "--data-dir", site.data_dir], here);
  expect([added.exit_code, added.stderr]).toEqual([0, ""]);
  const token = tokenOf({ iss: "backend", aud: "shop", sub: "ada", exp: Math.floor(Date.now() / 1000) + 600 });
  await expect.poll(async () => (await me(stage, token)).status, { timeout: 5_000 }).toBe(200);
  const users = await holdfast(["users", "list", "--app", app.app_id, "--data-dir", site.data_dir], { home });
  expect(users.stdout).toMatch(/aus_[a-z0-9]{20} +- +- +iss_[a-z0-9]{20} +ada/);
  const id = /aus_[a-z0-9]{20}/.exec(users.stdout)?.[0] ?? "";
  const role = ["users", "role", id, "admin", "--app", app.app_id, "--data-dir", site.data_dir];
  expect((await holdfast(role, { home })).exit_code).toBe(0);
  await expect
    .poll(async () => parseJson(await (await me(stage, token)).text()).text("role"), { timeout: 1_000 })
    .toBe("admin");
});
