/** `holdfast connectors list-available|list|initiate|disconnect|remove`: an app's connectors, from the server's machine. */
import type { Command } from "commander";
import type { AppId } from "../core/types.ts";
import { ADMINISTRATOR } from "../service/administrator.ts";
import { requireProvider } from "../service/catalog-errors.ts";
import { DATA_DIR, withInstallation, type LocalFlags } from "./local.ts";
import { configFlag } from "./config-flag.ts";
import { createOutput, table } from "./output.ts";
import { providerSummary } from "./providers.ts";
import { loadConfig } from "../config.ts";
import { openCatalog } from "../providers/custom.ts";

type Flags = LocalFlags & { json?: boolean; app: AppId };
const APP = ["--app <app>", "the app's id"] as const;

export function connectorCommands(program: Command): void {
  const connectors = program
    .command("connectors")
    .description("list, connect, disconnect and remove the services that an app uses");

  connectors
    .command("list-available")
    .description("list the services that can be connected")
    .action((flags: { json?: boolean }) => {
      const integrations = openCatalog(loadConfig({}))
        .all()
        .map((provider) => ({ integration_type: provider.id, ...providerSummary(provider) }));
      createOutput(flags.json === true).result(
        { integrations },
        table(
          ["service", "name", "what it is"],
          integrations.map((one) => [one.integration_type, one.display_name, one.description]),
        ),
      );
    });

  connectors
    .command("list")
    .description("list the connections of an app")
    .requiredOption(...APP)
    .option(...DATA_DIR)
    .action(async (flags: Flags) => {
      const integrations = await withInstallation(flags, async ({ apps, connections }) =>
        connections.list((await apps.get(flags.app)).id),
      );
      const text = table(
        ["service", "status", "account", "reason"],
        integrations.map((one) => [one.integration_type, one.status, one.account.label ?? "-", one.reason ?? ""]),
        `Nothing is connected yet. holdfast connectors initiate TYPE --app ${flags.app} prints a link that connects an account.`,
      );
      createOutput(flags.json === true).result({ integrations }, text);
    });

  connectors
    .command("initiate <type>")
    .description("print a link that connects an account; open it signed in as the administrator")
    .requiredOption(...APP)
    .option("--scopes <scopes...>", "scopes to ask for (default: the catalog's)")
    .option("--config <name=value...>", "connection settings, such as subdomain=acme")
    .option(...DATA_DIR)
    .action(async (integration_type: string, flags: Flags & { scopes?: string[]; config?: string[] }) => {
      const initiated = await withInstallation(flags, ({ connect }) =>
        connect.initiate({
          app_id: flags.app,
          integration_type,
          scopes: (flags.scopes ?? []).flatMap((text) => text.split(/[\s,]+/)),
          config: configFlag(flags.config),
          initiator: ADMINISTRATOR,
          return_to: null,
        }),
      );
      createOutput(flags.json === true).result(
        initiated,
        initiated.redirect_url ?? `${integration_type} is connected already, with these scopes.`,
      );
    });

  connectors
    .command("disconnect <type>")
    .description("forget the tokens of a connection; the running server revokes them")
    .requiredOption(...APP)
    .option(...DATA_DIR)
    .action(async (integration_type: string, flags: Flags) => {
      await withInstallation(flags, async ({ apps, connections }) =>
        connections.disconnect((await apps.get(flags.app)).id, integration_type),
      );
      createOutput(flags.json === true).result(
        { status: "disconnected", integration_type },
        `Disconnected ${integration_type}.`,
      );
    });

  connectors
    .command("remove <type>")
    .description("disconnect a service and forget that the app used it")
    .requiredOption(...APP)
    .option(...DATA_DIR)
    .action(async (integration_type: string, flags: Flags) => {
      await withInstallation(flags, async ({ apps, connections, catalog }) => {
        requireProvider(catalog, integration_type);
        await connections.remove((await apps.get(flags.app)).id, integration_type);
      });
      createOutput(flags.json === true).result({ status: "removed", integration_type }, `Removed ${integration_type}.`);
    });
}
