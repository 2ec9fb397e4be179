import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The repository's root. */
export const ROOT = join(import.meta.dirname, "..");

/** Reads a text file by its path below the root. */
export const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
