/**
 * Bundles a source tree with esbuild, from a temporary copy. The copy has nothing else, so no
 * import can reach further than the tree.
 */
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Bundled, Bundler, SourceTree } from "../core/functions/functions.ts";
import { bundleFunction } from "./bundle.ts";

/** Shared files lie at most nine folders above a function's own. */
const DEPTH = Array.from({ length: 10 }, () => "f");

export function createBundler({ source_bytes }: { readonly source_bytes: number }): Bundler {
  return { bundle: (tree) => bundleTree(tree, source_bytes) };
}

async function bundleTree({ function_name, entry, files }: SourceTree, source_bytes: number): Promise<Bundled> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "holdfast-bundle-")));
  try {
    const folder = join(root, ...DEPTH);
    for (const { path, content } of files) {
      const file = join(folder, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    }
    const source = { function_name, entry: join(folder, entry), folder, readable: root };
    const { code } = await bundleFunction(source, source_bytes);
    // The comments between modules name their files, and the copy has another path each time.
    return { code: code.replaceAll(`${folder}/`, "").replaceAll(`${root}/`, ""), source_map: "", lock: "", notes: [] };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
