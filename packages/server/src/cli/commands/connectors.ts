/** `holdfast connectors …`: an app's connectors, on the server's machine and from elsewhere. */
import type { Command } from "commander";
import { loadClientSettings } from "../../config.ts";
import type { ListedConnector } from "../connectors/api.ts";
import { loadCatalog } from "../connectors/catalog.ts";
import { withConnectors, type AppFlags } from "../connectors/open.ts";
import { createOutput, table } from "../terminal/output.ts";
import { providerSummary } from "./providers.ts";
import { withApp, withTarget, type TargetFlags } from "../remote/target.ts";
import { consentCommands } from "./connectors-consent.ts";
import { syncCommands } from "./connectors-sync.ts";

export function connectorCommands(program: Command): void {
  const connectors = program
    .command("connectors")
    .description("list, connect, check, disconnect and remove the services that an app uses");
  listAvailable(connectors);
  list(connectors);
  consentCommands(connectors);
  syncCommands(connectors);
  check(connectors);
  disconnect(connectors);
  remove(connectors);
}

function listAvailable(connectors: Command): void {
  withTarget(connectors.command("list-available"))
    .description("list the services that can be connected (with --app: the ones its server offers)")
    .option("--app <app>", "the app's id; env: HOLDFAST_APP_ID")
    .action(async (flags: TargetFlags & { json?: boolean; app?: string }) => {
      const app = flags.app ?? loadClientSettings().app_id;
      const integrations =
        app === null ? await catalog() : await withConnectors({ ...flags, app }, (api) => api.available());
      createOutput(flags.json === true).result(
        { integrations },
        table(
          ["service", "name", "what it is"],
          integrations.map((one) => [one.integration_type, one.display_name, one.description]),
        ),
      );
    });
}

const catalog = async () =>
  (await loadCatalog()).all().map((provider) => ({ integration_type: provider.id, ...providerSummary(provider) }));

function list(connectors: Command): void {
  withApp(connectors.command("list"))
    .description("list the connections of an app")
    .action(async (flags: AppFlags) => {
      const integrations = await withConnectors(flags, (api) => api.list());
      const text = table(
        ["service", "status", "account", "reason"],
        integrations.map((one) => [
          one.integration_type,
          one.status,
          one.account_label ?? one.user_email ?? "-",
          one.reason ?? "",
        ]),
        `Nothing is connected yet. holdfast connectors initiate TYPE --app ${flags.app} prints a link that connects an account.`,
      );
      createOutput(flags.json === true).result({ integrations }, text);
    });
}

function check(connectors: Command): void {
  withApp(connectors.command("check [types...]"))
    .description("report whether connections work (default: all of the app's); exits 1 if one does not")
    .action(async (types: readonly string[], flags: AppFlags) => {
      const found = await withConnectors(flags, (api) => api.list());
      const named = types.length === 0 ? found.map((one) => one.integration_type) : types;
      const checked = named.map((type) =>
        health(
          type,
          found.find((one) => one.integration_type === type),
        ),
      );
      createOutput(flags.json === true).result(
        { connectors: checked },
        table(
          ["service", "works", "problem"],
          checked.map(({ integration_type, works, problem }) => [
            integration_type,
            works ? "yes" : "no",
            problem ?? "",
          ]),
          "The app has no connectors.",
        ),
      );
      if (checked.some(({ works }) => !works)) process.exitCode = 1;
    });
}

interface Health {
  readonly integration_type: string;
  readonly works: boolean;
  readonly status: string;
  readonly problem: string | null;
}

/** A connection works without scopes that were requested and not granted: calls that do not need them succeed. */
function health(integration_type: string, found: ListedConnector | undefined): Health {
  if (found === undefined) return { integration_type, works: false, status: "absent", problem: "never connected" };
  const { status, reason, missing_scopes } = found;
  const works = status === "active";
  const missing = missing_scopes.length === 0 ? null : `not granted: ${missing_scopes.join(" ")}`;
  return { integration_type, works, status, problem: works ? missing : (reason ?? status) };
}

function disconnect(connectors: Command): void {
  withApp(connectors.command("disconnect <type>"))
    .description("delete the tokens of a connection; the running server revokes them")
    .action(async (integration_type: string, flags: AppFlags) => {
      await withConnectors(flags, (api) => api.disconnect(integration_type));
      const value = { status: "disconnected", integration_type };
      createOutput(flags.json === true).result(value, `Disconnected ${integration_type}.`);
    });
}

function remove(connectors: Command): void {
  withApp(connectors.command("remove <type>"))
    .description("disconnect a service and remove the connector from the app")
    .action(async (integration_type: string, flags: AppFlags) => {
      await withConnectors(flags, (api) => api.remove(integration_type));
      createOutput(flags.json === true).result({ status: "removed", integration_type }, `Removed ${integration_type}.`);
    });
}
