/**
 * A bundler in this process, for tests of what runs a bundle. The bundler's own tests have it in
 * the sandbox.
 */
import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../src/core/errors.ts";
import type { Bundler } from "../../src/core/functions/functions.ts";
import { bundle } from "../../src/runner/bundler/inside/worker.ts";
import { openToolbox } from "../../src/runner/bundler/toolbox.ts";

export interface LocalBundler extends Bundler, AsyncDisposable {}

/** Fetches nothing. */
export async function localBundler(): Promise<LocalBundler> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "holdfast-test-bundler-")));
  const { sdks } = await openToolbox(root);
  let count = 0;
  return {
    bundle: async (tree) => {
      const scratch = join(root, String((count += 1)));
      await mkdir(scratch);
      const assignment = {
        tree,
        imports: {},
        sdks,
        pinned: [],
        jsr_registry: "https://jsr.invalid/",
        fetched_files: 0,
      };
      const outcome = await bundle(assignment, { deno: "/nonexistent", environment: {}, scratch });
      if (outcome.kind === "built") return outcome;
      throw new CodedError("function_invalid", { message: outcome.problems.join(" ") });
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}
