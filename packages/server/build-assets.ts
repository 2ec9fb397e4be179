/**
 * Copies the files that the published package needs besides compiled code. Runs after tsc. The
 * bootstrap stays TypeScript, because Deno runs it.
 */
import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

cpSync(here("src/runner/bootstrap.deno.ts"), here("dist/runner/bootstrap.deno.ts"));
for (const file of ["holdfast.css", "holdfast.svg"])
  cpSync(here(`src/http/pages/${file}`), here(`dist/http/pages/${file}`));
cpSync(here("../../examples"), here("examples"), { recursive: true });
