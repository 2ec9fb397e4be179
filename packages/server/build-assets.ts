/** After tsc: what the published package needs beside compiled code. The bootstrap runs in Deno, as TypeScript. */
import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

cpSync(here("src/runner/bootstrap.deno.ts"), here("dist/runner/bootstrap.deno.ts"));
cpSync(here("../../examples"), here("examples"), { recursive: true });
