/** The profiles, compared with the vendors' behavior in the flow tests. */
import { describe, expect, it } from "vitest";
import { profiles } from "../src/index.ts";
import type { CallSpec, Service } from "./vendors/service.ts";
import { serviceIds, serviceTable } from "./vendors/service-app.ts";

const profileOf = (id: string) => {
  const profile = profiles.find((one) => one.id === id);
  if (profile === undefined) throw new Error(`No profile for ${id}.`);
  return profile;
};

it("has one profile for each service of the flow tests, and no other", () => {
  expect(profiles.map(({ id }) => id).toSorted()).toEqual(serviceIds);
});

describe.each(serviceIds)("%s", (id) => {
  const service: Service = serviceTable[id];

  it("has the capabilities that its flow shows", () => {
    const { capabilities } = profileOf(id);
    const { connect, refresh, rotate, identity, health, revoke } = capabilities;
    expect({ connect, refresh, rotate, identity, health, revoke }).toMatchObject({
      connect: { supported: true },
      refresh: { supported: service.refresh !== "none" },
      rotate: { supported: ["single", "family", "grace"].includes(service.refresh) },
      identity: { supported: true },
      health: { supported: true },
      revoke: { supported: service.revoke !== null },
    });
  });

  it("names a page for each capability, and every host of its flow", () => {
    const { capabilities, hosts } = profileOf(id);
    for (const { source } of Object.values(capabilities)) expect(source).toMatch(/^https:\/\/[^\s]+$/);
    const calls: readonly (CallSpec | null)[] = [service.identity, service.resource, service.revoke];
    const urls = [service.authorize, service.token, ...calls.flatMap((call) => (call === null ? [] : [call.url]))];
    for (const host of urls.map((url) => url.split("/")[0] ?? "").filter((name) => !name.startsWith("{"))) {
      const known = hosts.some((match) => (typeof match === "string" ? match === host : match.test(host)));
      expect({ host, known }).toEqual({ host, known: true });
    }
  });
});

it("separates the hosts of Google's services", () => {
  expect(profileOf("gmail").hosts).toContain("gmail.googleapis.com");
  expect(profileOf("gmail").hosts).not.toContain("docs.googleapis.com");
});
