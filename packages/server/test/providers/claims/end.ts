/** How a connection ends: the grant is gone at the vendor, or the owner disconnects. */
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../../src/core/secret.ts";
import { SECOND } from "../../support/clock.ts";
import { note } from "../capability-table.ts";
import { declaredModes, outlive, type Subject } from "../subject.ts";
import { tellsDeadGrant } from "../vendor-answers.ts";

export function describeEnd(get: () => Subject): void {
  describe("the end", () => {
    it("asks for a person once the grant is gone", async () => {
      const subject = get();
      const { provider, simulator, client_id, holdfast } = subject;
      const link = await subject.connect("dead", declaredModes(provider));
      expect(simulator.revokeGrants({ client_id, account: link.account })).toBeGreaterThan(0);
      const reply = await outlive(subject, link);
      // Where nothing tells a dead grant from a wrong OAuth client, the vendor is asked for as long as it may be down.
      const tells = tellsDeadGrant(provider.id);
      expect(reply.code).toBe(tells ? "connection_expired" : "provider_unavailable");
      await holdfast.clock.jump(tells ? 0 : holdfast.config.limits.give_up_after_ms + SECOND);
      const last = subject.latest();
      expect((await link.ask()).code).toBe("connection_expired");
      expect((await link.ask()).code).toBe("connection_expired");
      expect(subject.requests("refresh", last).length).toBe(tells ? 0 : 1);
      expect(await holdfast.events(link.app)).toContain("connection.needs_reconnect");
      expect(await link.entry()).toMatchObject({ status: "expired" });
    });

    it("revokes at the vendor where there is a way, and sends nothing elsewhere", async () => {
      const subject = get();
      const { provider, holdfast, simulator } = subject;
      const link = await subject.connect("leaver", declaredModes(provider));
      const hashes = [sha256Hex(await link.accessToken())];
      if ((await link.row()).sealed_refresh !== null) hashes.push(sha256Hex((await link.refreshToken()).expose()));
      const since = subject.latest();
      expect((await link.disconnect()).status).toBe(200);
      await holdfast.server.sweeper.tick();
      expect((await link.ask()).code).toBe("connection_disconnected");

      const sent = subject.requests("revoke", since);
      const { access_tokens, refresh_tokens } = simulator.ledger();
      const statuses = hashes.flatMap((hash) => (access_tokens[hash] ?? refresh_tokens[hash])?.status ?? []);
      const revokes = provider.revocation.kind !== "none";
      expect(sent.map(({ outcome }) => outcome)).toEqual(revokes ? ["ok"] : []);
      expect(statuses.includes("revoked")).toBe(revokes);
      note(provider.id, "revoke", revokes ? "yes" : "none (vendor)");
    });
  });
}
