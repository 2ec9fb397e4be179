/**
 * Finds the Deno binary and starts it with only the rights that a function needs: network access to
 * the listed addresses. The environment is empty and argv has no secrets, because other processes
 * can read both.
 */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { CodedError } from "../core/errors.ts";

export type DenoProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** The npm packages that contain Deno, by platform and processor. */
const PACKAGES: Readonly<Record<string, string>> = {
  "linux-x64": "@deno/linux-x64-glibc",
  "linux-arm64": "@deno/linux-arm64-glibc",
  "darwin-x64": "@deno/darwin-x64",
  "darwin-arm64": "@deno/darwin-arm64",
};

/**
 * Returns the path of the binary. `.bin/deno` is a script that would cost a Node process per
 * function.
 */
export function findDeno(platform: string = process.platform, arch: string = process.arch): string {
  const name = PACKAGES[`${platform}-${arch}`];
  if (name === undefined) {
    throw new CodedError("configuration", {
      message: `Functions require Deno, which is not available for ${platform}-${arch}.`,
    });
  }
  try {
    // Resolved from the package that depends on it, because the platform package may not be
    // hoisted.
    const fromDeno = createRequire(createRequire(import.meta.url).resolve("deno/package.json"));
    return join(dirname(fromDeno.resolve(`${name}/package.json`)), "deno");
  } catch (cause) {
    const message = `Functions require Deno, but the npm package ${name} is not installed. Run npm ci without --omit=optional.`;
    throw new CodedError("configuration", { message, cause });
  }
}

export interface DenoOptions {
  /** Contains main.mjs, function.mjs and the cache. Nothing else can be imported. */
  readonly directory: string;
  /** `host:port` of each address that the function can reach. Null: the whole network. */
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
  // Without this, request.signal aborts after every success, and each process prints a warning.
  "--unstable-no-legacy-abort",
] as const;

/**
 * Returns Deno's arguments. Without --allow-read, and with a single file that imports only node:
 * modules, Deno opens no file for a function.
 */
export function denoArguments({ reachable, heap_mb }: Omit<DenoOptions, "directory">): string[] {
  return [
    "run",
    ...FLAGS,
    // 127.0.0.1:0 is its own listener. Functions call the API of any vendor, and deny lists can be
    // bypassed (0.0.0.0, [::1], DNS rebinding). So without a gateway the network is open, and only
    // a sandbox below Deno can restrict it.
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

/**
 * Reports whether memory ran out. V8 traps if its heap is full (SIGTRAP, or 133 from a shell). A
 * SIGKILL that this server did not send is from the OOM killer.
 */
export function isOutOfMemory({ code, signal }: Exit): boolean {
  return (
    (signal !== null && ["SIGTRAP", "SIGILL", "SIGABRT", "SIGKILL"].includes(signal)) ||
    [132, 133, 134].includes(code ?? 0)
  );
}
