/**
 * `base44 exec` of the unmodified public command line: a script that runs in Deno as the builder,
 * who is a user of the app. Deno gets the SDK from a registry on this machine.
 */
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { findDeno } from "../packages/server/src/runner/deno.ts";
import { npmRegistry, packInstalled, type Packed } from "../packages/server/test/runner/bundler/registries.ts";
import { base44, type Base44Options } from "./support/base44-cli.ts";
import { startRemoteStage } from "./support/remote-stage.ts";

/** Returns a package of node_modules with all that it depends on. */
async function withDependencies(name: string, packed = new Map<string, Packed>()): Promise<readonly Packed[]> {
  if (!packed.has(name)) {
    const one = await packInstalled(name);
    packed.set(name, one);
    const { dependencies = {} } = one.manifest;
    for (const dependency of Object.keys(Object(dependencies))) await withDependencies(dependency, packed);
  }
  return [...packed.values()];
}

it("runs a script whose SDK is signed in as the builder", async () => {
  await using registry = await npmRegistry({ packages: await withDependencies("@base44/sdk") });
  const { site, app, home } = await startRemoteStage();
  const options: Base44Options = {
    server_url: site.server_url,
    home,
    api_key: app.api_key,
    env: {
      PATH: `${dirname(findDeno())}:${process.env["PATH"] ?? ""}`,
      DENO_DIR: join(home, "deno"),
      NPM_CONFIG_REGISTRY: `${registry.url}/`,
    },
    stdin: `
      const me = await base44.auth.me();
      console.log(JSON.stringify({ authenticated: await base44.auth.isAuthenticated(), role: me.role, email: me.email }));
    `,
  };
  const { exit_code, stdout, stderr } = await base44(["exec", "--app-id", app.app_id], options);
  expect({ exit_code, stderr }).toMatchObject({ exit_code: 0 });
  const line = stdout.split("\n").find((one) => one.startsWith("{")) ?? stdout;
  expect(JSON.parse(line)).toEqual({
    authenticated: true,
    role: "admin",
    email: expect.stringContaining("@") as unknown,
  });
});
