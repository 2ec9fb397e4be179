/** Opening a browser: starts a stand-in with the address, and reports when there is none. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { openBrowser } from "../../src/cli/terminal/browser.ts";

const ADDRESS = "https://connect.example.com/connect/flw_1?a=b&c=$(d)";
/** Long, because a busy machine is slow. The opener exits earlier. */
const FAILURE_MS = 15_000;

/** A browser that runs `script`. Openers on Linux start what BROWSER names. */
function standIn(script: string): string {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-browser-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "browser");
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  vi.stubEnv("BROWSER", path);
  onTestFinished(() => void vi.unstubAllEnvs());
  return directory;
}

it.runIf(process.platform === "linux")("passes the address to the browser as it is", async () => {
  const directory = standIn(`printf %s "$1" > "$(dirname "$0")/opened"`);
  expect(await openBrowser(ADDRESS, FAILURE_MS)).toBe(true);
  expect(readFileSync(join(directory, "opened"), "utf8")).toBe(ADDRESS);
});

it.runIf(process.platform === "linux")("reports that no browser started", async () => {
  standIn("exit 1");
  expect(await openBrowser(ADDRESS, FAILURE_MS)).toBe(false);
});

it("opens no address of another scheme", async () => {
  const directory = standIn(`touch "$(dirname "$0")/opened"`);
  expect(await openBrowser("file:///etc/passwd", FAILURE_MS)).toBe(false);
  expect(await openBrowser("ms-settings:", FAILURE_MS)).toBe(false);
  expect(() => readFileSync(join(directory, "opened"))).toThrow("ENOENT");
});
