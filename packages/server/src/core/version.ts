/**
 * The version of this package, from its package.json. --version prints it, requests send it, and a
 * function's version records which release bundled it.
 */
import { createRequire } from "node:module";

const manifest: unknown = createRequire(import.meta.url)("../../package.json");

export const VERSION =
  typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown";
