/** Connected accounts for the tests of refreshes. */
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { startTestServer, type TestServer } from "../../support/server.ts";

/**
 * Connects a Google account, whose refresh token stays, or a GitHub App user, whose refresh token
 * is single-use. The provider has the given faults.
 */
export async function connected(
  integration_type: "googlecalendar" | "github",
  modes: readonly string[] = [],
  options = {},
) {
  const holdfast = await startTestServer(options);
  await holdfast.setClient(integration_type, [...(integration_type === "github" ? ["rotate"] : []), ...modes]);
  await holdfast.connect(integration_type);
  const first = await holdfast.accessToken(integration_type);
  return { holdfast, first };
}

export const many = <T>(count: number, one: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, one));

/** Starts another process over a copy of the files, as after a crash of the first one. */
export function crashedServer({ app, clock, simulator }: TestServer, data_dir: string): Promise<TestServer> {
  return startTestServer({ app, clock, simulator, data_dir });
}

/** Copies the files of a data directory. The copy is deleted when the test ends. */
export function copyDirectory(from: string): string {
  const to = mkdtempSync(join(tmpdir(), "holdfast-crash-"));
  onTestFinished(() => rmSync(to, { recursive: true, force: true }));
  for (const name of readdirSync(from)) if (name !== "serve.lock") copyFileSync(join(from, name), join(to, name));
  return to;
}
