/** How a connection ends: the vendor revoked the grant, or the owner disconnects. */
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../../src/core/secret.ts";
import { SECOND } from "../../support/clock.ts";
import { recordCapability } from "../capability-table.ts";
import { declaredModes, readAfterExpiry, type Subject } from "../subject.ts";
import { distinguishesRevokedGrant } from "../vendor-responses.ts";

export function describeEnd(get: () => Subject): void {
  describe("the end of a connection", () => {
    it("requires a new consent once the grant is revoked", async () => {
      const subject = get();
      const { provider, simulator, client_id, holdfast } = subject;
      const link = await subject.connect("dead", declaredModes(provider));
      expect(simulator.revokeGrants({ client_id, account: link.account })).toBeGreaterThan(0);
      const reply = await readAfterExpiry(subject, link);
      // If the response is the same as for a wrong OAuth client, retries go on as long as an outage
      // may last.
      const is_distinct = distinguishesRevokedGrant(provider.id);
      expect(reply.code).toBe(is_distinct ? "connection_expired" : "provider_unavailable");
      await holdfast.clock.jump(is_distinct ? 0 : holdfast.config.limits.give_up_after_ms + SECOND);
      const last = subject.latest();
      expect((await link.getConnection()).code).toBe("connection_expired");
      expect((await link.getConnection()).code).toBe("connection_expired");
      expect(subject.requests("refresh", last).length).toBe(is_distinct ? 0 : 1);
      expect(await holdfast.events(link.app)).toContain("connection.needs_reconnect");
      expect(await link.entry()).toMatchObject({ status: "expired" });
    });

    it("revokes at the vendor if supported, and otherwise sends nothing", async () => {
      const subject = get();
      const { provider, holdfast, simulator } = subject;
      const link = await subject.connect("leaver", declaredModes(provider));
      const hashes = [sha256Hex(await link.accessToken())];
      if ((await link.row()).sealed_refresh !== null) hashes.push(sha256Hex((await link.refreshToken()).expose()));
      const since = subject.latest();
      expect((await link.disconnect()).status).toBe(200);
      await holdfast.server.sweeper.tick();
      expect((await link.getConnection()).code).toBe("connection_disconnected");

      const sent = subject.requests("revoke", since);
      const { access_tokens, refresh_tokens } = simulator.ledger();
      const statuses = hashes.flatMap((hash) => (access_tokens[hash] ?? refresh_tokens[hash])?.status ?? []);
      const revokes = provider.revocation.kind !== "none";
      expect(sent.map(({ outcome }) => outcome)).toEqual(revokes ? ["ok"] : []);
      expect(statuses.includes("revoked")).toBe(revokes);
      recordCapability(provider.id, "revoke", revokes ? "yes" : "none (vendor)");
    });
  });
}
