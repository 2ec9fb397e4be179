/**
 * `holdfast connectors …`: an app's connectors, on the server's machine and from another machine.
 */
import type { Command } from "commander";
import { loadClientSettings } from "../../../config.ts";
import type { ListedConnector } from "../../connectors/api.ts";
import { loadCatalog } from "../../connectors/catalog.ts";
import { withConnectors, type AppFlags } from "../../connectors/open.ts";
import { withApp, withTarget, type TargetFlags } from "../../remote/target.ts";
import { printResult, table } from "../../terminal/output.ts";
import { consentCommands } from "./consent.ts";
import { syncCommands } from "./sync.ts";
import { providerSummary } from "../providers.ts";

export function connectorCommands(program: Command): void {
  const connectors = program
    .command("connectors")
    .description("list, connect, check, disconnect and remove the services that an app uses");
  withTarget(connectors.command("list-available"))
    .description("list the services that can be connected (with --app: the ones that its server offers)")
    .option("--app <app>", "the app's id or name; env: HOLDFAST_APP_ID")
    .action(listAvailable);
  withApp(connectors.command("list")).description("list the connections of an app").action(list);
  consentCommands(connectors);
  syncCommands(connectors);
  withApp(connectors.command("check [types...]"))
    .description("report whether connections work, by default all of the app's (exits 1 if any does not)")
    .action(check);
  withApp(connectors.command("disconnect <type>"))
    .description("delete the tokens of a connection, which the running server revokes")
    .action(disconnect);
  withApp(connectors.command("remove <type>"))
    .description("disconnect a service and remove its connector from the app")
    .action(remove);
}

async function listAvailable(flags: TargetFlags & { readonly json?: boolean; readonly app?: string }): Promise<void> {
  const app = flags.app ?? loadClientSettings().app_id;
  const integrations =
    app === null ? await servicesOfCatalog() : await withConnectors({ ...flags, app }, (api) => api.available());
  const rows = integrations.map((one) => [one.integration_type, one.display_name, one.description]);
  printResult(flags, { integrations }, table(["service", "name", "description"], rows));
}

const servicesOfCatalog = async () =>
  (await loadCatalog()).all().map((provider) => ({ integration_type: provider.id, ...providerSummary(provider) }));

async function list(flags: AppFlags): Promise<void> {
  const integrations = await withConnectors(flags, (api) => api.list());
  const rows = integrations.map((one) => [
    one.integration_type,
    one.status,
    one.account_label ?? one.user_email ?? "-",
    one.reason ?? "",
  ]);
  const empty = `Nothing is connected yet. holdfast connectors initiate TYPE --app ${flags.app} prints a link that connects an account.`;
  printResult(flags, { integrations }, table(["service", "status", "account", "reason"], rows, empty));
}

async function check(types: readonly string[], flags: AppFlags): Promise<void> {
  const found = new Map((await withConnectors(flags, (api) => api.list())).map((one) => [one.integration_type, one]));
  const checked = (types.length === 0 ? [...found.keys()] : types).map((type) => healthOf(type, found.get(type)));
  const rows = checked.map(({ integration_type, works, problem }) => [
    integration_type,
    works ? "yes" : "no",
    problem ?? "",
  ]);
  const text = table(["service", "works", "problem"], rows, "The app has no connectors.");
  printResult(flags, { connectors: checked }, text);
  if (checked.some(({ works }) => !works)) process.exitCode = 1;
}

interface Health {
  readonly integration_type: string;
  readonly works: boolean;
  readonly status: string;
  readonly problem: string | null;
}

/**
 * A connection works without scopes that were requested and not granted: calls that do not need
 * them succeed.
 */
function healthOf(integration_type: string, found: ListedConnector | undefined): Health {
  if (found === undefined) return { integration_type, works: false, status: "absent", problem: "never connected" };
  const { status, reason, missing_scopes } = found;
  const works = status === "active";
  const missing = missing_scopes.length === 0 ? null : `not granted: ${missing_scopes.join(" ")}`;
  return { integration_type, works, status, problem: works ? missing : (reason ?? status) };
}

async function disconnect(integration_type: string, flags: AppFlags): Promise<void> {
  await withConnectors(flags, (api) => api.disconnect(integration_type));
  printResult(flags, { status: "disconnected", integration_type }, `Disconnected ${integration_type}.`);
}

async function remove(integration_type: string, flags: AppFlags): Promise<void> {
  await withConnectors(flags, (api) => api.remove(integration_type));
  printResult(flags, { status: "removed", integration_type }, `Removed ${integration_type}.`);
}
