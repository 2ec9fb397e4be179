import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, it } from "vitest";

const LIMIT_BYTES = 4096;

it(`is at most ${LIMIT_BYTES} bytes, minified and gzipped, and imports nothing`, async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL("../src/index.ts", import.meta.url))],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    metafile: true,
    write: false,
  });
  expect(gzipSync(outputFiles[0]?.contents ?? "").length).toBeLessThanOrEqual(LIMIT_BYTES);
  expect(Object.values(metafile.outputs).flatMap((output) => output.imports)).toEqual([]);
});
