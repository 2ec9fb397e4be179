/** One job inside bubblewrap. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, constants, fstatSync, openSync, writeFileSync } from "node:fs";
import { Server } from "node:net";
import { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { isJsonObject } from "../../core/types.ts";
import {
  AUTHORITIES,
  CHANNEL_FD,
  DENO,
  FILTER_FD,
  INFO_FD,
  NODE,
  OPTIONS_FD,
  SCRATCH,
  SYSTEM_PATH,
  wrapped,
} from "./bubblewrap.ts";
import { exitOf, streamsOf, type RawExit } from "./child.ts";
import { systemCallFilter } from "./seccomp.ts";
import {
  SandboxFailure,
  type KillReason,
  type Mount,
  type Place,
  type SandboxedProcess,
  type SandboxJob,
  type SandboxState,
} from "./types.ts";
import { usageInside } from "./usage.ts";
import { watchUsage } from "./watch.ts";

/** Linux's flag for a handle that only names a file. Node has no name for it. */
const O_PATH = 0o10000000;
/** Each sandbox has its own network, so the same ports are free in each. */
const FIRST_PORT = 4001;
/** The nice value of a session that gets what others leave. */
const LEAST_SHARE = "19";
/** Enough of bubblewrap's own message to explain a failure. */
const COMPLAINT_BYTES = 2_000;

interface IsolatedState extends SandboxState {
  /** Programs and libraries that every job sees. */
  readonly runtime: readonly Mount[];
}

export async function spawnIsolated(state: IsolatedState, job: SandboxJob): Promise<SandboxedProcess> {
  const place = placeOf(state, job);
  const uid = state.uids === null ? null : state.uids.take(job.owner);
  const child = start(state, job, place, uid);
  const exited = exitOf(child);
  void exited.then(() => state.uids?.release(job.owner));
  let killed_for: KillReason | null = null;
  let first_pid: number | null = null;
  const kill = (reason: KillReason = "stopped"): void => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    killed_for ??= reason;
    // The first process of the sandbox takes all others with it, and bubblewrap outside then reaps
    // it. Killing bubblewrap would leave that to process 1, which in a container can be this
    // server.
    if (first_pid === null) child.kill("SIGKILL");
    else killPid(first_pid);
  };
  const cancelTimeout = state.clock.after(state.start_timeout_ms, () => kill());
  try {
    const { listeners, host_pid } = await launched(child, job.listeners, exited);
    first_pid = host_pid;
    if (state.has_terminal) yieldToOthers(host_pid);
    const watch = watchUsage({ ...state, ...job.limits, usage: () => usageInside(host_pid), kill });
    const handles: number[] = [];
    const end = (): void => {
      watch.stop();
      handles.forEach((handle) => closeSync(handle));
      Object.values(listeners).forEach((listener) => listener.close());
    };
    void exited.then(end);
    return {
      ...streamsOf(child),
      place,
      listeners,
      host_pid,
      exited: exited.then((exit) => ({ ...exit, killed_for })),
      kill,
      limitCpu: watch.limitCpu,
      openSocket: (inside) => openSocket(host_pid, inside, handles),
    };
  } catch (error) {
    kill();
    throw error;
  } finally {
    cancelTimeout();
  }
}

/**
 * Linux gives each session the same share of the processors (sched(7), "The autogroup feature"),
 * and the sandbox is a session of its own. Its scheduling class then counts only inside of it.
 */
function yieldToOthers(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, LEAST_SHARE);
  } catch {
    // This kernel has no such groups, or the process has exited.
  }
}

function killPid(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // The process has already exited.
  }
}

function placeOf(state: SandboxState, { listeners }: SandboxJob): Place {
  const ports = Object.fromEntries(listeners.map((name, index) => [name, FIRST_PORT + index]));
  const authorities = state.authorities === null ? null : AUTHORITIES;
  return { deno: DENO, node: NODE, scratch: SCRATCH, ports, authorities, path: (inside) => inside };
}

function start(state: IsolatedState, job: SandboxJob, place: Place, uid: number | null): ChildProcess {
  const listeners = job.listeners.map((name) => ({ name, port: place.ports[name] }));
  const command = job.command(place);
  const launch = JSON.stringify({ listeners, command, environment: job.environment(place) });
  const mounts = [...state.runtime, ...job.mounts];
  const { command: outer, options } = wrapped({ ...state, mounts, limits: job.limits, uid, launch });
  const [program = "", ...rest] = outer;
  const stdio: ("pipe" | "ipc")[] = ["pipe", "pipe", "pipe"];
  stdio[CHANNEL_FD] = "ipc";
  stdio[INFO_FD] = "pipe";
  stdio[OPTIONS_FD] = "pipe";
  stdio[FILTER_FD] = "pipe";
  const child = spawn(program, rest, { stdio, env: { PATH: SYSTEM_PATH }, cwd: "/" });
  send(child, OPTIONS_FD, options);
  send(child, FILTER_FD, systemCallFilter());
  return child;
}

/** Writes what bubblewrap reads from one of its file descriptors. */
function send(child: ChildProcess, fd: number, content: string | Buffer): void {
  const pipe: unknown = Object.values(child.stdio)[fd];
  if (!(pipe instanceof Writable)) throw new SandboxFailure(`File descriptor ${fd} has no pipe.`);
  // Bubblewrap can exit before it reads all. Its exit explains why.
  pipe.on("error", () => {});
  pipe.end(content);
}

interface Launched {
  readonly listeners: Record<string, Server>;
  readonly host_pid: number;
}

/** Resolves once the launcher has passed on every listener and has become the command. */
async function launched(child: ChildProcess, names: readonly string[], exited: Promise<RawExit>): Promise<Launched> {
  const complaint = collect(child.stderr);
  const listeners: Record<string, Server> = {};
  // Only the launcher writes to this channel. It closes it before any other program starts.
  child.on("message", (name, handle) => {
    if (typeof name === "string" && handle instanceof Server && names.includes(name)) listeners[name] = handle;
  });
  const disconnected = new Promise<void>((resolve) => child.once("disconnect", resolve));
  const failed = exited.then(({ code }): never => {
    throw new SandboxFailure(`exit ${code}: ${complaint.text()}`);
  });
  void failed.catch(() => {});
  const [host_pid] = await Promise.race([Promise.all([reportedPid(child), disconnected]), failed]);
  // A program that is missing exits after the channel closes.
  if (host_pid === null || Object.keys(listeners).length < names.length) return await failed;
  complaint.giveBack();
  return { listeners, host_pid };
}

/** Reads the start of a stream, and can put it back for the next reader. */
function collect(stream: Readable | null): { text(): string; giveBack(): void } {
  const chunks: Buffer[] = [];
  let length = 0;
  const keep = (chunk: Buffer): void => {
    if (length < COMPLAINT_BYTES) chunks.push(chunk);
    length += chunk.length;
  };
  stream?.on("data", keep);
  return {
    text: () => Buffer.concat(chunks).toString("utf8").slice(0, COMPLAINT_BYTES),
    giveBack: () => {
      stream?.off("data", keep);
      stream?.pause();
      if (chunks.length > 0) stream?.unshift(Buffer.concat(chunks));
    },
  };
}

/** Returns the pid of the sandbox's first process on the host. Null if bubblewrap failed before. */
async function reportedPid(child: ChildProcess): Promise<number | null> {
  const info = child.stdio[INFO_FD];
  const report = info instanceof Readable ? await text(info).catch(() => "") : "";
  const parsed: unknown = report === "" ? null : JSON.parse(report);
  const pid = isJsonObject(parsed) ? parsed["child-pid"] : null;
  return typeof pid === "number" ? pid : null;
}

/**
 * Opens the socket as a file, without following links. Connecting through the handle then reaches
 * this socket, even if the process later puts a link to a socket of the host in its place.
 */
function openSocket(host_pid: number, inside: string, handles: number[]): string {
  const handle = openSync(`/proc/${host_pid}/root${inside}`, O_PATH | constants.O_NOFOLLOW);
  handles.push(handle);
  if (!fstatSync(handle).isSocket()) throw new SandboxFailure(`${inside} is not a socket`);
  return `/proc/self/fd/${handle}`;
}
