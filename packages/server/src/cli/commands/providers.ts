/** `holdfast providers list|show|validate`: the catalog. Needs no data directory, server or login, and writes nothing. */
import type { Command } from "commander";
import type { Provider } from "../../providers/provider.ts";
import { loadCatalog } from "../connectors/catalog.ts";
import { createOutput, table } from "../terminal/output.ts";

export interface ProviderSummary {
  readonly display_name: string;
  readonly description: string;
  readonly config_fields: Provider["config_fields"];
}

export function providerSummary({ display_name, description, config_fields }: Provider): ProviderSummary {
  return { display_name, description, config_fields };
}

/** The whole definition; deviations by name, since they are functions. */
async function describeProvider(provider: Provider): Promise<Readonly<Record<string, unknown>>> {
  const { rotationClass } = await import("../../providers/provider.ts");
  const { lifetime, deviations, flow, issuer, ...rest } = provider;
  return {
    ...rest,
    flow: flow.kind,
    flow_details: flow,
    issuer: issuer?.value ?? null,
    issuer_required: issuer?.required ?? false,
    rotation: rotationClass(provider),
    refresh_token: lifetime.refresh.kind,
    access_token_lifetime_s: lifetime.access_s,
    refresh_token_idle_s: lifetime.refresh_idle_s,
    refresh_token_absolute_s: lifetime.refresh_absolute_s,
    deviations: deviations.map(({ name, rfc }) => ({ name, rfc })),
  };
}

export function providerCommands(program: Command): void {
  const command = program.command("providers").description("list and show the services that can be connected");

  command
    .command("list")
    .description("list the services")
    .action(async (flags: { json?: boolean }) => {
      const list = (await loadCatalog()).all().map((provider) => ({ id: provider.id, ...providerSummary(provider) }));
      createOutput(flags.json === true).result(
        { providers: list },
        table(
          ["service", "name", "what it is"],
          list.map((one) => [one.id, one.display_name, one.description]),
        ),
      );
    });

  command
    .command("show <type>")
    .description("show everything the catalog knows of a service")
    .action(async (id: string, flags: { json?: boolean }) => {
      const described = await describeProvider((await loadCatalog()).require(id));
      createOutput(flags.json === true).result(described, JSON.stringify(described, null, 2));
    });

  command
    .command("validate <file>")
    .description("check a JSON file that defines a service of your own")
    .action(async (file: string, flags: { json?: boolean }) => {
      const { validateProviderFile } = await import("../../providers/custom.ts");
      const { id, display_name } = validateProviderFile(file);
      createOutput(flags.json === true).result(
        { valid: true, id, display_name },
        `${file} defines ${display_name} (${id}). Put it into the directory that --providers names.`,
      );
    });
}
