/** A consent for another account than the connected one, and its decision. */
import { approveConsent } from "@holdfast/simulator";
import { describe, expect, it } from "vitest";
import { HOUR, MINUTE } from "../support/clock.ts";
import { fieldsOf, textOf } from "../support/browser.ts";
import { agree, type TestServer } from "../support/server.ts";
import { addScopes, audited, externalAuth, startWithClient } from "./stage.ts";

describe("another account at the provider", () => {
  async function consentedAsBob(holdfast: TestServer) {
    await holdfast.connect("googlecalendar", { account: "ada" });
    const person = await holdfast.signedIn();
    const { redirect_url, connection_id } = (
      await addScopes(holdfast, { integration_type: "googlecalendar", force_reconnect: true })
    ).json;
    const shown = await person.finish(
      await approveConsent(await person.start(String(redirect_url)), { account: "bob" }),
    );
    const status = async () =>
      (
        await holdfast.manage(
          "GET",
          `${externalAuth(holdfast)}/status?integration_type=googlecalendar&connection_id=${String(connection_id)}`,
        )
      ).json["status"];
    return { person, shown, status };
  }

  const revocations = ({ simulator }: TestServer) =>
    simulator.ledger().requests.filter(({ kind }) => kind === "revoke").length;

  it("changes nothing before the builder decides on a page: 409 account_changed", async () => {
    const holdfast = await startWithClient("googlecalendar");
    const { person, shown, status } = await consentedAsBob(holdfast);
    expect(shown.status).toBe(409);
    expect(textOf(shown.text)).toMatch(/uses ada.* consented as bob/i);
    expect(await holdfast.row("googlecalendar")).toMatchObject({ generation: 1, status: "active" });
    expect(await status()).toBe("PENDING");
    const action = /action="([^"]+)\/account"/.exec(shown.text)?.[1] ?? "";
    const json = await person.get(`${action}/result`, { accept: "application/json" });
    expect([json.status, json.code]).toEqual([409, "account_changed"]);
    // A form of another site changes nothing either.
    const forged = await person.post(`${action}/account`, { decision: "replace", form_token: "x" });
    expect([forged.status, await status()]).toEqual([403, "PENDING"]);
  });

  it("is stored when confirmed, and its tokens are not revoked afterwards", async () => {
    const holdfast = await startWithClient("googlecalendar");
    const { person, shown, status } = await consentedAsBob(holdfast);
    expect(textOf((await agree(person, shown)).text)).toContain("is connected");
    expect(await status()).toBe("ACTIVE");
    expect(await holdfast.row("googlecalendar")).toMatchObject({ generation: 2, status: "active" });
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    await holdfast.clock.jump(HOUR);
    await holdfast.server.sweeper.tick();
    expect(revocations(holdfast)).toBe(0);
    expect((await audited(holdfast, "consent.")).toSorted()).toEqual([
      "consent.account_changed",
      "consent.connected",
      "consent.connected",
    ]);
  });

  it("is discarded when declined: its tokens are revoked, and the first account keeps working", async () => {
    const holdfast = await startWithClient("googlecalendar");
    const { person, shown, status } = await consentedAsBob(holdfast);
    expect(textOf((await agree(person, shown, "keep")).text)).toContain("was not connected");
    expect(await status()).toBe("FAILED");
    await holdfast.server.sweeper.tick();
    expect(revocations(holdfast)).toBe(1);
    expect(await audited(holdfast, "revocation.")).toEqual(["revocation.revoked"]);
    expect((await holdfast.token("googlecalendar")).status).toBe(200);
    // The other button now does nothing.
    expect(textOf((await agree(person, shown)).text)).toContain("was not connected");
    expect((await holdfast.row("googlecalendar")).generation).toBe(1);
  });

  it("is discarded when no decision arrives in time", async () => {
    const holdfast = await startWithClient("googlecalendar");
    const { person, shown, status } = await consentedAsBob(holdfast);
    await holdfast.clock.jump(10 * MINUTE);
    expect((await agree(person, shown)).status).toBe(400);
    expect(await status()).toBe("FAILED");
    await holdfast.clock.jump(2 * MINUTE);
    await holdfast.server.sweeper.tick();
    expect(revocations(holdfast)).toBe(1);
    expect((await holdfast.row("googlecalendar")).generation).toBe(1);
  });

  it("can be confirmed only by its initiator", async () => {
    const holdfast = await startWithClient("googlecalendar");
    const { shown } = await consentedAsBob(holdfast);
    const action = /<form method="post" action="([^"]+)"/.exec(shown.text)?.[1] ?? "";
    const stranger = holdfast.browser();
    const reply = await stranger.post(action, { ...fieldsOf(shown.text), decision: "replace" });
    expect(reply.status).toBe(401);
    expect((await holdfast.row("googlecalendar")).generation).toBe(1);
  });
});
