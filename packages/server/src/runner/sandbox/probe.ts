/**
 * Checks by an attack that the sandbox holds. An installed bubblewrap proves nothing: a kernel
 * setting or a container can deny it namespaces.
 *
 * The attacker is a real Deno with every permission, because Deno's permissions are assumed to
 * fail. It tries to read a file of this server in two ways, and to reach a port of this machine.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CodedError } from "../../core/errors.ts";
import { isJsonObject } from "../../core/types.ts";
import { listenOnLoopback, portOf } from "./loopback.ts";
import { translated } from "./runtime.ts";
import { SandboxFailure, type Sandbox, type SandboxedProcess } from "./types.ts";

const LIMITS = { memory_bytes: 256 * 2 ** 20, scratch_bytes: 2 ** 20, tasks: 128 };

/** @throws CodedError `functions_isolation_unavailable` that says what to install or to allow */
export async function probe(sandbox: Sandbox): Promise<void> {
  const { leaks, host } = await attack(sandbox).catch((error: unknown) => {
    throw error instanceof SandboxFailure ? unavailable(remedyFor(error.message), error) : error;
  });
  if (leaks.length > 0) throw unavailable(`A test program inside the sandbox could still ${leaks.join(" and ")}.`);
  if (host.uid === 0) throw unavailable("Its processes run as root.");
  if (!/^0+$/.test(host.capabilities)) throw unavailable("Its processes have kernel capabilities.");
}

export interface Attack {
  /** The attacks that succeeded. */
  readonly leaks: readonly string[];
  /** The attacker's process as the host sees it. */
  readonly host: { readonly uid: number; readonly capabilities: string };
}

/** Runs the attacker. @throws SandboxFailure if it cannot start */
export async function attack(sandbox: Sandbox): Promise<Attack> {
  const folder = join(sandbox.root, `probe-${randomBytes(8).toString("hex")}`);
  mkdirSync(folder, { mode: 0o755 });
  const canary = randomBytes(16).toString("hex");
  const secret = join(sandbox.root, `canary-${randomBytes(8).toString("hex")}`);
  writeFileSync(secret, `${canary}\n`, { mode: 0o600 });
  writeFileSync(join(folder, "attack.mjs"), translated("attack.deno.ts"), { mode: 0o644 });
  const bait = await listenOnLoopback();
  bait.on("connection", (socket) => socket.destroy());
  try {
    const child = await sandbox.spawn({
      owner: "probe",
      mounts: [{ host: folder, inside: "/probe" }],
      listeners: [],
      limits: LIMITS,
      command: (place) => [place.deno, "run", "--quiet", "--no-config", "-A", `${place.path("/probe")}/attack.mjs`],
      environment: ({ scratch }) => ({ HOME: scratch, DENO_DIR: `${scratch}/deno`, NO_COLOR: "1" }),
    });
    const host = hostView(child);
    // A child that exits early closes its stdin. Its complaint explains why.
    child.stdin.on("error", () => {});
    child.stdin.end(JSON.stringify({ secret, port: portOf(bait) }));
    const [output, complaint] = await Promise.all([text(child.stdout), text(child.stderr), child.exited]);
    rmSync(secret);
    const leaks = leaksIn(output, canary, complaint);
    if (host === null) throw new SandboxFailure("The test program exited before the server could inspect it.");
    return { leaks, host };
  } finally {
    bait.close();
  }
}

/** Returns the attempts that worked. An attacker that does not report has proven nothing. */
function leaksIn(output: string, canary: string, complaint: string): readonly string[] {
  const results = parsed(output);
  if (!isJsonObject(results)) throw new SandboxFailure(`The test program failed: ${complaint.slice(0, 500)}`);
  return Object.entries(results).flatMap(([name, result]) =>
    result === canary || result === "connected" || result === "seen" ? [name] : [],
  );
}

function parsed(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return null;
  }
}

/** Returns the attacker's process as the host sees it. Null if it has exited. */
function hostView({ host_pid }: SandboxedProcess): Attack["host"] | null {
  if (host_pid === null) return { uid: process.getuid?.() ?? 0, capabilities: "unknown" };
  const status = statusOf(host_pid);
  if (status === null) return null;
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "unknown";
  return { uid: Number(field("Uid")), capabilities: field("CapEff") };
}

function statusOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return null;
  }
}

export function unavailable(why: string, cause?: unknown): CodedError {
  const message = `The sandbox for functions does not work on this machine. ${why} To run functions without a sandbox, which lets them read everything that this server can: --functions-isolation none.`;
  return new CodedError("functions_isolation_unavailable", { message, cause });
}

/**
 * Returns what the operator must do, from what the programs that start the sandbox complain about.
 */
function remedyFor(complaint: string): string {
  const remedy = REMEDIES.find(([pattern]) => pattern.test(complaint))?.[1];
  return remedy ?? `Starting it failed: ${complaint.replaceAll(/\s+/g, " ").trim().slice(0, 300)}.`;
}

const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /failed to execute bwrap|execute bwrap: No such file/,
    "bubblewrap is not installed. On Debian and Ubuntu: apt-get install bubblewrap.",
  ],
  [
    /spawn (chrt|setpriv|prlimit) ENOENT|failed to execute (setpriv|prlimit)/,
    "The package util-linux is not installed. On Debian and Ubuntu: apt-get install util-linux.",
  ],
  [
    /proc.*(Operation not permitted|Permission denied)/i,
    "This container hides parts of /proc. Docker: --security-opt systempaths=unconfined --security-opt seccomp=unconfined.",
  ],
  [
    /namespace|uid map|Operation not permitted|Permission denied/i,
    "The kernel refuses user namespaces. Debian: sysctl -w kernel.unprivileged_userns_clone=1. Ubuntu: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0. Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined.",
  ],
];
