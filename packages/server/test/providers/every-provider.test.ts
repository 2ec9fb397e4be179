/** Every provider of the catalog does over the simulator what its definition says. */
import { profiles } from "@holdfast/simulator";
import { afterAll, describe, expect, it } from "vitest";
import { createCatalog } from "../../src/providers/index.ts";
import { CAPABILITIES, cellOf, expectedCell, renderTable } from "./capability-table.ts";
import { describeProvider } from "./provider.suite.ts";

const providers = createCatalog().all();
const ids = providers.map(({ id }) => id);
const byId = new Map(profiles.map((profile) => [profile.id, profile]));
/** A new provider, before its vendor is simulated, may stand on the hosts that the simulator keeps for anyone. */
const anyone = byId.get("generic");
const profileOf = new Map(
  providers.flatMap(({ id, token_url }) => {
    const profile = byId.get(id) ?? (new URL(token_url).hostname.endsWith(".example.com") ? anyone : undefined);
    return profile === undefined ? [] : [[id, profile] as const];
  }),
);

it("has a simulated vendor for each provider", () => {
  expect(ids.filter((id) => !profileOf.has(id))).toEqual([]);
});

for (const provider of providers) {
  const profile = profileOf.get(provider.id);
  if (profile !== undefined) describeProvider(provider, profile);
}

describe("what was proven", () => {
  it.each(ids)("of %s is all that its vendor has, and nothing more", (id) => {
    const profile = profileOf.get(id);
    for (const capability of CAPABILITIES) {
      const expected = profile === undefined ? null : expectedCell(profile, capability);
      expect(cellOf(id, capability), `${capability} of ${id}`).toBe(expected ?? "a page that says so");
    }
  });

  afterAll(() => void process.stdout.write(`\n${renderTable(ids)}\n\n`));
});
