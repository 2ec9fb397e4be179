/**
 * The folders from which Deno runs versions of functions. A folder has main.mjs (the bootstrap),
 * function.mjs (the bundle) and a cache. Only the version's own processes use the cache, so that no
 * function can poison the cache of another.
 *
 * A folder is written for the first process of its version, and deleted after the last.
 */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { LiveFunction } from "../core/functions/functions.ts";

export interface Version {
  /** Identifies the version and its secrets. A process serves exactly one such pair. */
  readonly id: string;
  readonly directory: string;
  /** A process holds its version while it lives. The folder is deleted after the last release. */
  hold(): void;
  release(): void;
}

export interface Versions {
  /** Returns the version of a function, held once for the caller. */
  open(live: LiveFunction): Promise<Version>;
  close(): Promise<void>;
}

interface Folder {
  readonly directory: Promise<string>;
  holders: number;
}

/** The temporary directory of all versions, and the text of main.mjs. */
interface Workshop {
  readonly root: string;
  readonly main: string;
}

interface State {
  readonly root: string;
  readonly folders: Map<string, Folder>;
  workshop: Promise<Workshop> | null;
  count: number;
}

/** Versions are folders below `root`, which sandboxes can mount. */
export function createVersions(root: string): Versions {
  const state: State = { root, folders: new Map(), workshop: null, count: 0 };
  return {
    open: (live) => open(state, live),
    close: () => close(state),
  };
}

async function open(state: State, { version_id, code, secrets_revision }: LiveFunction): Promise<Version> {
  const { folders } = state;
  const folder = folders.get(version_id) ?? { directory: writeFolder(state, code), holders: 0 };
  folders.set(version_id, folder);
  folder.holders += 1;
  const release = (): void => {
    folder.holders -= 1;
    if (folder.holders > 0) return;
    if (folders.get(version_id) === folder) folders.delete(version_id);
    void folder.directory.then(remove, () => {});
  };
  try {
    const directory = await folder.directory;
    return { id: `${version_id} ${secrets_revision}`, directory, hold: () => void (folder.holders += 1), release };
  } catch (error) {
    release();
    throw error;
  }
}

async function writeFolder(state: State, code: string): Promise<string> {
  state.workshop ??= openWorkshop(state.root);
  const { root, main } = await state.workshop;
  state.count += 1;
  const directory = join(root, String(state.count));
  // Only this version's sandbox mounts the folder, and its uid differs from the server's.
  await mkdir(directory, { mode: 0o755 });
  await Promise.all([writeFile(join(directory, "main.mjs"), main), writeFile(join(directory, "function.mjs"), code)]);
  return directory;
}

async function close(state: State): Promise<void> {
  await Promise.allSettled([...state.folders.values()].map(({ directory }) => directory));
  const opened = await state.workshop?.catch(() => null);
  if (opened) await remove(opened.root);
}

async function openWorkshop(parent: string): Promise<Workshop> {
  const main = await bootstrap();
  const root = await mkdtemp(join(parent, "versions-"));
  await chmod(root, 0o711);
  return { root, main };
}

/** Returns the text of main.mjs. It is one file, so a function can import no part of it alone. */
async function bootstrap(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("./bootstrap.deno.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    external: ["node:*", "./function.mjs"],
    logLevel: "silent",
  });
  return outputFiles.map(({ text }) => text).join("");
}

/**
 * Removes a version's folder. An exiting process can still write its cache, so a leftover temporary
 * folder is not an error.
 */
async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
}
