/** What a bundle can use, and what happens to others when one of them does too much. */
import { describe, expect, it } from "vitest";
import { CodedError } from "../../../src/core/errors.ts";
import { descendantsOf } from "../../support/processes.ts";
import { handClock, rejection } from "../harness.ts";
import { npmRegistry, packFiles, packInstalled, serve, type Host } from "./registries.ts";
import { openWorkshop, treeOf, type Workshop, type WorkshopOptions } from "./workshop.ts";

function workshopOf(npm: Host, options: WorkshopOptions = {}): Workshop {
  return openWorkshop({ ...options, registries: { npm: `${npm.url}/` } });
}

async function codedError(promise: Promise<unknown>): Promise<CodedError> {
  const error = await rejection(promise);
  if (error instanceof CodedError) return error;
  throw new Error(`no CodedError: ${String(error)}`);
}

/** A package that needs `count` further ones. */
async function packageWithDependencies(count: number): Promise<Awaited<ReturnType<typeof packFiles>>[]> {
  const names = Array.from({ length: count }, (_, index) => `part-${index}`);
  const dependencies = Object.fromEntries(names.map((name) => [name, "1.0.0"]));
  const manifest = (fields: object): string => JSON.stringify({ version: "1.0.0", ...fields });
  const whole = packFiles({
    "package.json": manifest({ name: "whole", dependencies }),
    "index.js": "module.exports = 'whole';",
  });
  const { tarball } = await packFiles({
    "package.json": manifest({ name: "part" }),
    "index.js": "module.exports = 1;",
  });
  return [await whole, ...names.map((name) => ({ manifest: { name, version: "1.0.0" }, tarball }))];
}

describe("the imports of a function", () => {
  it("can fetch as many files as the limit, and not one more", async () => {
    // Metadata and package of `whole` and of each part.
    await using npm = await npmRegistry({ packages: await packageWithDependencies(4) });
    const files = { "entry.ts": `import whole from "npm:whole"; console.log(whole);` };
    await using enough = workshopOf(npm, { limits: { function_fetched_files: 10 } });
    await enough.bundle(files);
    await using scarce = workshopOf(npm, { limits: { function_fetched_files: 9 } });
    expect(await codedError(scarce.bundle(files))).toMatchObject({
      code: "function_invalid",
      message: "The function f cannot be loaded. The imports of the function f need more than 9 files.",
    });
  });

  it("can be 500 files", { tags: "all", timeout: 120_000 }, async () => {
    await using npm = await npmRegistry({ packages: await packageWithDependencies(250) });
    await using workshop = workshopOf(npm);
    const error = await codedError(workshop.bundle({ "entry.ts": `import "npm:whole";` }));
    expect(error.message).toContain("need more than 500 files");
    await using smaller = await npmRegistry({ packages: await packageWithDependencies(249) });
    await using same = workshopOf(smaller);
    await same.bundle({ "entry.ts": `import "npm:whole";` });
  });

  it("can be 50 MiB, compressed or not", async () => {
    const { manifest } = await packFiles({ "package.json": `{ "name": "huge", "version": "1.0.0" }` });
    const huge = { manifest, tarball: Buffer.alloc(51 * 1_048_576, "not compressed") };
    await using npm = await npmRegistry({ packages: [huge] });
    await using workshop = workshopOf(npm);
    expect(await codedError(workshop.bundle({ "entry.ts": `import "npm:huge";` }))).toMatchObject({
      code: "function_invalid",
      message: "The function f cannot be loaded. Its imports are larger than 50 MiB in total.",
    });
    // What is small on the network and large on disk ends at the size of the scratch folder.
    const bomb = await packFiles({
      "package.json": `{ "name": "bomb", "version": "1.0.0" }`,
      "index.js": " ".repeat(20_000_000),
    });
    await using other = await npmRegistry({ packages: [bomb] });
    await using small = workshopOf(other, { limits: { function_bundle_scratch_bytes: 10_000_000 } });
    expect((await codedError(small.bundle({ "entry.ts": `import "npm:bomb";` }))).message).toMatch(
      /entry\.ts:1: .*npm:bomb/,
    );
  });

  it("have 60 s, and the error names the slow host", async () => {
    const { clock, advance } = handClock();
    const asked = Promise.withResolvers<void>();
    await using npm = await serve(() => {
      asked.resolve();
      return new Promise(() => {});
    });
    await using workshop = workshopOf(npm, { clock });
    const refused = codedError(workshop.bundle({ "entry.ts": `import "npm:slow";` }));
    await asked.promise;
    await workshop.printed("Download ");
    advance(59_999);
    advance(1);
    expect((await refused).message).toBe(
      `The function f cannot be loaded. Bundling took longer than 60 s. The last request was for ${npm.url}/slow.`,
    );
    await workshop.processes[0]?.exited;
  });

  it("are not fetched for a function without remote imports", async () => {
    await using npm = await npmRegistry({ packages: [] });
    await using workshop = workshopOf(npm);
    await workshop.bundle({
      "entry.ts": `import { createClient } from "npm:@base44/sdk@0.8.4"; import { HoldfastError } from "npm:@holdfast/sdk"; import { secrets } from "base44:runtime"; import { sep } from "node:path"; import "./a.ts";
        console.log(createClient, HoldfastError, secrets, sep);`,
      "a.ts": "export const a = 1;",
    });
    expect(npm.requested).toEqual([]);
    expect(workshop.looked_up).toEqual([]);
  });
});

describe("a bundle", () => {
  it("has a limited size, like the function's own files", async () => {
    const big = { "entry.ts": `import "./big.ts";`, "big.ts": `console.log("${"x".repeat(6_000)}");` };
    await using workshop = openWorkshop({ limits: { function_bundle_bytes: 5_000 } });
    expect((await codedError(workshop.bundle(big))).message).toBe(
      "The function f cannot be loaded. Its bundle is larger than 0 MiB.",
    );
    await using small = openWorkshop({ limits: { function_source_bytes: 6_000 } });
    expect((await codedError(small.bundle(big))).message).toBe(
      "The function f cannot be loaded. Its files are too large in total.",
    );
    // The SDKs do not count.
    await using same = openWorkshop({ limits: { function_source_bytes: 100 } });
    await same.bundle({ "entry.ts": `import { createClient } from "npm:@base44/sdk"; console.log(createClient);` });
  });

  it("has limited memory", async () => {
    await using workshop = openWorkshop({ limits: { function_bundle_memory_bytes: 20_000_000, function_poll_ms: 5 } });
    const files = {
      "entry.ts": Array.from({ length: 40_000 }, (_, index) => `export const a${index} = () => ${index};`).join("\n"),
    };
    expect((await codedError(workshop.bundle(files))).message).toMatch(/needs more memory than 19\.1 MiB/);
  });

  it("can be canceled by its caller", async () => {
    const asked = Promise.withResolvers<void>();
    await using npm = await serve(() => {
      asked.resolve();
      return new Promise(() => {});
    });
    await using workshop = workshopOf(npm);
    const caller = new AbortController();
    const given_up = rejection(workshop.bundle({ "entry.ts": `import "npm:slow";` }, caller.signal));
    await asked.promise;
    caller.abort(new Error("not needed"));
    expect(await given_up).toMatchObject({ message: "not needed" });
    await workshop.processes[0]?.exited;
    expect(await rejection(workshop.bundle({ "entry.ts": "" }, caller.signal))).toMatchObject({
      message: "not needed",
    });
    expect(workshop.processes).toHaveLength(1);
  });
});

describe("a bundler process that is killed", () => {
  it("fails its own bundle, which is logged, and no other", async () => {
    const asked = Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    await using registry = await npmRegistry({ packages: [await packInstalled("mime-db")] });
    await using slow = await serve(async ({ url }) => {
      asked.resolve();
      await late.promise;
      const response = await fetch(`${registry.url}${url}`);
      return {
        status: response.status,
        headers: { "content-type": "application/json" },
        body: Buffer.from(await response.arrayBuffer()),
      };
    });
    await using workshop = openWorkshop({ registries: { npm: `${slow.url}/` }, allowed: [registry.host] });
    const files = { "entry.ts": `import db from "npm:mime-db"; console.log(db);` };
    const killed = codedError(workshop.bundle(files));
    await asked.promise;
    const other = workshop.bundler.bundle(treeOf("other", files));
    const pid = workshop.processes[0]?.host_pid;
    if (typeof pid !== "number") throw new Error("no process");
    process.kill(pid, "SIGKILL");
    expect(await killed).toMatchObject({ code: "function_bundler_failed" });
    expect(workshop.failures).toMatchObject([
      { function_name: "f", reason: expect.stringMatching(/exit code|signal/) },
    ]);
    late.resolve();
    expect((await other).lock).toContain("mime-db@1.52.0");
    expect((await workshop.bundle(files)).lock).toContain("mime-db@1.52.0");
    expect(workshop.failures).toHaveLength(1);
  });

  it("ends its tools, too", async () => {
    const asked = Promise.withResolvers<void>();
    await using npm = await serve(() => {
      asked.resolve();
      return new Promise(() => {});
    });
    await using workshop = workshopOf(npm);
    const killed = codedError(workshop.bundle({ "entry.ts": `import "npm:slow";` }));
    await asked.promise;
    const [started] = workshop.processes;
    const pid = started?.host_pid ?? 0;
    const tools = descendantsOf(pid);
    expect(tools.length).toBeGreaterThan(0);
    process.kill(pid, "SIGKILL");
    await killed;
    await started?.exited;
    for (const tool of tools) expect(() => process.kill(tool, 0)).toThrow("ESRCH");
  });
});
