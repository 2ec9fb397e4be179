import { describe, expect, it } from "vitest";
import { FAULTS } from "./faults-list.ts";
import { coveredFaults, faultsPage, lostTests, testsIn, uncovered, unknownIds } from "./faults.ts";
import { read } from "./root.ts";

const IDS = Array.from({ length: 61 }, (_, index) => `F${index + 1}`).flatMap((id) =>
  id === "F15" ? [id, "F15b"] : [id],
);

describe("the list of faults", () => {
  it("has each of F1 to F61, and F15b, once and in order", () => {
    expect(FAULTS.map(({ id }) => id)).toEqual(IDS);
  });

  it("has a test for every fault, or a reason for having none", () => {
    expect(uncovered()).toEqual([]);
  });

  it("gives no reason where there is a test", () => {
    const both = coveredFaults().filter(({ tests, reason }) => tests.length > 0 && reason !== undefined);
    expect(both.map(({ id }) => id)).toEqual([]);
  });

  it("names only tests that exist", () => {
    expect(lostTests()).toEqual([]);
  });

  it("has every fault that a test names", () => {
    expect(unknownIds()).toEqual([]);
  });

  it("is in docs/faults.md with the tests as they are now", () => {
    const page = read("docs/faults.md");
    expect(page).toBe(faultsPage());
    expect([...page.matchAll(/^- \*\*(F\d+b?)\*\* /gm)].map(([, id]) => id)).toEqual(IDS);
  });
});

describe("the search for tests by name", () => {
  const found = (text: string) => testsIn({ path: "a.test.ts", text }).map(({ id, test }) => `${id} ${test[1]}`);

  it.each([
    ['it("F7: keeps it", () => {', ["F7 keeps it"]],
    ["describe.for(all)(\n  'F15b: waits', ", ["F15b waits"]],
    ["it(`F11: a ${action} refresh`, ", ["F11 a … refresh"]],
    ['it("F1, F2: asks once", ', ["F1 asks once", "F2 asks once"]],
    ['{ id: "F29", does: "refuses", ', ["F29 refuses"]],
    ['  F9: {\n    about: "with the answer on the disk",', ["F9 with the answer on the disk"]],
    ['it("says \\"no\\"", ', []],
    ["console.info(`F17: ${served} served`)", []],
    ['it("keeps F7: it", ', []],
    ["const F7: string = 'about';", []],
  ])("reads %s", (text, expected) => {
    expect(found(text)).toEqual(expected);
  });

  it("reports a listed test that no longer exists", () => {
    expect(lostTests([])).toHaveLength(FAULTS.flatMap(({ tests = [] }) => tests).length);
  });
});
