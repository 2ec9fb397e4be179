/** Functions and deployments that use up memory, disk, CPU or the bundler. Other apps go on. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { descendantsOf } from "../packages/server/test/support/processes.ts";
import type { Running } from "./support/holdfast.ts";
import { createApp, deployFunction, prepareSite, startSimulated, type App, type Site } from "./support/server.ts";

const HELLO = `Deno.serve(() => new Response("hello"));`;
/** Each takes what the request's body names, until it fails. */
const BOMB = `
  const TEN_MIB = 10 * 2 ** 20;
  const bombs = {
    // 1.27 GB, outside of the heap.
    buffers: () => {
      const held = [];
      while (held.length < 127) held.push(new Uint8Array(TEN_MIB).fill(1));
      return "taken";
    },
    wasm: () => {
      const held = [];
      while (held.length < 127) {
        held.push(new WebAssembly.Memory({ initial: 160 }));
        new Uint8Array(held.at(-1).buffer).fill(1);
      }
      return "taken";
    },
    heap: () => { for (const held = []; ; ) held.push(Array.from({ length: 100_000 }, () => ({}))); },
    spin: () => { for (;;); },
    workers: () => {
      const code = "data:text/javascript,for(;;);";
      for (let count = 0; count < 8; count += 1) { try { new Worker(code, { type: "module" }); } catch {} }
      for (;;);
    },
    disk: async () => {
      const cache = await caches.open("bomb");
      const half_mib = "x".repeat(2 ** 19);
      for (let count = 0; count < 640; count += 1) {
        try { await cache.put("http://bomb/" + count, new Response(half_mib)); } catch { return String(count); }
      }
      return "640";
    },
    leave: async () => {
      localStorage.setItem("left", "left");
      await (await caches.open("left")).put("http://left/", new Response("left"));
      return "left";
    },
    look: async () => JSON.stringify([localStorage.getItem("left"), (await (await caches.open("left")).match("http://left/")) ?? null]),
  };
  Deno.serve(async (request) => new Response(await bombs[await request.text()]()));`;

interface Stage {
  readonly site: Site;
  readonly server: Running;
  readonly app: App;
  readonly other: App;
}

async function prepare(env: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const site = await prepareSite((await startSimulated()).url);
  const server = await site.start(env);
  const [app, other] = [await createApp(site), await createApp(site, "other")];
  await deployFunction(site, app, "f", BOMB);
  await deployFunction(site, other, "f", HELLO);
  return { site, server, app, other };
}

async function call({ site }: Stage, { app_id }: App, body: string): Promise<string> {
  const reply = await fetch(`${site.server_url}/api/apps/${app_id}/functions/f`, { method: "POST", body });
  return await reply.text();
}

const functionsOf = ({ server }: Stage): readonly string[] =>
  descendantsOf(server.pid)
    .map(commandOf)
    .filter((command) => command.startsWith("/runtime/deno"));

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

it(
  "memory within the heap and outside of it fails the function that takes it, and no other",
  { tags: "all" },
  async () => {
    const stage = await prepare();
    for (const bomb of ["buffers", "wasm", "heap"]) {
      const outcome = call(stage, stage.app, bomb);
      expect(await call(stage, stage.other, "")).toBe("hello");
      // If the kernel refuses a buffer before the server reads the memory in use, the function
      // gets an error of its own.
      const codes = bomb === "heap" ? /function_out_of_memory/ : /function_out_of_memory|function_error/;
      expect([bomb, await outcome]).toEqual([bomb, expect.stringMatching(codes)]);
    }
    expect(await call(stage, stage.other, "")).toBe("hello");
  },
);

it("what a function stores is bounded, unseen by other apps, and ends with its process", async () => {
  const stage = await prepare();
  const { site, app, other } = stage;
  expect(await call(stage, app, "leave")).toBe("left");
  expect(await call(stage, app, "look")).toContain("left");
  await deployFunction(site, other, "f", BOMB);
  expect(await call(stage, other, "look")).toBe("[null,null]");
  await deployFunction(site, app, "f", `${BOMB}\n// Another version has another process.`);
  expect(await call(stage, app, "look")).toBe("[null,null]");
  const stored = await call(stage, app, "disk");
  // 320 MiB did not fit.
  expect(stored).not.toBe("640");
  expect(await call(stage, other, "look")).toBe("[null,null]");
});

it.each(["spin", "workers"])(
  "a function that only computes ends with its CPU time: %s",
  { tags: "all" },
  async (bomb) => {
    const stage = await prepare({ HOLDFAST_FUNCTION_CPU_MS: "500", HOLDFAST_FUNCTION_IDLE_CPU_MS: "500" });
    const outcome = call(stage, stage.app, bomb);
    expect(await call(stage, stage.other, "")).toBe("hello");
    expect(await outcome).toContain("function_timeout");
    // The other app's process stays.
    await expect.poll(() => functionsOf(stage).length, { timeout: 5_000 }).toBe(1);
  },
);

/** Deployments that make the bundler read what is not the function's. */
const READS: readonly string[] = [
  "const name = 'master'; await import(`./.holdfast/${name}.key`, { with: { type: 'text' } });",
  `import memory from "/proc/self/mem" with { type: "text" }; console.log(memory);`,
  `import zero from "/dev/zero" with { type: "bytes" }; console.log(zero);`,
];

it(
  "a deployment that reads other files by its bundler is refused alone, and other apps deploy right after",
  { tags: "all" },
  async () => {
    const stage = await prepare();
    const { site, app, other } = stage;
    for (const [index, code] of READS.entries()) {
      await expect(deployFunction(site, app, "attack", `${code} ${HELLO}`)).rejects.toThrow("deployment_invalid");
      const word = `hello ${index}`;
      await deployFunction(site, other, "f", `Deno.serve(() => new Response(${JSON.stringify(word)}));`);
      expect(await call(stage, other, "")).toBe(word);
    }
  },
);
