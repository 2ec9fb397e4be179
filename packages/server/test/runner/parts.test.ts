import { execFile } from "node:child_process";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/core/limits.ts";
import { findDeno, isOutOfMemory, jobOf } from "../../src/runner/deno.ts";
import { exitError } from "../../src/runner/process.ts";
import { readLines } from "../../src/runner/lines.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

describe("the output of a process", () => {
  const read = async (
    chunks: readonly Uint8Array[],
    only: string | null = null,
  ): Promise<readonly (readonly string[])[]> => {
    const stream = new PassThrough();
    const read_lines: (readonly string[])[] = [];
    readLines(stream, { line_bytes: 10, only: () => only, onLines: (lines) => read_lines.push(lines) });
    for (const chunk of chunks) {
      stream.write(chunk);
      // One event per chunk. Otherwise the stream would join them.
      await new Promise(setImmediate);
    }
    stream.end();
    await new Promise((resolve) => stream.once("close", resolve));
    return read_lines;
  };

  it("is split into lines at any chunk boundary, even inside a character", async () => {
    const all = bytes("öne\r\ntwo\n\nlast");
    for (let cut = 0; cut <= all.length; cut += 1) {
      expect((await read([all.subarray(0, cut), all.subarray(cut)])).flat()).toEqual(["öne", "two", "last"]);
    }
  });

  it("comes with the lines of one chunk together", async () => {
    expect(await read([bytes("a\nb\nc"), bytes("d\ne\n")])).toEqual([
      ["a", "b"],
      ["cd", "e"],
    ]);
  });

  it("loses the end of long lines", async () => {
    expect((await read([bytes("0123456789abc\nx\n0123456789")])).flat()).toEqual(["0123456789", "x", "0123456789"]);
    expect((await read([bytes("01234567"), bytes("89abc"), bytes("def\nx")])).flat()).toEqual(["0123456789", "x"]);
  });

  it("can be searched for lines with one beginning, which it has at any chunk boundary", async () => {
    const all = bytes("@@ one\nx @@ no\n@@ two\r\n\n@@@ no\n@@ three\n@@ end");
    for (let cut = 0; cut <= all.length; cut += 1) {
      const lines = (await read([all.subarray(0, cut), all.subarray(cut)], "@@ ")).flat();
      expect(lines).toEqual(["@@ one", "@@ two", "@@ three", "@@ end"]);
    }
    expect((await read([bytes("@@ x\n".repeat(500))], "@@ ")).flat()).toHaveLength(200);
  });
});

describe("Deno", () => {
  it("reaches only the listed addresses without a sandbox, and the sandbox's network in one", () => {
    const place = {
      deno: "deno",
      node: "node",
      scratch: "/scratch",
      ports: { api: 4001, egress: 4002 },
      authorities: null,
      path: () => "/version",
    };
    const rightsIn = (isolation: string, gateway: string | null): readonly string[] => {
      const job = { app_id: "app_a", directory: "/version", gateway, sandbox: { isolation }, limits: LIMITS };
      return jobOf(job).command(place);
    };
    const allowed = (args: readonly string[]): readonly string[] => args.filter((arg) => arg.startsWith("--allow"));
    const plain = rightsIn("none", "http://127.0.0.1:4191");
    expect(allowed(plain)).toEqual(["--allow-net=127.0.0.1:0,127.0.0.1:4001,127.0.0.1:4191"]);
    expect(plain).toEqual(
      expect.arrayContaining([
        "--no-prompt",
        "--no-remote",
        "--no-npm",
        "--no-config",
        `--v8-flags=--max-old-space-size=${LIMITS.function_heap_mb}`,
      ]),
    );
    expect(allowed(rightsIn("none", null))).toEqual(["--allow-net"]);
    const socket = "/scratch/function.sock";
    expect(allowed(rightsIn("bubblewrap", null))).toEqual([
      "--allow-net",
      `--allow-read=${socket}`,
      `--allow-write=${socket}`,
    ]);
  });

  it("is named if it is missing", () => {
    expect(() => findDeno("sunos", "sparc")).toThrow("not available for sunos-sparc");
    expect(() => findDeno(process.platform, process.arch === "x64" ? "arm64" : "x64")).toThrow(
      /@deno\/.* is not installed/,
    );
  });

  it.each(["bootstrap.deno.ts", "bootstrap-network.deno.ts", "sandbox/attack.deno.ts"])(
    "type-checks %s",
    async (name) => {
      const program = fileURLToPath(new URL(`../../src/runner/${name}`, import.meta.url));
      const args = ["check", "--quiet", "--no-config", "--no-lock", "--no-remote", "--no-npm", program];
      await expect(promisify(execFile)(findDeno(), args)).resolves.toBeDefined();
    },
  );

  it.each([
    [{ code: null, signal: "SIGTRAP" }, true],
    [{ code: 133, signal: null }, true],
    [{ code: null, signal: "SIGKILL" }, true],
    [{ code: 1, signal: null }, false],
    [{ code: null, signal: null }, false],
  ])("that ends with %o ran out of memory: %s", (exit, expected) => {
    expect(isOutOfMemory({ ...exit, killed_for: null })).toBe(expected);
  });

  it("that used too much CPU time is reported with the setting that limits it", () => {
    const error = exitError("spin", { code: null, signal: "SIGKILL", killed_for: "cpu" });
    expect(error.code).toBe("function_timeout");
    expect(error.message).toMatch(/^The function spin used too much CPU time\..* HOLDFAST_FUNCTION_CPU_MS\.$/);
  });
});
