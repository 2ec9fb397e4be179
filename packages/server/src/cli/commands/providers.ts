/**
 * `holdfast providers list|show|validate`: the catalog. Needs no data directory, server or login,
 * and writes nothing.
 */
import type { Command } from "commander";
import type { Provider } from "../../providers/provider.ts";
import { loadCatalog } from "../connectors/catalog.ts";
import { providerText } from "../connectors/provider-text.ts";
import { printResult, table } from "../terminal/output.ts";

interface Flags {
  readonly json?: boolean;
}

export interface ProviderSummary {
  readonly display_name: string;
  readonly description: string;
  readonly config_fields: Provider["config_fields"];
}

export function providerSummary({ display_name, description, config_fields }: Provider): ProviderSummary {
  return { display_name, description, config_fields };
}

export function providerCommands(program: Command): void {
  const providers = program.command("providers").description("list and show the services that can be connected");
  providers.command("list").description("list the services").action(list);
  providers
    .command("show <type>")
    .description("show how to register and connect a service, its scopes and what to watch out for")
    .action(show);
  providers
    .command("validate <file>")
    .description("check a JSON file that defines a service of your own")
    .action(validate);
}

async function list(flags: Flags): Promise<void> {
  const found = (await loadCatalog()).all().map((provider) => ({ id: provider.id, ...providerSummary(provider) }));
  const rows = found.map((one) => [one.id, one.display_name, one.description]);
  printResult(flags, { providers: found }, table(["service", "name", "description"], rows));
}

async function show(id: string, flags: Flags): Promise<void> {
  const provider = (await loadCatalog()).require(id);
  printResult(flags, await describe(provider), providerText(provider));
}

/** Returns the whole definition, for programs. Deviations are functions, so they appear by name. */
async function describe(provider: Provider): Promise<Readonly<Record<string, unknown>>> {
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

async function validate(file: string, flags: Flags): Promise<void> {
  const { validateProviderFile } = await import("../../providers/custom.ts");
  const { id, display_name } = validateProviderFile(file);
  const text = `${file} defines ${display_name} (${id}). Put it in the directory that --providers names.`;
  printResult(flags, { valid: true, id, display_name }, text);
}
