/**
 * The version of this package, from its package.json. --version prints it, and requests send it.
 */
import { createRequire } from "node:module";

const manifest: unknown = createRequire(import.meta.url)("../../../package.json");

export const VERSION =
  typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown";
