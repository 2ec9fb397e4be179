/**
 * The current version of each function, as a folder that Deno can run. It has main.mjs (the
 * bootstrap), function.mjs (the bundle) and a cache. Only the version's own processes use the
 * cache, so that no function can poison the cache of another.
 *
 * Each call checks the files' stamps, which costs a few stat calls, and bundles only after a
 * change.
 */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { transform } from "esbuild";
import { bundleFunction, stampOf, type Bundle } from "./bundle.ts";
import type { FunctionSource } from "./names.ts";

export interface Version {
  readonly id: string;
  readonly directory: string;
  /**
   * A process holds its version while it lives. A replaced version is deleted after the last
   * release.
   */
  hold(): void;
  release(): void;
}

export interface Versions {
  /** Returns the version of the function's current files. @throws CodedError `function_invalid` */
  current(source: FunctionSource): Promise<Version>;
  close(): Promise<void>;
}

interface Known {
  readonly bundle: Bundle;
  readonly version: Version;
  readonly replace: () => void;
}

/** The temporary directory of all versions, and the text of main.mjs. */
interface Workshop {
  readonly root: string;
  readonly main: string;
}

interface State {
  readonly source_bytes: number;
  readonly root: string;
  readonly known: Map<string, Known>;
  readonly pending: Map<string, Promise<Version>>;
  workshop: Promise<Workshop> | null;
  count: number;
}

/** Versions are folders below `root`, which sandboxes can mount. */
export function createVersions(source_bytes: number, root: string): Versions {
  const state: State = { source_bytes, root, known: new Map(), pending: new Map(), workshop: null, count: 0 };
  return {
    current: (source) => current(state, source),
    close: () => close(state),
  };
}

/**
 * Returns the current version. Parallel calls share one check, so that twenty of them bundle once.
 */
function current(state: State, source: FunctionSource): Promise<Version> {
  const running = state.pending.get(source.entry);
  if (running !== undefined) return running;
  const started = update(state, source).finally(() => state.pending.delete(source.entry));
  state.pending.set(source.entry, started);
  return started;
}

async function update(state: State, source: FunctionSource): Promise<Version> {
  const { known, source_bytes } = state;
  const name = source.entry;
  const previous = known.get(name);
  if (previous !== undefined && (await isUnchanged(previous.bundle))) return previous.version;
  const bundle = await bundleFunction(source, source_bytes);
  if (previous?.bundle.version === bundle.version) {
    known.set(name, { ...previous, bundle });
    return previous.version;
  }
  const directory = await writeVersion(state, bundle);
  previous?.replace();
  const created = makeVersion(bundle.version, directory);
  known.set(name, { bundle, ...created });
  return created.version;
}

async function writeVersion(state: State, bundle: Bundle): Promise<string> {
  state.workshop ??= openWorkshop(state.root);
  const { root, main } = await state.workshop;
  state.count += 1;
  const directory = join(root, String(state.count));
  // Only this version's sandbox mounts the folder, under a uid that is not the server's.
  await mkdir(directory, { mode: 0o755 });
  await Promise.all([
    writeFile(join(directory, "main.mjs"), main),
    writeFile(join(directory, "function.mjs"), bundle.code),
  ]);
  return directory;
}

async function close(state: State): Promise<void> {
  await Promise.allSettled(state.pending.values());
  const opened = await state.workshop?.catch(() => null);
  if (opened) await remove(opened.root);
}

function makeVersion(id: string, directory: string): { version: Version; replace: () => void } {
  let holders = 0;
  let is_replaced = false;
  const removeIfUnused = (): void => {
    if (is_replaced && holders === 0) void remove(directory);
  };
  return {
    version: {
      id,
      directory,
      hold: () => void (holders += 1),
      release: () => {
        holders -= 1;
        removeIfUnused();
      },
    },
    replace: () => {
      is_replaced = true;
      removeIfUnused();
    },
  };
}

async function isUnchanged({ stamps }: Bundle): Promise<boolean> {
  const same = await Promise.all(
    [...stamps].map(async ([path, stamp]) => (await stampOf(path).catch(() => null)) === stamp),
  );
  return same.every(Boolean);
}

async function openWorkshop(parent: string): Promise<Workshop> {
  const text = await readFile(new URL("./bootstrap.deno.ts", import.meta.url), "utf8");
  const { code } = await transform(text, { loader: "ts", format: "esm", target: "es2024" });
  const root = await mkdtemp(join(parent, "versions-"));
  await chmod(root, 0o711);
  return { root, main: code };
}

/**
 * Removes a version's folder. An exiting process can still write its cache, so a leftover temporary
 * folder is not an error.
 */
async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
}
