/**
 * `holdfast types generate`: with both SDKs, a connector's name compiles, and a misspelled one does
 * not.
 */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { holdfast } from "./support/holdfast.ts";
import { parseJson } from "./support/json.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TSC = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");

const USES: Readonly<Record<string, string>> = {
  "@base44/sdk": `import { createClientFromRequest } from "@base44/sdk";
const { connectors } = createClientFromRequest(new Request("http://localhost/")).asServiceRole;
export const right = [connectors.getConnection("slack"), connectors.getConnection("google_analytics")];
export const wrong = connectors.getConnection("slakc");
`,
  "@holdfast/sdk": `import { createClientFromRequest } from "@holdfast/sdk";
const { connectors } = createClientFromRequest(new Request("http://localhost/")).asServiceRole;
export const right = [connectors.getConnection("slack"), connectors.getConnection("google_analytics")];
export const wrong = connectors.getConnection("slakc");
`,
};

/** Creates a project that has only the given SDKs installed. */
function project(sdks: readonly string[]): string {
  const home = temporaryDirectory();
  mkdirSync(join(home, "connectors"));
  writeFileSync(join(home, "connectors", "slack.jsonc"), '// Ours.\n{ "type": "slack", "scopes": [], }\n');
  writeFileSync(join(home, "connectors", "ga.json"), '{ "type": "google_analytics" }\n');
  for (const sdk of sdks) {
    const [scope = ""] = sdk.split("/");
    mkdirSync(join(home, "node_modules", scope), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", sdk), join(home, "node_modules", sdk));
    writeFileSync(join(home, `${scope.slice(1)}.ts`), USES[sdk] ?? "");
  }
  return home;
}

/** Returns the line of each compiler error. */
async function errorsIn(home: string): Promise<readonly string[]> {
  const files = ["base44.ts", "holdfast.ts", "holdfast.d.ts"].filter((name) => hasFile(home, name));
  const flags = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--types", "", "--skipLibCheck"];
  flags.push("--module", "esnext", "--moduleResolution", "bundler", "--customConditions", "holdfast-source");
  flags.push("--allowImportingTsExtensions", "--ignoreConfig");
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [TSC, ...flags, ...files], { cwd: home }, (_error, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
  return output.split("\n").filter((line) => line.includes("error TS"));
}

function hasFile(home: string, name: string): boolean {
  try {
    return readFileSync(join(home, name)).length > 0;
  } catch {
    return false;
  }
}

it.each([[["@base44/sdk", "@holdfast/sdk"]], [["@base44/sdk"]], [["@holdfast/sdk"]]])(
  "%s: only the names of the connector files compile",
  async (sdks) => {
    const home = project(sdks);
    expect(await errorsIn(home)).toEqual([]);
    const generated = await holdfast(["types", "generate", "--out", "holdfast.d.ts"], { home });
    expect([generated.exit_code, generated.stdout]).toEqual([0, `Wrote ${join(home, "holdfast.d.ts")}.\n`]);
    const errors = await errorsIn(home);
    expect(errors.map((line) => line.slice(0, line.indexOf(",")))).toEqual(
      sdks.map((sdk) => `${sdk.slice(1, sdk.indexOf("/"))}.ts(4`),
    );
    for (const error of errors) expect(error).toContain("'\"slakc\"' is not assignable");
  },
);

it("writes both registries of the public SDK, and prints without --out", async () => {
  const home = project([]);
  const { stdout, exit_code } = await holdfast(["types", "generate"], { home });
  expect(exit_code).toBe(0);
  expect(stdout).toMatch(
    /interface ConnectorIntegrationTypeRegistry \{\n {4}"google_analytics": true;\n {4}"slack": true;/,
  );
  expect(stdout).toContain("interface ConnectorTypeRegistry {");
  const { stdout: document } = await holdfast(["types", "generate", "--json"], { home });
  expect(parseJson(document).get("connectors").value).toEqual(["google_analytics", "slack"]);
  const refused = await holdfast(["types", "generate", "--dir", "missing"], { home });
  expect([refused.exit_code, refused.stderr]).toEqual([2, expect.stringContaining("Name an app instead") as unknown]);
});
