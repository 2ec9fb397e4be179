/** The common parts of isolated and plain processes: their streams and their exit. */
import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { SandboxFailure, type Exit } from "./types.ts";

export type RawExit = Omit<Exit, "killed_for">;

/** Resolves when the process has exited and its output is read. Never rejects. */
export function exitOf(child: ChildProcess): Promise<RawExit> {
  return new Promise((resolve) => {
    child.once("error", () => resolve({ code: null, signal: null }));
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}

export function streamsOf({ stdin, stdout, stderr }: ChildProcess): {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
} {
  if (stdin === null || stdout === null || stderr === null) throw new SandboxFailure("The process has no streams.");
  return { stdin, stdout, stderr };
}
