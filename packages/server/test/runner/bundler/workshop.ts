/** A bundler in a real sandbox, with real Deno, that can reach only the given hosts. */
import { lookup } from "node:dns/promises";
import { Transform } from "node:stream";
import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { Bundled, Bundler, SourceTree } from "../../../src/core/functions/functions.ts";
import type { Isolation, Registries } from "../../../src/core/functions/function-settings.ts";
import { LIMITS, type Limits } from "../../../src/core/limits.ts";
import { createBundler } from "../../../src/runner/bundler/bundler.ts";
import type { BundlerFailure } from "../../../src/runner/bundler/outcome.ts";
import { findDeno } from "../../../src/runner/deno.ts";
import { createSandbox } from "../../../src/runner/sandbox/sandbox.ts";
import type { SandboxedProcess, SandboxJob } from "../../../src/runner/sandbox/types.ts";

export interface Workshop extends AsyncDisposable {
  readonly bundler: Bundler;
  /** The bundler's processes, in the order of their start. */
  readonly processes: SandboxedProcess[];
  readonly failures: BundlerFailure[];
  /** Names of hosts that were looked up. */
  readonly looked_up: string[];
  /** Resolves when a process has printed a text. */
  printed(part: string): Promise<void>;
  /** Bundles files by their path. `entry.ts` is the entry. */
  bundle(files: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Bundled>;
}

export interface WorkshopOptions {
  readonly registries?: Partial<Registries>;
  /** `host:port` of each private target that can be reached. */
  readonly allowed?: readonly string[];
  /** Addresses by name. Other names are looked up. */
  readonly hosts?: Readonly<Record<string, string>>;
  readonly limits?: Partial<Limits>;
  readonly clock?: Clock;
  readonly isolation?: Isolation;
  /** PEM file of authorities that fetches trust. */
  readonly authorities?: string;
}

const NO_REGISTRIES: Registries = {
  npm: "http://127.0.0.1:9/",
  jsr: "http://127.0.0.1:9/",
  sdk_versions: [],
};

export function openWorkshop(options: WorkshopOptions = {}): Workshop {
  const limits = { ...LIMITS, ...options.limits };
  const sandbox = createSandbox({
    isolation: options.isolation ?? "bubblewrap",
    deno: findDeno(),
    authorities: options.authorities ?? null,
    uids: { first: 1_900_000_000, last: 1_900_000_999 },
    poll_ms: limits.function_poll_ms,
    start_timeout_ms: limits.function_start_timeout_ms,
    clock: systemClock,
  });
  const processes: SandboxedProcess[] = [];
  const failures: BundlerFailure[] = [];
  const looked_up: string[] = [];
  const output = outputOf();
  const spawn = async (job: SandboxJob): Promise<SandboxedProcess> => {
    const process = await sandbox.spawn(job);
    processes.push(process);
    return { ...process, stderr: process.stderr.pipe(output.reader()) };
  };
  const resolve = async (host: string): Promise<readonly string[]> => {
    looked_up.push(host);
    const address = options.hosts?.[host];
    if (address !== undefined) return [address];
    return (await lookup(host, { all: true })).map((found) => found.address);
  };
  const bundler = createBundler({
    sandbox: { open: async () => ({ ...sandbox, spawn }) },
    registries: { ...NO_REGISTRIES, ...options.registries },
    egress: { resolve, isOwn: () => false, allowed: options.allowed ?? [] },
    limits,
    clock: options.clock ?? systemClock,
    onFailure: (failure) => void failures.push(failure),
  });
  return {
    bundler,
    processes,
    failures,
    looked_up,
    printed: output.has,
    bundle: (files, signal) => bundler.bundle(treeOf("f", files), signal),
    [Symbol.asyncDispose]: () => sandbox.close(),
  };
}

/** Keeps what passes through its readers. */
function outputOf(): { reader(): Transform; has(part: string): Promise<void> } {
  let text = "";
  const waiting = new Map<string, () => void>();
  const look = (): void => {
    for (const [part, resolve] of waiting) if (text.includes(part)) resolve();
  };
  const reader = (): Transform =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        text += chunk.toString();
        done(null, chunk);
        look();
      },
    });
  const has = async (part: string): Promise<void> => {
    const found = Promise.withResolvers<void>();
    waiting.set(part, found.resolve);
    look();
    await found.promise;
  };
  return { reader, has };
}

export function treeOf(function_name: string, files: Readonly<Record<string, string>>, entry = "entry.ts"): SourceTree {
  return { function_name, entry, files: Object.entries(files).map(([path, content]) => ({ path, content })) };
}
