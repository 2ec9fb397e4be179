/** `holdfast types generate`: the app's connectors as types, so that a misspelt name does not compile. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { loadClientSettings } from "../../config.ts";
import { ApiError } from "../../core/errors.ts";
import { withConnectors, type AppFlags } from "../connectors/open.ts";
import { createOutput } from "../terminal/output.ts";
import { withTarget, type TargetFlags } from "../remote/target.ts";

interface Flags extends TargetFlags {
  readonly json?: boolean;
  readonly app?: string;
  readonly dir: string;
  readonly out?: string;
}

export function typesCommands(program: Command): void {
  const types = program.command("types").description("types for the code of an app");
  withTarget(types.command("generate"))
    .description("write the app's connectors as types: getConnection then takes their names and no other")
    .option("--app <app>", "take the connectors of this app (default: those of the files; env: HOLDFAST_APP_ID)")
    .option("--dir <directory>", "take the connectors of these files", "connectors")
    .option("--out <file>", "where to write, such as holdfast.d.ts (default: print)")
    .action(async (flags: Flags) => {
      const connectors = await namesOf(flags);
      const text = declarations(connectors);
      const output = createOutput(flags.json === true);
      if (flags.out === undefined) return output.result({ connectors, types: text }, text.trimEnd());
      const path = resolve(flags.out);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      output.result({ connectors, path }, `Written: ${path}`);
    });
}

async function namesOf(flags: Flags): Promise<readonly string[]> {
  const app = flags.app ?? loadClientSettings().app_id;
  if (app !== null) {
    const wanted: AppFlags = { ...flags, app };
    return sorted((await withConnectors(wanted, (api) => api.list())).map((one) => one.integration_type));
  }
  const { readConnectorFiles } = await import("../connectors/files.ts");
  const files = readConnectorFiles(resolve(flags.dir));
  if (files.length > 0) return files.map(({ type }) => type);
  const message = `There are no connector files in ${resolve(flags.dir)}. Name an app instead (--app APP), or the directory (--dir).`;
  throw new ApiError("usage", { message });
}

const sorted = (names: readonly string[]): readonly string[] => names.toSorted((a, b) => (a < b ? -1 : 1));

/**
 * The interfaces that the SDKs look up. `@base44/sdk` reads ConnectorIntegrationTypeRegistry; the public CLI's generator
 * writes ConnectorTypeRegistry, which other code may read. In a declaration file an SDK that is not installed is no error.
 */
function declarations(connectors: readonly string[]): string {
  const keys = connectors.map((name) => `    ${JSON.stringify(name)}: true;`).join("\n");
  const registry = (name: string): string => `  interface ${name} {\n${keys}\n  }`;
  return `// Made by "holdfast types generate" from the app's connectors. Make it again when they change.
export {};

declare module "@base44/sdk" {
${registry("ConnectorIntegrationTypeRegistry")}
${registry("ConnectorTypeRegistry")}
}

declare module "@holdfast/sdk" {
${registry("ConnectorIntegrationTypeRegistry")}
}
`;
}
