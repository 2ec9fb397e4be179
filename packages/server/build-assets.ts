/**
 * Copies the files that the published package needs besides compiled code. Runs after tsc. The
 * programs of sandboxes stay TypeScript: they are translated when the server starts.
 */
import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

for (const file of [
  "bootstrap.deno.ts",
  "bootstrap-network.deno.ts",
  "sandbox/launcher.node.ts",
  "sandbox/attack.deno.ts",
])
  cpSync(here(`src/runner/${file}`), here(`dist/runner/${file}`));
for (const file of ["holdfast.css", "holdfast.svg"])
  cpSync(here(`src/http/pages/${file}`), here(`dist/http/pages/${file}`));
cpSync(here("../../examples"), here("examples"), { recursive: true });
