/** The check at the start of a server, and what it would find without a sandbox. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { attack, probe } from "../../../src/runner/sandbox/probe.ts";
import { openCell, type Cell } from "./harness.ts";

let isolated: Cell;
beforeAll(() => {
  isolated = openCell();
});
afterAll(() => isolated[Symbol.asyncDispose]());

it("the attacker leaks nothing from the sandbox, and the check passes", async () => {
  const { leaks, host } = await attack(isolated.sandbox);
  expect(leaks).toEqual([]);
  expect(host.uid).not.toBe(0);
  expect(host.capabilities).toBe("0000000000000000");
  await expect(probe(isolated.sandbox)).resolves.toBeUndefined();
});

it("without a sandbox the attacker reads files of the server, reaches its ports and sees its processes", async () => {
  await using plain = openCell({ isolation: "none" });
  const { leaks } = await attack(plain.sandbox);
  expect(leaks).toEqual([
    "read a file of the server",
    "read a file of the server through an error",
    "reach a port of this machine",
    "see other processes",
  ]);
  await expect(probe(plain.sandbox)).rejects.toMatchObject({
    code: "functions_isolation_unavailable",
    message: expect.stringContaining("could still read a file of the server and read a file"),
  });
});
