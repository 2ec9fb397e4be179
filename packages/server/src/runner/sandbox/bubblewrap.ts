/**
 * The command line that puts a job into a Linux sandbox. Pure: sandbox.ts runs it.
 *
 * Deno's own permissions are the first line of defense, and are assumed to fail. Behind them, the
 * job has only the runtime and its mounts, its own loopback network and its own processes. It has
 * no capabilities, and its host uid has no rights.
 */
import type { JobLimits, Mount } from "./types.ts";

/** Where the system keeps its programs. The server's own PATH can name folders of other users. */
export const SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
/** Path of the scratch folder inside the sandbox. */
export const SCRATCH = "/tmp";
export const DENO = "/runtime/deno";
export const NODE = "/runtime/node";
export const PRLIMIT = "/runtime/prlimit";
export const AUTHORITIES = "/runtime/authorities.pem";
export const LAUNCHER = "/runtime/launcher.mjs";
/**
 * Child file descriptors after stdio: Node's channel, bubblewrap's reports, its options, and the
 * system call filter.
 */
export const CHANNEL_FD = 3;
export const INFO_FD = 4;
export const OPTIONS_FD = 5;
export const FILTER_FD = 6;

/**
 * V8 reserves this much writable memory in a new process, without using it. Measured with Deno
 * 2.9.6: 541 MiB.
 */
const RESERVED_BYTES = 640 * 2 ** 20;
/** Sockets and files that one process has open. */
const OPEN_FILES = 1_024;

export interface Wrapping {
  readonly mounts: readonly Mount[];
  readonly limits: JobLimits;
  /** The job's uid and gid on the host. Null: this server's own, because it is not root. */
  readonly uid: number | null;
  /** True if this server has a controlling terminal. A job in its session could write to it. */
  readonly has_terminal: boolean;
  /** The argument of the launcher. */
  readonly launch: string;
}

export interface Wrapped {
  readonly command: readonly string[];
  /**
   * Read by bubblewrap from OPTIONS_FD. They name paths of the host, and the function can read the
   * command line of bubblewrap's process inside.
   */
  readonly options: string;
}

export function wrapped({ mounts, limits, uid, has_terminal, launch }: Wrapping): Wrapped {
  const command = [
    // Other processes get the CPU first. The server must respond while functions compute.
    ["chrt", "--idle", "0"],
    uid === null ? [] : asUser(uid),
    ["prlimit", "--core=0", `--data=${RESERVED_BYTES + limits.memory_bytes}`],
    [`--fsize=${limits.scratch_bytes}`, `--nofile=${OPEN_FILES}`],
    ["--", "bwrap", "--args", String(OPTIONS_FD), "--"],
    // Inside, because the kernel counts the threads of a uid in its user namespace. Outside they
    // would include those of the server.
    [PRLIMIT, `--nproc=${limits.tasks}`, "--", NODE, "--no-warnings", LAUNCHER, launch],
  ].flat();
  const options = [
    NAMESPACES,
    // Linux gives each session the same share of the processors, so that the scheduling class
    // counts only inside of one. In the server's own session a job runs only when the server does
    // not.
    has_terminal ? ["--new-session"] : [],
    ["--clearenv", "--setenv", "NODE_CHANNEL_FD", String(CHANNEL_FD)],
    ["--info-fd", String(INFO_FD), "--seccomp", String(FILTER_FD)],
    mounts.flatMap(({ host, inside }) => ["--ro-bind", host, inside]),
    ["--proc", "/proc", "--dev", "/dev", "--size", String(limits.scratch_bytes), "--tmpfs", SCRATCH],
    // Both are in memory without a size limit, so only the scratch folder is writable.
    ["--remount-ro", "/dev", "--remount-ro", "/"],
    ["--chdir", SCRATCH],
  ].flat();
  return { command, options: options.map((option) => `${option}\0`).join("") };
}

const NAMESPACES = [
  ["--unshare-all", "--unshare-user"],
  // Another user namespace would give its creator capabilities, and expose more of the kernel.
  ["--disable-userns"],
  ["--die-with-parent"],
  ["--cap-drop", "ALL"],
  ["--uid", "65534", "--gid", "65534"],
  ["--hostname", "function"],
].flat();

/**
 * Before bubblewrap: a user namespace that root creates maps its users to root of the host, which
 * owns the files there.
 */
function asUser(uid: number): readonly string[] {
  return [
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${uid}`,
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
    "--",
  ];
}
