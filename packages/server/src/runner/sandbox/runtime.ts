/**
 * The programs and libraries of a sandbox, and the folder from which it mounts them. Every uid that
 * functions run as can open files in the folder, but cannot list it.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import { CodedError } from "../../core/errors.ts";
import { errnoOf } from "../../core/errno.ts";
import { AUTHORITIES, DENO, LAUNCHER, NODE, PRLIMIT, SYSTEM_PATH } from "./bubblewrap.ts";
import { SandboxFailure, type Mount, type SandboxState } from "./types.ts";

/** Creates the folder, and removes those of servers that were killed. */
export function makeRoot(): string {
  const parent = [tmpdir(), "/tmp", "/var/tmp"].map(realPath).find((path) => path !== null && isReachable(path));
  if (parent === undefined || parent === null) {
    const message = "Functions need a temporary folder that every user can enter, such as /tmp. Set TMPDIR to one.";
    throw new CodedError("configuration", { message });
  }
  removeLeftovers(parent);
  const root = mkdtempSync(join(parent, `holdfast-functions-${process.pid}.${startOf(process.pid)}-`));
  chmodSync(root, 0o711);
  return root;
}

function removeLeftovers(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, pid = "", start] = /^holdfast-functions-(\d+)\.(\d*)-/.exec(name) ?? [];
    const path = join(parent, name);
    if (start === undefined || startOf(Number(pid)) === start || ownerOf(path) !== process.getuid?.()) continue;
    rmSync(path, { recursive: true, force: true });
  }
}

/**
 * Returns the start time of a process, in ticks since the machine's. Empty: no such process. A
 * container gives its server the same pid after each restart, so a pid alone would keep every old
 * folder.
 */
function startOf(pid: number): string {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat !== "") return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  return process.platform !== "linux" && isRunning(pid) ? "0" : "";
}

/** Empty: the file cannot be read. */
export function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errnoOf(error) === "EPERM";
  }
}

/** Another server can remove it meanwhile. */
function ownerOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.uid;
}

function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

/** Returns the mounts of every job. */
export function runtimeMounts({ root, deno, authorities }: SandboxState): readonly Mount[] {
  const node = process.execPath;
  const prlimit = systemProgram("prlimit");
  const libraries = [...new Set([deno, node, prlimit].flatMap(librariesOf))];
  return [
    ...libraries.map((path) => ({ host: path, inside: path })),
    { host: readableForAll(root, deno, "deno"), inside: DENO },
    { host: readableForAll(root, node, "node"), inside: NODE },
    { host: prlimit, inside: PRLIMIT },
    { host: writeLauncher(root), inside: LAUNCHER },
    ...(authorities === null ? [] : [{ host: authorities, inside: AUTHORITIES }]),
  ];
}

/** Returns the path of a system program. */
function systemProgram(name: string): string {
  const path = SYSTEM_PATH.split(":")
    .map((folder) => join(folder, name))
    .find(existsSync);
  if (path === undefined) throw new SandboxFailure(`spawn ${name} ENOENT`);
  return path;
}

/** Returns the shared libraries that the dynamic loader finds for a program, by their own paths. */
function librariesOf(program: string): readonly string[] {
  const listing = execFileSync(systemProgram("ldd"), [program], { encoding: "utf8" });
  return listing.split("\n").flatMap((line) => /(?:=> |^\s*)(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

/** Returns the path of a program that other users can run: its own, or that of a copy. */
function readableForAll(root: string, program: string, name: string): string {
  const path = realpathSync(program);
  if (isReadableForAll(path)) return path;
  const copy = join(root, name);
  copyFileSync(path, copy, constants.COPYFILE_FICLONE);
  chmodSync(copy, 0o755);
  return copy;
}

const isReadableForAll = (path: string): boolean =>
  (statSync(path).mode & 0o005) === 0o005 && isReachable(dirname(path));

/**
 * Reports whether every user can open files below the folder. Only root runs jobs as other users.
 */
function isReachable(path: string): boolean {
  if (process.getuid?.() !== 0) return true;
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

function writeLauncher(root: string): string {
  const path = join(root, "launcher.mjs");
  writeFileSync(path, translated("launcher.node.ts"), { mode: 0o644 });
  return path;
}

/** Returns a program in this folder as JavaScript. */
export function translated(name: string): string {
  const text = readFileSync(fileURLToPath(new URL(name, import.meta.url)), "utf8");
  return transformSync(text, { loader: "ts", format: "esm", target: "es2024" }).code;
}
