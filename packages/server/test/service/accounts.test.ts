import { describe, expect, it } from "vitest";
import { openInstallation } from "../../src/installation.ts";
import { loadConfig } from "../../src/config.ts";
import { CodedError } from "../../src/core/errors.ts";
import { Secret, sha256Hex } from "../../src/core/secret.ts";
import type { Visitor } from "../../src/service/accounts/accounts.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { asObject } from "../support/http.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const PASSWORD = "correct horse battery";
const GRACE = { name: "Grace", email: "grace@example.com", password: new Secret(PASSWORD) };
const from = (address = "192.0.2.1"): Visitor => ({
  address,
  network: address,
  user_agent: "Mozilla/5.0 (test)",
  request_id: "req_1",
});

async function withGrace(options: Parameters<typeof startTestServer>[0] = {}) {
  const holdfast = await startTestServer(options);
  const { accounts } = holdfast.installation;
  const { user_id, session } = await accounts.createAccount(GRACE, from());
  return { holdfast, accounts, user_id, session };
}

const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "fine",
    (error: unknown) => (error instanceof CodedError ? error.code : String(error)),
  );

const linkToken = (url: string): string => url.split("/").at(-1) ?? "";

async function auditOf({ installation }: TestServer) {
  await installation.audit.flush();
  const events = await installation.store.listAudit("", 50);
  return events.toReversed().map(({ actor, action, target }) => ({ actor, action, target }));
}

describe("a setup link", () => {
  it("creates the first admin: an owner of the first workspace", async () => {
    const holdfast = await startTestServer();
    const { accounts, store } = holdfast.installation;
    const token = linkToken(await accounts.createSetupLink());
    const session = await accounts.setUp(token, { ...GRACE, email: " Grace@Example.COM " }, from());
    const user = await accounts.userOf(session);
    expect(user).toMatchObject({ name: "Grace", email: "grace@example.com" });
    expect(await store.membershipsOf(user?.user_id ?? holdfast.builder.user_id)).toMatchObject([
      { id: holdfast.builder.workspace_id, role: "owner" },
    ]);
    expect(await codeOf(accounts.setUp(token, GRACE, from()))).toBe("setup_link_invalid");
    expect(await auditOf(holdfast)).toEqual([{ actor: "setup_link", action: "account.create", target: user?.user_id }]);
  });

  it("sets a new password for an admin, and ends all of that user's sessions", async () => {
    const { holdfast, accounts, user_id, session } = await withGrace();
    await holdfast.installation.store.transaction(async (tx) => {
      const { workspace_id } = holdfast.builder;
      const member = { id: "mem_1", workspace_id, user_id, role: "admin" as const, created_at: tx.now };
      await tx.db.insertInto("auth_member").values(member).execute();
    });
    const next = { ...GRACE, password: new Secret("a new long password") };
    const renewed = await accounts.setUp(linkToken(await accounts.createSetupLink()), next, from());
    expect(await accounts.userOf(session)).toBeNull();
    expect(await accounts.userOf(renewed)).toMatchObject({ user_id });
    expect(await codeOf(accounts.signIn(GRACE.email, GRACE.password, from()))).toBe("sign_in_failed");
    expect(await codeOf(accounts.signIn(GRACE.email, next.password, from()))).toBe("fine");
    expect(await holdfast.installation.store.roleOf(user_id, holdfast.builder.workspace_id)).toBe("admin");
    expect(await auditOf(holdfast)).toContainEqual({
      actor: "setup_link",
      action: "account.set_password",
      target: user_id,
    });
  });

  it("is not used up by invalid input", async () => {
    const holdfast = await startTestServer();
    const { accounts } = holdfast.installation;
    const token = linkToken(await accounts.createSetupLink());
    const wrong = [
      [{ ...GRACE, name: " " }, "invalid_name"],
      [{ ...GRACE, name: "Gra\u202ece" }, "invalid_name"],
      [{ ...GRACE, email: "nobody" }, "invalid_email"],
      [{ ...GRACE, email: "a b@example.com" }, "invalid_email"],
      [{ ...GRACE, email: `${"x".repeat(250)}@example.com` }, "invalid_email"],
      [{ ...GRACE, password: new Secret("nine char") }, "invalid_password"],
      [{ ...GRACE, password: new Secret("x".repeat(129)) }, "invalid_password"],
    ] as const;
    for (const [given, code] of wrong) expect(await codeOf(accounts.setUp(token, given, from()))).toBe(code);
    expect(await codeOf(accounts.setUp(token, { ...GRACE, password: new Secret("ten chars!") }, from()))).toBe("fine");
  });

  it("expires after an hour", async () => {
    const holdfast = await startTestServer();
    const { accounts } = holdfast.installation;
    const token = linkToken(await accounts.createSetupLink());
    await holdfast.clock.jump(HOUR);
    expect(await codeOf(accounts.setUp(token, GRACE, from()))).toBe("setup_link_invalid");
  });
});

describe("signing in", () => {
  it("accepts the address in any case, and creates a new session each time", async () => {
    const { accounts, session, user_id } = await withGrace();
    const again = await accounts.signIn(" GRACE@example.com", GRACE.password, from());
    expect(again.expose()).not.toBe(session.expose());
    expect(await accounts.userOf(again)).toMatchObject({ user_id });
    expect((await accounts.listSessions(user_id)).map((row) => [row.ip_address, row.user_agent])).toEqual([
      ["192.0.2.1", "Mozilla/5.0 (test)"],
      ["192.0.2.1", "Mozilla/5.0 (test)"],
    ]);
  });

  it("gives the same error after the same work for a wrong password, an unknown address and malformed input", async () => {
    const { holdfast, accounts } = await withGrace();
    const answers: unknown[] = [];
    const took_ms: number[] = [];
    for (const [email, password] of [
      [GRACE.email, "wrong wrong wrong"],
      ["nobody@example.com", "wrong wrong wrong"],
      // An account without a password.
      [holdfast.builder.email, "wrong wrong wrong"],
    ] as const) {
      const started_at = performance.now();
      const error = await accounts.signIn(email, new Secret(password), from()).catch((thrown: unknown) => thrown);
      took_ms.push(performance.now() - started_at);
      answers.push(error instanceof CodedError ? [error.code, error.message, error.status] : error);
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toEqual(["sign_in_failed", "The email address or the password is wrong.", 401]);
    // A hash takes tens of milliseconds. Everything else takes few.
    expect(Math.min(...took_ms)).toBeGreaterThan(10);
    expect(await codeOf(accounts.signIn("no address", new Secret("x"), from()))).toBe("sign_in_failed");
    expect(await codeOf(accounts.signIn(GRACE.email, new Secret("x".repeat(1_000)), from()))).toBe("sign_in_failed");
  });

  it("allows five guesses at an account in fifteen minutes, from any address, even all at once", async () => {
    const { holdfast, accounts } = await withGrace();
    const guess = (index: number) =>
      codeOf(accounts.signIn(GRACE.email, new Secret(`wrong ${index}`), from(`192.0.2.${index}`)));
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => guess(index)));
    expect(answers.filter((code) => code === "sign_in_failed")).toHaveLength(5);
    expect(answers.filter((code) => code === "rate_limited")).toHaveLength(15);
    const refused = await accounts
      .signIn(GRACE.email, GRACE.password, from("198.51.100.1"))
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "rate_limited", options: { retry_after_s: expect.any(Number) } });
    await holdfast.clock.jump(15 * MINUTE + SECOND);
    expect(await codeOf(accounts.signIn(GRACE.email, GRACE.password, from()))).toBe("fine");
  });

  it("allows an address five guesses at any accounts, and one address does not block others", async () => {
    const { accounts } = await withGrace();
    const guess = (email: string, address: string) =>
      codeOf(accounts.signIn(email, new Secret("wrong"), from(address)));
    for (let index = 0; index < 5; index += 1)
      expect(await guess(`nobody${index}@example.com`, "203.0.113.9")).toBe("sign_in_failed");
    expect(await guess(GRACE.email, "203.0.113.9")).toBe("rate_limited");
    expect(await codeOf(accounts.signIn(GRACE.email, GRACE.password, from("192.0.2.7")))).toBe("fine");
  });

  it("does not count correct passwords", async () => {
    const { accounts } = await withGrace();
    for (let time = 0; time < 8; time += 1)
      expect(await codeOf(accounts.signIn(GRACE.email, GRACE.password, from()))).toBe("fine");
  });
});

describe("a session", () => {
  it("ends after twelve idle hours, and after seven days even if it is in use", async () => {
    const { holdfast, accounts, session } = await withGrace();
    for (let half_days = 0; half_days < 13; half_days += 1) {
      await holdfast.clock.jump(12 * HOUR - SECOND);
      expect(await accounts.userOf(session)).not.toBeNull();
    }
    await holdfast.clock.jump(11 * HOUR);
    expect(await accounts.userOf(session)).not.toBeNull();
    await holdfast.clock.jump(HOUR + MINUTE);
    expect(await accounts.userOf(session)).toBeNull();

    const idle = await accounts.signIn(GRACE.email, GRACE.password, from());
    await holdfast.clock.jump(12 * HOUR + SECOND);
    expect(await accounts.userOf(idle)).toBeNull();
  });

  it("is stored only as a hash, and so is the password", async () => {
    const { holdfast, session } = await withGrace();
    const rows = await holdfast.installation.store.transaction(async (tx) => {
      const sessions = await tx.db.selectFrom("auth_session").selectAll().execute();
      const accounts = await tx.db.selectFrom("auth_account").selectAll().execute();
      return { sessions, accounts };
    });
    expect(asObject(rows.sessions[0])["token_hash"]).toBe(sha256Hex(session.expose()));
    expect(JSON.stringify(rows)).not.toContain(session.expose());
    expect(JSON.stringify(rows)).not.toContain(PASSWORD);
    expect(asObject(rows.accounts[0])["password"]).toMatch(/^[0-9a-f]{32}:[0-9a-f]{128}$/);
  });

  it("cannot be opened with the hash that the database stores", async () => {
    const { accounts, session } = await withGrace();
    expect(await accounts.userOf(new Secret(sha256Hex(session.expose())))).toBeNull();
    expect(await accounts.userOf(new Secret(`${session.expose().slice(1)}x`))).toBeNull();
  });

  it("is ended only by its owner, here or everywhere", async () => {
    const { holdfast, accounts, session, user_id } = await withGrace();
    const user = await accounts.userOf(session);
    if (user === null) throw new Error("The session has expired.");
    const second = await accounts.signIn(GRACE.email, GRACE.password, from());
    const stranger = { ...user, user_id: holdfast.builder.user_id };
    expect(await codeOf(accounts.endSession(stranger, user.session_id))).toBe("not_found");
    await accounts.endSession(user, user.session_id);
    expect(await accounts.userOf(session)).toBeNull();
    expect(await accounts.userOf(second)).not.toBeNull();
    await accounts.signOutEverywhere(user);
    expect(await accounts.userOf(second)).toBeNull();
    expect(await accounts.listSessions(user_id)).toEqual([]);
  });

  it("is deleted by the sweeper after it has expired", async () => {
    const { holdfast, accounts, user_id } = await withGrace();
    await holdfast.clock.jump(8 * DAY);
    await holdfast.server.sweeper.tick();
    const left = await holdfast.installation.store.countLibraryRows("auth_session", []);
    expect([left, await accounts.listSessions(user_id)]).toEqual([0, []]);
  });
});

describe("changing the password", () => {
  it("requires the current one, ends all other sessions and opens a new one for this browser", async () => {
    const { accounts, session } = await withGrace();
    const user = await accounts.userOf(session);
    if (user === null) throw new Error("The session has expired.");
    const other = await accounts.signIn(GRACE.email, GRACE.password, from());
    const next = new Secret("a new long password");
    const change = (current: Secret, wanted = next) => accounts.changePassword(user, session, current, wanted, from());
    expect(await codeOf(change(new Secret("wrong")))).toBe("sign_in_failed");
    expect(await codeOf(change(GRACE.password, new Secret("short")))).toBe("invalid_password");
    const renewed = await change(GRACE.password);
    expect(await Promise.all([session, other].map((one) => accounts.userOf(one)))).toEqual([null, null]);
    expect(await accounts.userOf(renewed)).toMatchObject({ user_id: user.user_id });
    expect(await codeOf(accounts.signIn(GRACE.email, next, from()))).toBe("fine");
  });

  it("allows a limited number of guesses at the current password", async () => {
    const { accounts, session } = await withGrace();
    const user = await accounts.userOf(session);
    if (user === null) throw new Error("The session has expired.");
    const codes: string[] = [];
    for (let time = 0; time < 6; time += 1)
      codes.push(
        await codeOf(accounts.changePassword(user, session, new Secret("wrong"), new Secret("long enough"), from())),
      );
    expect(codes).toEqual([...Array.from({ length: 5 }, () => "sign_in_failed"), "rate_limited"]);
  });
});

describe("accounts", () => {
  it("have unique addresses, in any case", async () => {
    const { accounts } = await withGrace();
    expect(await codeOf(accounts.createAccount({ ...GRACE, email: "GRACE@EXAMPLE.COM" }, from()))).toBe(
      "already_exists",
    );
  });

  it("are shared by the server and a command on its machine, in both directions", async () => {
    const { holdfast, accounts, session } = await withGrace();
    const { config, clock } = holdfast;
    const command = await openInstallation({ config, clock, log: silentLog }, "command");
    expect(await command.accounts.userOf(session)).not.toBeNull();
    const second = await command.accounts.signIn(GRACE.email, GRACE.password, from());
    expect(await accounts.userOf(second)).not.toBeNull();
    await command.close();
  });

  it("leave no secret in the log or the audit trail", async () => {
    const { holdfast, accounts, session } = await withGrace();
    await codeOf(accounts.signIn(GRACE.email, new Secret("wrong wrong wrong"), from()));
    await codeOf(accounts.signIn("nobody@example.com", GRACE.password, from()));
    const recorded = JSON.stringify([holdfast.log, await auditOf(holdfast)]);
    for (const secret of [PASSWORD, session.expose(), "wrong wrong wrong", "grace@example.com", "nobody@example.com"])
      expect(recorded).not.toContain(secret);
  });

  it("are kept by a library that sends nothing: the server removes the variables that would enable its telemetry", () => {
    const environment = {
      BETTER_AUTH_TELEMETRY: "1",
      BETTER_AUTH_TELEMETRY_ENDPOINT: "https://x.example",
      PATH: "/bin",
    };
    loadConfig({}, environment);
    expect(environment).toEqual({ PATH: "/bin" });
    expect(() => loadConfig({}, { HOLDFAST_DEFAULT_PLAN: "gold" })).toThrow(
      /HOLDFAST_DEFAULT_PLAN must be one of free/,
    );
    expect(loadConfig({}, { HOLDFAST_DEFAULT_PLAN: "free" }).default_plan).toBe("free");
  });
});
