/**
 * Packs the packages as they would be published, installs them into an empty folder, and runs the
 * demo from there. That tree has built files only: no sources, no workspace. Part of `npm run
 * package`. Needs the built dist folders and the package registry.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./root.ts";

const PACKAGES = ["sdk", "simulator", "server"];

const folder = mkdtempSync(join(tmpdir(), "holdfast-package-"));
const npm = (args: readonly string[], cwd: string): string =>
  execFileSync("npm", [...args, "--silent"], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

try {
  for (const name of PACKAGES) npm(["pack", "--pack-destination", folder], join(ROOT, "packages", name));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "smoke", private: true }));
  const tarballs = readdirSync(folder).filter((file) => file.endsWith(".tgz"));
  npm(["install", "--ignore-scripts", ...tarballs.map((file) => `./${file}`)], folder);
  const bin = join(folder, "node_modules/holdfast/bin/holdfast.js");
  const printed = execFileSync(process.execPath, [bin, "demo", "--json", "--auto", "--once"], { encoding: "utf8" });
  const result: unknown = JSON.parse(printed);
  const connected = typeof result === "object" && result !== null && "connected" in result ? result.connected : null;
  if (!Array.isArray(connected) || connected.length === 0)
    throw new Error(`The packed demo connected nothing: ${printed}`);
  process.stdout.write(`The packed holdfast runs its demo: ${connected.length} services connected.\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
