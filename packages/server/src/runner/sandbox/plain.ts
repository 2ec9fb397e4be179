/**
 * One job without isolation, for `--functions-isolation none`. Only Deno's permissions restrict the
 * function. A function that bypasses them has the rights of the server.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:net";
import { join } from "node:path";
import { exitOf, streamsOf } from "./child.ts";
import { listenOnLoopback, portOf } from "./loopback.ts";
import {
  SandboxFailure,
  type KillReason,
  type Place,
  type SandboxedProcess,
  type SandboxJob,
  type SandboxState,
} from "./types.ts";
import { usageOf } from "./usage.ts";
import { watchUsage } from "./watch.ts";

export async function spawnPlain(state: SandboxState, job: SandboxJob): Promise<SandboxedProcess> {
  const scratch = mkdtempSync(join(state.root, "scratch-"));
  const opened = await Promise.all(job.listeners.map(async (name) => [name, await listenOnLoopback()] as const));
  const listeners = Object.fromEntries(opened);
  const place = placeOf(state, job, scratch, listeners);
  const [program = "", ...rest] = job.command(place);
  const child = spawn(program, rest, { stdio: "pipe", cwd: scratch, env: { ...job.environment(place) } });
  let killed_for: KillReason | null = null;
  const kill = (reason: KillReason = "stopped"): void => {
    killed_for ??= reason;
    child.kill("SIGKILL");
  };
  const watch =
    child.pid === undefined || process.platform !== "linux"
      ? null
      : watchUsage({ ...state, ...job.limits, usage: () => usageOf(`/proc/${child.pid}`), kill });
  const exited = exitOf(child).then((exit) => {
    watch?.stop();
    opened.forEach(([, listener]) => listener.close());
    rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
    return { ...exit, killed_for };
  });
  return {
    ...streamsOf(child),
    place,
    listeners,
    host_pid: null,
    exited,
    kill,
    limitCpu: (allow) => watch?.limitCpu(allow),
    openSocket: (inside) => inside,
  };
}

function placeOf(
  { deno, authorities }: SandboxState,
  { mounts }: SandboxJob,
  scratch: string,
  listeners: Readonly<Record<string, Server>>,
): Place {
  const ports = Object.fromEntries(Object.entries(listeners).map(([name, server]) => [name, portOf(server)]));
  const path = (inside: string): string => {
    const mount = mounts.find((candidate) => candidate.inside === inside);
    if (mount === undefined) throw new SandboxFailure(`${inside} is not mounted`);
    return mount.host;
  };
  return { deno, node: process.execPath, scratch, ports, authorities, path };
}
