/**
 * The current version of each function, as a folder that Deno can run: main.mjs (the bootstrap), function.mjs (the
 * bundle) and a cache that only this version's processes use, so that no function can poison another's.
 *
 * Looks at the files' stamps at each call, which costs a few stat calls, and bundles again only when one changed.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transform } from "esbuild";
import { bundleFunction, stampOf, type Bundle } from "./bundle.ts";
import type { FunctionSource } from "./names.ts";

export interface Version {
  readonly id: string;
  readonly directory: string;
  /** Each process holds the version while it lives; a replaced one is deleted when the last lets go. */
  hold(): void;
  letGo(): void;
}

export interface Versions {
  /** @throws ApiError `function_invalid`. */
  current(source: FunctionSource): Promise<Version>;
  close(): Promise<void>;
}

interface Known {
  readonly bundle: Bundle;
  readonly version: Version;
  readonly replace: () => void;
}

export function createVersions(source_bytes: number): Versions {
  const known = new Map<string, Known>();
  const pending = new Map<string, Promise<Version>>();
  let workshop: Promise<{ root: string; main: string }> | null = null;
  let count = 0;

  const bring = async (source: FunctionSource): Promise<Version> => {
    const name = source.entry;
    const before = known.get(name);
    if (before !== undefined && (await isUnchanged(before.bundle))) return before.version;
    const bundle = await bundleFunction(source, source_bytes);
    if (before?.bundle.version === bundle.version) {
      known.set(name, { ...before, bundle });
      return before.version;
    }
    workshop ??= openWorkshop();
    const { root, main } = await workshop;
    count += 1;
    const directory = join(root, String(count));
    await mkdir(directory, { mode: 0o700 });
    await Promise.all([
      writeFile(join(directory, "main.mjs"), main),
      writeFile(join(directory, "function.mjs"), bundle.code),
    ]);
    before?.replace();
    const made = makeVersion(bundle.version, directory);
    known.set(name, { bundle, ...made });
    return made.version;
  };

  return {
    current(source) {
      // Twenty parallel calls bundle once.
      const running = pending.get(source.entry);
      if (running !== undefined) return running;
      const started = bring(source).finally(() => pending.delete(source.entry));
      pending.set(source.entry, started);
      return started;
    },
    async close() {
      await Promise.allSettled(pending.values());
      const opened = await workshop?.catch(() => null);
      if (opened) await remove(opened.root);
    },
  };
}

function makeVersion(id: string, directory: string): { version: Version; replace: () => void } {
  let holders = 0;
  let replaced = false;
  const clean = (): void => {
    if (replaced && holders === 0) void remove(directory);
  };
  return {
    version: {
      id,
      directory,
      hold: () => void (holders += 1),
      letGo: () => {
        holders -= 1;
        clean();
      },
    },
    replace: () => {
      replaced = true;
      clean();
    },
  };
}

async function isUnchanged({ stamps }: Bundle): Promise<boolean> {
  const same = await Promise.all(
    [...stamps].map(async ([path, stamp]) => (await stampOf(path).catch(() => null)) === stamp),
  );
  return same.every(Boolean);
}

async function openWorkshop(): Promise<{ root: string; main: string }> {
  const text = await readFile(new URL("./bootstrap.deno.ts", import.meta.url), "utf8");
  const { code } = await transform(text, { loader: "ts", format: "esm", target: "es2024" });
  return { root: await mkdtemp(join(tmpdir(), "holdfast-functions-")), main: code };
}

/** A process that is just ending may still write its cache; a left-over temporary folder is not worth an error. */
async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
}
