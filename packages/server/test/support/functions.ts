/** Functions of the test's apps: those of the first one in a folder, those of others deployed. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { startTestServer, type TestApp, type TestServer, type TestServerOptions } from "./server.ts";

/** Source code by name. */
export type FunctionSources = Readonly<Record<string, string>>;

/** Starts a server whose app has these functions. */
export async function serverWithFunctions(
  functions: FunctionSources,
  options: TestServerOptions = {},
): Promise<TestServer> {
  const functions_dir = mkdtempSync(join(tmpdir(), "holdfast-functions-"));
  onTestFinished(() => rmSync(functions_dir, { recursive: true, force: true }));
  for (const [name, code] of Object.entries(functions)) writeFileSync(join(functions_dir, `${name}.js`), code);
  return startTestServer({ functions_dir, ...options });
}

/** Creates another app, and deploys these functions to it. */
export async function appWithFunctions(
  holdfast: TestServer,
  name: string,
  functions: FunctionSources,
): Promise<TestApp> {
  const app = await holdfast.createApp(name);
  for (const [function_name, content] of Object.entries(functions)) {
    const source = { entry: "entry.js", files: [{ path: "entry.js", content }], automations: [] };
    await holdfast.installation.functions.deploy(app.app_id, function_name, source, "test");
  }
  return app;
}

/** Returns the path of a call. */
export const functionPath = ({ app }: Pick<TestServer, "app">, name: string): string =>
  `/api/apps/${app.app_id}/functions/${name}`;
