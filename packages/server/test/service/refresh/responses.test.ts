import { clientSecretOf } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../support/clock.ts";
import { connected, many } from "./support.ts";

describe("responses without usable tokens", () => {
  it("delay the next request by Retry-After, to the second", async () => {
    const { holdfast } = await connected("googlecalendar", ["429-7s"]);
    await holdfast.clock.jump(2 * HOUR);
    const first = await holdfast.token("googlecalendar");
    expect([first.status, first.headers.get("retry-after")]).toEqual([503, "7"]);
    await holdfast.clock.jump(6 * SECOND);
    expect((await holdfast.token("googlecalendar")).headers.get("retry-after")).toBe("1");
    expect(holdfast.refreshes()).toHaveLength(1);
    await holdfast.clock.jump(SECOND);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect(holdfast.refreshes()).toHaveLength(2);
  });

  it.for([
    "500-then-ok",
    "502-then-ok",
    "html-then-ok",
    "bad-json-then-ok",
    "empty-then-ok",
    "no-access-token-then-ok",
  ])("like %s cause a retry, and the tokens stay meanwhile", async (mode) => {
    const { holdfast } = await connected("googlecalendar", [mode]);
    await holdfast.clock.jump(2 * HOUR);
    const failed = await holdfast.token("googlecalendar");
    expect([failed.status, failed.code]).toEqual([503, "provider_unavailable"]);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ status: "active", generation: 1 });
    await holdfast.clock.jump(SECOND);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ generation: 2, intent_at: null, failures: 0 });
    expect(await holdfast.events()).toEqual(["connection.connected"]);
  });

  it("give the loss of a single-use token's response its own reason", async () => {
    const { holdfast } = await connected("github", ["drop-after-then-ok"]);
    await holdfast.clock.jump(9 * HOUR);
    expect((await holdfast.token("github")).code).toBe("provider_unavailable");
    expect(await holdfast.row("github")).toMatchObject({ status: "active", fail_class: "unknown" });
    expect((await holdfast.row("github")).intent_at).not.toBeNull();
    await holdfast.clock.jump(10 * SECOND);
    const lost = await holdfast.token("github");
    expect([lost.code, lost.extra["reason"]]).toEqual(["connection_expired", "refresh_outcome_unknown"]);
    await holdfast.clock.jump(10 * MINUTE);
    await holdfast.server.sweeper.tick();
    expect(holdfast.refreshes()).toHaveLength(2);
    expect(await holdfast.events()).toEqual(["connection.connected", "connection.needs_reconnect"]);
  });

  it("leave an outcome unknown if a later request could not be sent", async () => {
    const { holdfast } = await connected("github", ["drop-after-then-ok"]);
    await holdfast.clock.jump(9 * HOUR);
    await holdfast.token("github");
    await holdfast.simulator.close();
    await holdfast.clock.jump(10 * SECOND);
    await holdfast.token("github");
    expect((await holdfast.row("github")).intent_at).not.toBeNull();
  });

  it("keep the refresh token if they have no other", async () => {
    const { holdfast } = await connected("googlecalendar");
    const before = await holdfast.row("googlecalendar");
    for (let round = 0; round < 3; round += 1) {
      await holdfast.clock.jump(2 * HOUR);
      expect((await holdfast.token("googlecalendar")).status).toBe(200);
    }
    expect((await holdfast.row("googlecalendar")).rt_fp).toBe(before.rt_fp);
    expect(new Set(holdfast.refreshes().map((one) => one.refresh_token_sha256)).size).toBe(1);
  });

  it.for([
    ["no-expires-in", HOUR],
    ["expires-as-string", HOUR - SECOND],
    ["expires-junk", HOUR],
    ["expires-0", 80 * SECOND],
  ] as const)("with %s give the token a known lifetime", async ([mode, life_ms]) => {
    const { holdfast } = await connected("googlecalendar", [mode]);
    const row = await holdfast.row("googlecalendar");
    expect((row.expires_at ?? 0) - row.issued_at).toBe(life_ms);
    await many(20, () => holdfast.token("googlecalendar"));
    expect(holdfast.refreshes()).toHaveLength(0);
  });

  it("end the connection after four days, with a reason that names no cause", async () => {
    const { holdfast } = await connected("googlecalendar", ["500"]);
    await holdfast.clock.jump(2 * HOUR);
    await holdfast.server.sweeper.tick();
    await holdfast.clock.jump(96 * HOUR);
    await holdfast.server.sweeper.tick();
    expect((await holdfast.row("googlecalendar")).status).toBe("active");
    await holdfast.clock.jump(2 * HOUR);
    await holdfast.server.sweeper.tick();
    expect(await holdfast.row("googlecalendar")).toMatchObject({ status: "expired", reason: "failing_too_long" });
  });

  it("never redirect the secret, and never appear in replies or the log", async () => {
    for (const mode of ["redirect-token", "echo"]) {
      const { holdfast } = await connected("googlecalendar", [mode]);
      await holdfast.clock.jump(2 * HOUR);
      const reply = await holdfast.token("googlecalendar");
      expect([reply.status, reply.code]).toEqual([503, "provider_unavailable"]);
      expect(holdfast.simulator.ledger().redirects_followed).toBe(0);
      const output = reply.text + JSON.stringify(holdfast.log);
      expect(output).not.toContain(clientSecretOf(`sim-${mode}`));
      expect(output).not.toContain("refresh_token=");
    }
  });
});
