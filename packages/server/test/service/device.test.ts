import { describe, expect, it } from "vitest";
import { CodedError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { GrantError } from "../../src/service/access/grant-error.ts";
import type { Approver, DeviceCode } from "../../src/service/access/device.ts";
import { USER_CODE_LENGTH, USER_CODE_LETTERS } from "../../src/service/access/user-codes.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../support/clock.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const approver = (name = "a", network = "192.0.2.9"): Approver => ({
  user_id: "usr_1",
  session: new Secret(`session ${name}`),
  network,
});

const begin = ({ installation }: TestServer, network = "192.0.2.1", scope: string | null = null): Promise<DeviceCode> =>
  installation.device.begin({ client_id: "base44_cli", scope, address: network, network });

/** Returns the code of the error, a GrantError's or a CodedError's. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "none",
    (error: unknown) => {
      if (error instanceof GrantError) return error.error;
      if (error instanceof CodedError) return error.code;
      throw error;
    },
  );
}

async function signedIn(holdfast: TestServer) {
  const { device } = holdfast.installation;
  const code = await begin(holdfast);
  await device.decide(code.user_code, approver(), "approved", "req_1");
  return { code, tokens: await device.poll(code.device_code.expose(), "base44_cli") };
}

/** Returns the n-th wrong code. */
const wrongCode = (n: number): string =>
  Array.from({ length: USER_CODE_LENGTH }, (_, place) => USER_CODE_LETTERS[Math.floor(n / 20 ** place) % 20]).join("");

describe("codes", () => {
  it("are 256 random bits, and eight letters without vowels and digits", async () => {
    const holdfast = await startTestServer();
    const { device_code, user_code, verification_uri, verification_uri_complete } = await begin(holdfast);
    expect(Buffer.from(device_code.expose(), "base64url")).toHaveLength(32);
    expect(user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    expect(new Set(USER_CODE_LETTERS).size).toBe(20);
    expect(verification_uri).toBe(`${holdfast.config.public_url}/device`);
    expect(verification_uri_complete).toBe(`${verification_uri}?user_code=${user_code}`);
  });

  it("are not in the database", async () => {
    const holdfast = await startTestServer();
    const { device_code, user_code } = await begin(holdfast);
    const rows = await holdfast.installation.store.transaction(async (tx) => {
      return await tx.db.selectFrom("device_codes").selectAll().execute();
    });
    const stored = JSON.stringify(rows);
    expect(rows).toHaveLength(1);
    for (const code of [device_code.expose(), user_code, user_code.replace("-", "")])
      expect(stored).not.toContain(code);
  });

  it.each([
    ["lower case", (code: string) => code.toLowerCase()],
    ["no dash", (code: string) => code.replace("-", "")],
    ["spaces", (code: string) => ` ${code.replace("-", " – ")} `],
  ])("are the same with %s", async (_what, typed) => {
    const holdfast = await startTestServer();
    const { user_code } = await begin(holdfast);
    expect(await holdfast.installation.device.view(typed(user_code), approver())).toMatchObject({
      client_name: "Base44 command line",
      address: "192.0.2.1",
    });
  });

  it("are at most five at once for one address, until one is decided or expires", async () => {
    const holdfast = await startTestServer();
    const [first] = await Promise.all(Array.from({ length: 5 }, () => begin(holdfast)));
    expect(await refusal(begin(holdfast))).toBe("rate_limited");
    expect(await refusal(begin(holdfast, "198.51.100.7"))).toBe("none");
    await holdfast.installation.device.decide(first?.user_code ?? "", approver(), "denied", "req_1");
    expect(await refusal(begin(holdfast))).toBe("none");
    await holdfast.clock.jump(10 * MINUTE);
    expect(await refusal(begin(holdfast))).toBe("none");
  });

  it("are for known clients, with known scopes", async () => {
    const holdfast = await startTestServer();
    const { device } = holdfast.installation;
    const stranger = { client_id: "stranger", scope: null, address: "", network: "" };
    expect(await refusal(device.begin(stranger))).toBe("invalid_client");
    expect(await refusal(begin(holdfast, "192.0.2.1", "everything"))).toBe("invalid_scope");
    const { user_code, device_code } = await begin(holdfast, "192.0.2.1", "apps:read of:tomorrow");
    await device.decide(user_code, approver(), "approved", "req_1");
    expect(await device.poll(device_code.expose(), "base44_cli")).toMatchObject({ scope: "apps:read" });
  });
});

describe("guessing", () => {
  it("succeeds with a chance of 3.9e-6 in ten minutes, and of 2^-32 from one session at one code", async () => {
    const { config } = await startTestServer();
    const { limits } = config;
    const codes = USER_CODE_LETTERS.length ** USER_CODE_LENGTH;
    expect(codes).toBe(25_600_000_000);
    const guesses = limits.device_wrong_codes_per_minute * (limits.device_code_ttl_ms / MINUTE);
    expect(guesses).toBe(1_000);
    expect((guesses * 100) / codes).toBeCloseTo(3.9e-6, 7);
    expect(Math.log2((guesses * 100) / codes)).toBeLessThan(-17.9);
    // Ten minutes can touch eleven windows.
    expect((1.1 * guesses * 100) / codes).toBeLessThan(4.4e-6);
    expect(Math.log2(limits.device_wrong_codes_per_session / codes)).toBeLessThan(-32);
  });

  it("is refused to a session after five wrong codes, even with the right one, for ten minutes", async () => {
    const holdfast = await startTestServer();
    const { device } = holdfast.installation;
    for (let n = 0; n < 5; n += 1)
      expect(await refusal(device.view(wrongCode(n), approver()))).toBe("user_code_invalid");
    const { user_code } = await begin(holdfast);
    expect(await refusal(device.view(user_code, approver()))).toBe("rate_limited");
    expect(await refusal(device.decide(user_code, approver(), "approved", "req_1"))).toBe("rate_limited");
    expect(await refusal(device.view(user_code, approver("b")))).toBe("none");
    await holdfast.clock.jump(10 * MINUTE);
    const later = await begin(holdfast);
    expect(await refusal(device.view(later.user_code, approver()))).toBe("none");
  });

  it("is refused when many wrong codes come at once", async () => {
    const { installation } = await startTestServer();
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) => refusal(installation.device.view(wrongCode(n), approver()))),
    );
    expect(answers.filter((code) => code === "user_code_invalid")).toHaveLength(5);
    expect(answers.filter((code) => code === "rate_limited")).toHaveLength(25);
  });

  it("is refused to an address after ten, and to all users after a hundred in a minute", async () => {
    const { installation, clock } = await startTestServer();
    const guess = (n: number, network: string) =>
      refusal(installation.device.view(wrongCode(n), approver(`${network} ${n}`, network)));
    const answers: string[] = [];
    for (let n = 0; n < 12; n += 1) answers.push(await guess(n, "192.0.2.1"));
    expect(answers.filter((code) => code === "user_code_invalid")).toHaveLength(10);
    // Refused tries used up none of the shared limit.
    for (let n = 0; n < 95; n += 1) answers.push(await guess(n, `198.51.100.${n}`));
    expect(answers.filter((code) => code === "user_code_invalid")).toHaveLength(100);
    expect(await guess(1, "203.0.113.1")).toBe("rate_limited");
    await clock.jump(MINUTE);
    expect(await guess(1, "203.0.113.1")).toBe("user_code_invalid");
  });

  it("does not count right codes, nor text that cannot be a code", async () => {
    const holdfast = await startTestServer();
    const { device } = holdfast.installation;
    const { user_code } = await begin(holdfast);
    for (let n = 0; n < 8; n += 1) expect(await refusal(device.view(user_code, approver()))).toBe("none");
    for (let n = 0; n < 8; n += 1) expect(await refusal(device.view("HELLO", approver()))).toBe("user_code_invalid");
    expect(await refusal(device.view(wrongCode(1), approver()))).toBe("user_code_invalid");
  });
});

describe("polling", () => {
  it("waits, stays slowed down, and accepts the approval at any time", async () => {
    const holdfast = await startTestServer();
    const { device } = holdfast.installation;
    const { device_code, user_code } = await begin(holdfast);
    const poll = () => refusal(device.poll(device_code.expose(), "base44_cli"));
    expect(await poll()).toBe("authorization_pending");
    await holdfast.clock.jump(5 * SECOND);
    expect(await poll()).toBe("authorization_pending");
    await holdfast.clock.jump(2 * SECOND);
    expect(await poll()).toBe("slow_down");
    // Ten seconds now, and fifteen after the next poll.
    await holdfast.clock.jump(5 * SECOND);
    expect(await poll()).toBe("slow_down");
    await holdfast.clock.jump(15 * SECOND);
    expect(await poll()).toBe("authorization_pending");
    await device.decide(user_code, approver(), "approved", "req_1");
    expect(await poll()).toBe("none");
  });

  it("ends with access_denied, expired_token or invalid_grant", async () => {
    const holdfast = await startTestServer();
    const { device } = holdfast.installation;
    const [denied, late] = [await begin(holdfast), await begin(holdfast)];
    await device.decide(denied.user_code, approver(), "denied", "req_1");
    expect(await refusal(device.poll(denied.device_code.expose(), "base44_cli"))).toBe("access_denied");
    expect(await refusal(device.poll(late.device_code.expose(), "holdfast_cli"))).toBe("invalid_grant");
    expect(await refusal(device.poll("made up", "base44_cli"))).toBe("invalid_grant");
    await holdfast.clock.jump(10 * MINUTE);
    expect(await refusal(device.poll(late.device_code.expose(), "base44_cli"))).toBe("expired_token");
    expect(await refusal(device.decide(late.user_code, approver(), "approved", "req_1"))).toBe("user_code_invalid");
  });

  it("after success revokes a token that was not used yet", async () => {
    const holdfast = await startTestServer();
    const { device, cliSessions } = holdfast.installation;
    const { code, tokens } = await signedIn(holdfast);
    await holdfast.clock.jump(5 * SECOND);
    expect(await refusal(device.poll(code.device_code.expose(), "base44_cli"))).toBe("invalid_grant");
    expect(await cliSessions.verifyCliSession(tokens.access_token.expose())).toBeNull();
    expect(await refusal(cliSessions.refresh(tokens.refresh_token.expose(), "base44_cli"))).toBe("invalid_grant");
  });

  it("after success keeps a token that was used", async () => {
    const holdfast = await startTestServer();
    const { device, cliSessions } = holdfast.installation;
    const { code, tokens } = await signedIn(holdfast);
    expect(await cliSessions.verifyCliSession(tokens.access_token.expose())).toMatchObject({ user_id: "usr_1" });
    await holdfast.clock.jump(5 * SECOND);
    expect(await refusal(device.poll(code.device_code.expose(), "base44_cli"))).toBe("invalid_grant");
    expect(await cliSessions.verifyCliSession(tokens.access_token.expose())).toMatchObject({ user_id: "usr_1" });
  });

  it("twice at once gives working tokens to exactly one poll", async () => {
    const holdfast = await startTestServer();
    const { device, cliSessions } = holdfast.installation;
    const { user_code, device_code } = await begin(holdfast);
    await device.decide(user_code, approver(), "approved", "req_1");
    const polls = await Promise.allSettled([
      device.poll(device_code.expose(), "base44_cli"),
      device.poll(device_code.expose(), "base44_cli"),
    ]);
    const issued = polls.flatMap((poll) => (poll.status === "fulfilled" ? [poll.value] : []));
    expect(issued).toHaveLength(1);
    expect(await cliSessions.verifyCliSession(issued[0]?.access_token.expose() ?? "")).not.toBeNull();
  });
});

describe("sessions", () => {
  it("return their user and scopes until the access token expires", async () => {
    const holdfast = await startTestServer();
    const { cliSessions } = holdfast.installation;
    const { tokens } = await signedIn(holdfast);
    const bearer = tokens.access_token.expose();
    expect(bearer).toMatch(/^hfc_/);
    const [listed] = await cliSessions.list("usr_1");
    expect(await cliSessions.verifyCliSession(bearer)).toEqual({
      user_id: "usr_1",
      session_id: listed?.id,
      scopes: ["apps:read", "apps:write", "sandbox:write"],
    });
    await holdfast.clock.jump(HOUR);
    expect(await cliSessions.verifyCliSession(bearer)).toBeNull();
    for (const wrong of ["hfc_x", tokens.refresh_token.expose(), `hfc_${"A".repeat(43)}`])
      expect(await cliSessions.verifyCliSession(wrong)).toBeNull();
  });

  it("last for 90 days by refreshing, and end after 30 days without it", async () => {
    const holdfast = await startTestServer();
    const { cliSessions } = holdfast.installation;
    let { tokens } = await signedIn(holdfast);
    for (let day = 0; day < 84; day += 28) {
      await holdfast.clock.jump(28 * DAY);
      tokens = { ...(await cliSessions.refresh(tokens.refresh_token.expose(), "base44_cli")) };
      expect(await cliSessions.verifyCliSession(tokens.access_token.expose())).not.toBeNull();
    }
    await holdfast.clock.jump(7 * DAY);
    expect(await refusal(cliSessions.refresh(tokens.refresh_token.expose(), "base44_cli"))).toBe("invalid_grant");
    const idle = await signedIn(holdfast);
    await holdfast.clock.jump(31 * DAY);
    expect(await refusal(cliSessions.refresh(idle.tokens.refresh_token.expose(), "base44_cli"))).toBe("invalid_grant");
    await holdfast.server.sweeper.tick();
    expect(await cliSessions.list("usr_1")).toEqual([]);
  });

  it("survive a lost reply, and end when an old refresh token is reused later", async () => {
    const holdfast = await startTestServer();
    const { cliSessions, audit, store } = holdfast.installation;
    const { tokens } = await signedIn(holdfast);
    const refresh = (token: Secret) => cliSessions.refresh(token.expose(), "base44_cli");
    await refresh(tokens.refresh_token);
    await holdfast.clock.jump(20 * SECOND);
    const again = await refresh(tokens.refresh_token);
    expect(await cliSessions.verifyCliSession(again.access_token.expose())).not.toBeNull();
    await holdfast.clock.jump(11 * SECOND);
    expect(await refusal(refresh(tokens.refresh_token))).toBe("invalid_grant");
    expect(await cliSessions.verifyCliSession(again.access_token.expose())).toBeNull();
    expect(await refusal(refresh(again.refresh_token))).toBe("invalid_grant");
    await audit.flush();
    const actions = (await store.listAudit("", 20)).map(({ action }) => action);
    expect(actions).toContain("cli_session.refresh_token_reused");
  });

  it("end at once on the node that ends them, and within a second where no notification arrives", async () => {
    const holdfast = await startTestServer();
    const { cliSessions, store } = holdfast.installation;
    const [here, elsewhere] = [await signedIn(holdfast), await signedIn(holdfast)];
    const works = async ({ tokens }: typeof here): Promise<boolean> =>
      (await cliSessions.verifyCliSession(tokens.access_token.expose())) !== null;
    expect([await works(here), await works(elsewhere)]).toEqual([true, true]);
    const [first, second] = await cliSessions.list("usr_1");
    // Ends it as another node would, with every notification lost.
    await store.endCliSession(second?.id ?? "");
    await holdfast.clock.jump(SECOND);
    expect(await works(elsewhere)).toBe(false);
    expect(await cliSessions.end("usr_2", first?.id ?? "")).toBe(false);
    expect(await cliSessions.end("usr_1", first?.id ?? "")).toBe(true);
    expect(await works(here)).toBe(false);
  });

  it("are ended by either of their tokens, but not by another client (RFC 7009)", async () => {
    const holdfast = await startTestServer();
    const { cliSessions } = holdfast.installation;
    const [one, two] = [await signedIn(holdfast), await signedIn(holdfast)];
    await cliSessions.revoke(one.tokens.access_token.expose(), "holdfast_cli");
    expect(await cliSessions.list("usr_1")).toHaveLength(2);
    await cliSessions.revoke(one.tokens.access_token.expose(), "base44_cli");
    await cliSessions.revoke(two.tokens.refresh_token.expose(), "base44_cli");
    await cliSessions.revoke("unknown", "base44_cli");
    expect(await cliSessions.list("usr_1")).toEqual([]);
  });

  it("leave no token in the database, the log or the audit trail", async () => {
    const holdfast = await startTestServer();
    const { store, audit } = holdfast.installation;
    const { code, tokens } = await signedIn(holdfast);
    await audit.flush();
    const rows = await store.transaction(async (tx) => {
      const tables = ["device_codes", "cli_sessions", "cli_tokens", "audit_events", "rate_windows"] as const;
      const found: unknown[] = [];
      for (const table of tables) found.push(...(await tx.db.selectFrom(table).selectAll().execute()));
      return found;
    });
    const everything = JSON.stringify([rows, holdfast.log]);
    for (const secret of [tokens.access_token, tokens.refresh_token, code.device_code])
      expect(everything).not.toContain(secret.expose());
    expect(everything).not.toContain(code.user_code);
  });
});
