/** The shapes of a sandbox: a job that describes one process, and the process that runs it. */
import type { Server } from "node:net";
import type { Readable, Writable } from "node:stream";
import type { Clock } from "../../core/clock.ts";
import type { Isolation } from "../../core/functions/function-settings.ts";
import type { Uids } from "./uids.ts";

/** A file or folder of the host that the process sees, read-only. */
export interface Mount {
  readonly host: string;
  /** Absolute path inside. */
  readonly inside: string;
}

export interface JobLimits {
  /** Resident size of all processes of the job. A job that exceeds it is killed. */
  readonly memory_bytes: number;
  /** Size of the scratch folder. */
  readonly scratch_bytes: number;
  /** Processes and threads of the job. */
  readonly tasks: number;
}

export interface SandboxJob {
  /** The app that owns the process. If the server is root, each app has its own uid. */
  readonly owner: string;
  readonly mounts: readonly Mount[];
  /** Names of the loopback listeners to create before the command starts. */
  readonly listeners: readonly string[];
  readonly limits: JobLimits;
  readonly command: (place: Place) => readonly string[];
  readonly environment: (place: Place) => Readonly<Record<string, string>>;
}

/** Paths of the job's parts, as the process sees them. */
export interface Place {
  readonly deno: string;
  readonly node: string;
  /** A folder of the process alone, deleted with it. */
  readonly scratch: string;
  readonly ports: Readonly<Record<string, number>>;
  /** PEM file of further certificate authorities that the operator trusts, or null. */
  readonly authorities: string | null;
  /** Returns the path of a mount. `inside` is the mount's own. */
  path(inside: string): string;
}

/** Why this server killed the process. */
export type KillReason = "memory" | "cpu" | "stopped";

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Null: it exited on its own, or something else killed it. */
  readonly killed_for: KillReason | null;
}

export interface SandboxedProcess {
  readonly place: Place;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /**
   * Listening sockets that only the job's own processes can reach. The server accepts on them.
   */
  readonly listeners: Readonly<Record<string, Server>>;
  /** The pid of the job's first process, as the host sees it. Null without isolation. */
  readonly host_pid: number | null;
  readonly exited: Promise<Exit>;
  /** Kills every process of the job. */
  kill(reason?: KillReason): void;
  /** Limits the CPU time of the job, counted from its start. A job that exceeds it is killed. */
  limitCpu(allow: (used_ms: number) => number): void;
  /**
   * Returns a path by which this server connects to a Unix socket of the process. Call it before
   * the process runs untrusted code: the path stays bound to the current file.
   */
  openSocket(inside: string): string;
}

/** Why a sandbox could not start a process. The text can have paths of the host: only for logs. */
export class SandboxFailure extends Error {
  override name = "SandboxFailure";
}

/** The parts of a sandbox that start a job. */
export interface SandboxState {
  /** The Deno binary of the host. */
  readonly deno: string;
  readonly root: string;
  /** A copy of the operator's authorities that every job can read, or null. */
  readonly authorities: string | null;
  /** Null if this server is not root. */
  readonly uids: Uids | null;
  /** True if this server has a controlling terminal. */
  readonly has_terminal: boolean;
  readonly poll_ms: number;
  readonly start_timeout_ms: number;
  readonly clock: Clock;
}

export interface Sandbox {
  readonly isolation: Isolation;
  /** A folder whose subfolders can be mounted. */
  readonly root: string;
  /** @throws SandboxFailure, and CodedError `overloaded` if there are no uids left */
  spawn(job: SandboxJob): Promise<SandboxedProcess>;
  close(): Promise<void>;
}
