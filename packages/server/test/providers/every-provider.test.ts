/** Checks over the simulator that every provider in the catalog behaves as its definition says. */
import { profiles } from "@holdfast/simulator";
import { afterAll, describe, expect, it } from "vitest";
import { createCatalog } from "../../src/providers/index.ts";
import { rotationClass } from "../../src/providers/provider.ts";
import { CAPABILITIES, cellOf, expectedCell, renderTable } from "./capability-table.ts";
import { describeProvider } from "./provider.suite.ts";

const providers = createCatalog().all();
const ids = providers.map(({ id }) => id);
const byId = new Map(profiles.map((profile) => [profile.id, profile]));
/** A new provider whose vendor is not simulated yet can use the simulator's generic hosts. */
const generic = byId.get("generic");
const profileOf = new Map(
  providers.flatMap(({ id, token_url }) => {
    const profile = byId.get(id) ?? (new URL(token_url).hostname.endsWith(".example.com") ? generic : undefined);
    return profile === undefined ? [] : [[id, profile] as const];
  }),
);

it("has a simulated vendor for each provider", () => {
  expect(ids.filter((id) => !profileOf.has(id))).toEqual([]);
});

/** The first provider of each kind of refresh token. `npm test` checks only these. */
const trip = new Set(
  [...Map.groupBy(providers, rotationClass).values()].flatMap(([first]) => (first === undefined ? [] : [first.id])),
);
const tagsOf = (id: string): { tags?: string } => (trip.has(id) ? {} : { tags: "all" });

for (const provider of providers) {
  const profile = profileOf.get(provider.id);
  if (profile !== undefined) describeProvider(provider, profile, tagsOf(provider.id));
}

describe("the capabilities proven", () => {
  for (const id of ids) {
    it(`for ${id} are exactly those that its vendor has`, tagsOf(id), () => {
      const profile = profileOf.get(id);
      for (const capability of CAPABILITIES) {
        const expected = profile === undefined ? null : expectedCell(profile, capability);
        expect(cellOf(id, capability), `${capability} of ${id}`).toBe(expected ?? "documented by a vendor page");
      }
    });
  }

  afterAll(() => void process.stdout.write(`\n${renderTable(ids)}\n\n`));
});
