/**
 * Programs of an attacker in a real sandbox: Deno with every permission, because Deno's permissions
 * are assumed to fall, and system calls through libc.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { systemClock } from "../../../src/core/clock.ts";
import type { Isolation } from "../../../src/core/functions/function-settings.ts";
import { findDeno } from "../../../src/runner/deno.ts";
import { createSandbox } from "../../../src/runner/sandbox/sandbox.ts";
import type { Exit, JobLimits, Sandbox, SandboxedProcess, SandboxJob } from "../../../src/runner/sandbox/types.ts";
import { TEST_UIDS } from "../../support/uids.ts";

export interface Cell extends AsyncDisposable {
  readonly sandbox: Sandbox;
  /** Starts a program as a process of the owner. */
  start(program: string, options?: StartOptions): Promise<Attacker>;
  /** Runs a program to its end, and returns what it passed to `report`. */
  report(program: string, options?: StartOptions): Promise<unknown>;
}

export interface StartOptions {
  /** `app_a` unless given. */
  readonly owner?: string;
  readonly limits?: Partial<JobLimits>;
  readonly listeners?: readonly string[];
  /** A JSON value that the program has as `input`. */
  readonly input?: unknown;
  readonly environment?: Readonly<Record<string, string>>;
  readonly deno_flags?: readonly string[];
}

export interface Attacker {
  readonly process: SandboxedProcess;
  /** Resolves with the next line that the program prints. */
  line(): Promise<string>;
  readonly output: Promise<{ readonly stdout: string; readonly stderr: string; readonly exit: Exit }>;
}

export interface CellOptions {
  readonly isolation?: Isolation;
  readonly poll_ms?: number;
}

const LIMITS: JobLimits = { memory_bytes: 256 * 2 ** 20, scratch_bytes: 2 ** 20, tasks: 128 };

export function openCell({ isolation = "bubblewrap", poll_ms = 25 }: CellOptions = {}): Cell {
  const sandbox = createSandbox({
    isolation,
    deno: findDeno(),
    authorities: null,
    uids: TEST_UIDS,
    poll_ms,
    start_timeout_ms: 20_000,
    clock: systemClock,
  });
  const processes: SandboxedProcess[] = [];
  const start: Cell["start"] = async (program, options = {}) => {
    const process = await sandbox.spawn(jobOf(sandbox.root, program, options));
    processes.push(process);
    process.stdin.on("error", () => {}).write(`${JSON.stringify(options.input ?? null)}\n`);
    return attackerOf(process);
  };
  return {
    sandbox,
    start,
    report: async (program, options) => {
      const { process, output } = await start(program, options);
      process.stdin.end();
      const { stdout, stderr, exit } = await output;
      if (exit.code !== 0) throw new Error(`exit ${exit.code} ${exit.signal}: ${stdout}${stderr}`);
      const last: unknown = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
      return last;
    },
    async [Symbol.asyncDispose]() {
      for (const process of processes) process.kill();
      await Promise.all(processes.map(({ exited }) => exited));
      await sandbox.close();
    },
  };
}

function jobOf(
  root: string,
  program: string,
  { owner = "app_a", limits, listeners = [], environment = {}, deno_flags = ["-A"] }: StartOptions,
): SandboxJob {
  const folder = join(root, `program-${randomBytes(8).toString("hex")}`);
  mkdirSync(folder, { mode: 0o755 });
  writeFileSync(join(folder, "main.mjs"), PRELUDE + program, { mode: 0o644 });
  return {
    owner,
    mounts: [{ host: folder, inside: "/app" }],
    listeners,
    limits: { ...LIMITS, ...limits },
    command: ({ deno, path }) => [deno, "run", "--quiet", "--no-config", ...deno_flags, `${path("/app")}/main.mjs`],
    environment: ({ scratch }) => ({ HOME: scratch, DENO_DIR: `${scratch}/deno`, NO_COLOR: "1", ...environment }),
  };
}

function attackerOf(process: SandboxedProcess): Attacker {
  const lines: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  let rest = "";
  process.stdout.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const next = waiting.shift();
      if (next === undefined) lines.push(part);
      else next(part);
    }
  });
  const all = Promise.all([text(process.stdout), text(process.stderr), process.exited]);
  return {
    process,
    line: () => {
      const line = lines.shift();
      return line === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(line);
    },
    output: all.then(([stdout, stderr, exit]) => ({ stdout, stderr, exit })),
  };
}

/**
 * `input`, `report(value)`, `hold()`, `attempt(action)`, and for native code `libc()`. That has
 * `call(name, …numbers)` for system calls of Linux on x86-64 or arm64, and `bytes(text or length)`
 * for their arguments.
 */
const PRELUDE = `
const readInput = () => {
  let text = "";
  const one = new Uint8Array(1);
  while (Deno.stdin.readSync(one) === 1 && one[0] !== 10) text += String.fromCharCode(one[0]);
  return JSON.parse(text);
};
const input = readInput();
const hold = () => void setInterval(() => {}, 1_000_000);
const report = (value) => console.log(JSON.stringify(value));
const attempt = async (action) => {
  try { return { got: (await action()) ?? null }; } catch (error) { return { refused: error.name + ": " + error.message }; }
};
const NUMBERS = { x86_64: 0, aarch64: 1 }[Deno.build.arch];
const CALLS = {
  socket: [41, 198], unshare: [272, 97], setns: [308, 268], mount: [165, 40], umount2: [166, 39], chroot: [161, 51],
  pivot_root: [155, 41], fsopen: [430, 430], move_mount: [429, 429], open_tree: [428, 428], mount_setattr: [442, 442],
  ptrace: [101, 117], process_vm_readv: [310, 270], process_vm_writev: [311, 271], pidfd_getfd: [438, 438], kcmp: [312, 272],
  bpf: [321, 280], perf_event_open: [298, 241], userfaultfd: [323, 282], io_uring_setup: [425, 425],
  memfd_create: [319, 279], memfd_secret: [447, 447], shmget: [29, 194], msgget: [68, 186], semget: [64, 190],
  add_key: [248, 217], request_key: [249, 218], keyctl: [250, 219], open_by_handle_at: [304, 265],
  fanotify_init: [300, 262], quotactl: [179, 60], kexec_load: [246, 104], init_module: [175, 105], finit_module: [313, 273],
  delete_module: [176, 106], reboot: [169, 142], syslog: [103, 116], sethostname: [170, 161], settimeofday: [164, 170],
  clock_settime: [227, 112], personality: [135, 92], setuid: [105, 146], setgid: [106, 144], setgroups: [116, 159],
  setpriority: [141, 140], sched_setscheduler: [144, 119], setrlimit: [160, 164], kill: [62, 129], getpid: [39, 172],
  setsid: [112, 157], clone: [56, 220], swapon: [167, 224], acct: [163, 89], newest: [999, 999],
};
const libc = () => {
  const { symbols } = Deno.dlopen("libc.so.6", {
    syscall: { parameters: Array(7).fill("i64"), result: "i64" },
    __errno_location: { parameters: [], result: "pointer" },
  });
  const held = [];
  return {
    call: (name, ...args) => {
      const numbers = [CALLS[name][NUMBERS], ...args].map(BigInt);
      const result = symbols.syscall(...numbers, ...Array(7 - numbers.length).fill(0n));
      return result >= 0n ? Number(result) : -new Deno.UnsafePointerView(symbols.__errno_location()).getInt32();
    },
    bytes: (content) => {
      const buffer = typeof content === "number" ? new Uint8Array(content) : new TextEncoder().encode(content + "\\0");
      held.push(buffer);
      return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer)));
    },
  };
};
`;
