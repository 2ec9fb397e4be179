/** The list of an app's connectors, and the checks with providers that it triggers. */
import { describe, expect, it } from "vitest";
import { HOUR, MINUTE } from "../support/clock.ts";
import type { TestServer } from "../support/server.ts";
import { listed, startWithClient } from "./stage.ts";

describe("listing", () => {
  const healthChecks = ({ simulator }: TestServer) =>
    simulator.ledger().requests.filter(({ kind }) => kind === "identity" || kind === "resource").length;

  it("checks a connection that was not checked for an hour with its provider, once an hour", async () => {
    const holdfast = await startWithClient("notion");
    await holdfast.connect("notion");
    const before = healthChecks(holdfast);
    await listed(holdfast);
    expect(healthChecks(holdfast)).toBe(before);
    await holdfast.clock.jump(HOUR);
    for (let time = 0; time < 3; time += 1) expect(await listed(holdfast)).toMatchObject([{ status: "active" }]);
    expect(healthChecks(holdfast)).toBe(before + 1);
    await holdfast.clock.jump(HOUR);
    await listed(holdfast);
    expect(healthChecks(holdfast)).toBe(before + 2);
  });

  it("shows a connection as expired after the user ended it at the provider, with and without a refresh token", async () => {
    for (const [type, modes] of [
      ["notion", []],
      ["github", []],
      ["googlecalendar", []],
    ] as const) {
      const holdfast = await startWithClient(type, modes);
      await holdfast.connect(type);
      const { client_id } = (await holdfast.installation.store.installationClient(type)) ?? { client_id: "" };
      holdfast.simulator.revokeGrants({ client_id });
      await holdfast.clock.jump(HOUR - MINUTE);
      expect(await listed(holdfast)).toMatchObject([{ status: "active" }]);
      await holdfast.clock.jump(MINUTE);
      expect(await listed(holdfast)).toMatchObject([{ status: "expired" }]);
      expect((await holdfast.token(type)).code).toBe("connection_expired");
      expect(await holdfast.events()).toContain("connection.needs_reconnect");
    }
  });

  it("does not fail while a provider is down, and does not request it again at once", async () => {
    const holdfast = await startWithClient("notion");
    await holdfast.connect("notion");
    await holdfast.clock.jump(HOUR);
    holdfast.simulator.setModes({ modes: ["outage-503"] });
    const before = healthChecks(holdfast);
    for (let time = 0; time < 3; time += 1) expect(await listed(holdfast)).toMatchObject([{ status: "active" }]);
    expect(healthChecks(holdfast) - before).toBeLessThanOrEqual(1);
    holdfast.simulator.setModes({ modes: [] });
    expect((await holdfast.token("notion")).status).toBe(200);
  });

  it("shows no pending consent", async () => {
    const holdfast = await startWithClient("slack");
    await holdfast.initiate("slack");
    expect(await listed(holdfast)).toEqual([]);
  });
});
