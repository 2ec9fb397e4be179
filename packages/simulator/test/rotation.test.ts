/** Single-use refresh tokens: which stay valid, which end, and how the ledger records it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { application, sha256, simulation, tokens, type ServiceId } from "./application.ts";

const usedRefresh: Partial<Record<ServiceId, readonly [number, string]>> = {
  slackbot: [200, "invalid_refresh_token"],
  github: [200, "bad_refresh_token"],
  notion: [400, "invalid_grant"],
  googlecalendar: [400, "invalid_grant"],
};

describe.each(["slackbot", "github", "notion", "googlecalendar"] as const)("rotation at %s", (id) => {
  it("revokes the whole family when a used refresh token is presented", async () => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-rotate");
    const first = await app.connect();
    const second = tokens(await app.refresh(first.refresh));
    expect(simulator.ledger().valid_refresh_tokens).toEqual([sha256(second.refresh)]);

    const reused = await app.refresh(first.refresh);
    expect([reused.status, reused.json["error"]]).toEqual(usedRefresh[id]);
    const ledger = simulator.ledger();
    expect(ledger.families_revoked).toMatchObject([{ client_id: "sim-rotate" }]);
    expect(ledger.valid_refresh_tokens).toEqual([]);
    expect((await app.refresh(second.refresh)).json).toHaveProperty("error");
    expect((await app.identity(second.access)).text).not.toMatch(/ada|holdfast/);
  });

  it("does not affect other grants of the same user and client", async () => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-rotate");
    const victim = await app.connect();
    const other = await app.connect();
    await app.refresh(victim.refresh);
    await app.refresh(victim.refresh);
    expect((await app.refresh(other.refresh)).json).not.toHaveProperty("error");
  });

  it("accepts a used token within the grace period of reuse-ok, and not after it", async () => {
    const simulator = await simulation();
    const app = application(simulator, id, "sim-rotate+reuse-ok-60s");
    const { refresh } = await app.connect();
    await app.refresh(refresh);
    simulator.advance(59_999);
    expect((await app.refresh(refresh)).json).not.toHaveProperty("error");
    simulator.advance(1);
    expect((await app.refresh(refresh)).json).toHaveProperty("error");
    expect(simulator.ledger().families_revoked).toHaveLength(1);
  });
});

it("accepts exactly one refresh token per grant until one is reused, and none after that, in any order of use", async () => {
  const simulator = await simulation();
  const app = application(simulator, "notion", "sim-ok");
  const picks = fc.array(fc.nat({ max: 5 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(picks, async (ages) => {
      const { refresh } = await app.connect();
      const held = [refresh];
      let alive = true;
      for (const age of ages) {
        const pick = held.at(-1 - (age % held.length)) ?? "";
        const newest = pick === held.at(-1);
        const reply = await app.refresh(pick);
        const works = alive && newest;
        expect(reply.status).toBe(works ? 200 : 400);
        if (works) held.push(tokens(reply).refresh);
        else alive = false;
      }
      const valid = simulator.ledger().valid_refresh_tokens;
      const ours = held.map((token) => sha256(token)).filter((hash) => valid.includes(hash));
      expect(ours).toEqual(alive ? [sha256(held.at(-1) ?? "")] : []);
    }),
    { numRuns: 40 },
  );
});

it("expires a refresh token at the end of its lifetime", async () => {
  const simulator = await simulation();
  const app = application(simulator, "github", "sim-rotate");
  const { refresh } = await app.connect();
  simulator.advance(15_811_200_000);
  expect((await app.refresh(refresh)).json["error"]).toBe("bad_refresh_token");
  expect(simulator.ledger().refresh_tokens[sha256(refresh)]?.status).toBe("expired");
});
