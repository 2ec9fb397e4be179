/**
 * Finds the Deno binary and starts it with the fewest rights that a function needs: network to the listed addresses, and
 * nothing else. The environment is empty and argv carries no secret, because both are readable by other processes.
 */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { ApiError } from "../core/errors.ts";

export type DenoProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** The npm packages that carry Deno, by platform and processor. */
const PACKAGES: Readonly<Record<string, string>> = {
  "linux-x64": "@deno/linux-x64-glibc",
  "linux-arm64": "@deno/linux-arm64-glibc",
  "darwin-x64": "@deno/darwin-x64",
  "darwin-arm64": "@deno/darwin-arm64",
};

/** Path of the binary itself: `.bin/deno` is a script that would cost one more Node process per function. */
export function findDeno(platform: string = process.platform, arch: string = process.arch): string {
  const name = PACKAGES[`${platform}-${arch}`];
  if (name === undefined) {
    throw new ApiError("configuration", { message: `Functions need Deno, and there is none for ${platform}-${arch}.` });
  }
  try {
    // Resolved from the package that depends on it: the platform package need not be hoisted to where we stand.
    const fromDeno = createRequire(createRequire(import.meta.url).resolve("deno/package.json"));
    return join(dirname(fromDeno.resolve(`${name}/package.json`)), "deno");
  } catch (cause) {
    const message = `Functions need Deno: the npm package ${name} is not installed. Run npm ci without --omit=optional.`;
    throw new ApiError("configuration", { message, cause });
  }
}

export interface DenoOptions {
  /** Holds main.mjs, function.mjs and the cache. Nothing else is reachable by import. */
  readonly directory: string;
  /** `host:port` of what the function may reach besides its own port; null for the whole network. */
  readonly reachable: readonly string[] | null;
  readonly heap_mb: number;
}

const FLAGS = [
  "--quiet",
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--no-npm",
  "--no-remote",
  "--cached-only",
  "--no-check",
  // Without it, request.signal aborts after every success, and Deno prints a warning about that for each process.
  "--unstable-no-legacy-abort",
] as const;

/** Without any --allow-read, and with one file that imports only node: modules, Deno can open no file for a function. */
export function denoArguments({ reachable, heap_mb }: Omit<DenoOptions, "directory">): string[] {
  return [
    "run",
    ...FLAGS,
    // 127.0.0.1:0 is its own listener. Functions call any vendor's API, and deny lists can be walked around (0.0.0.0,
    // [::1], rebinding names), so without a gateway the network is open, and only a sandbox below Deno can narrow it.
    reachable === null ? "--allow-net" : `--allow-net=${["127.0.0.1:0", ...reachable].join(",")}`,
    `--v8-flags=--max-old-space-size=${heap_mb}`,
    "main.mjs",
  ];
}

export function spawnDeno(binary: string, options: DenoOptions): DenoProcess {
  return spawn(binary, denoArguments(options), {
    cwd: options.directory,
    env: {
      HOME: "/nonexistent",
      DENO_DIR: join(options.directory, "cache"),
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

export type Exit = { readonly code: number | null; readonly signal: string | null };

/** V8 traps when its heap is full (SIGTRAP, as a shell's code 133); SIGKILL that is not ours is the kernel's OOM killer. */
export function isOutOfMemory({ code, signal }: Exit): boolean {
  return (
    (signal !== null && ["SIGTRAP", "SIGILL", "SIGABRT", "SIGKILL"].includes(signal)) ||
    [132, 133, 134].includes(code ?? 0)
  );
}
