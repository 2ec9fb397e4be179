/** `holdfast clients set|list|remove`: what was registered at the providers. */
import { Option, type Command } from "commander";
import { ApiError } from "../core/errors.ts";
import { readSecret } from "./input.ts";
import { managementOf } from "./management-api.ts";
import { createOutput, day, table } from "./output.ts";
import { withTarget, type TargetFlags } from "./target.ts";

type Flags = TargetFlags & { json?: boolean };
type SetFlags = Flags & { clientId: string; clientSecretStdin?: boolean; sharedCallback?: boolean };

export function clientCommands(program: Command): void {
  const clients = program
    .command("clients")
    .description("set, list and remove OAuth clients: the id and secret registered at a provider");

  withTarget(clients.command("set <type>"))
    .description("set the OAuth client of a service")
    .requiredOption("--client-id <id>", "the client id")
    .option("--client-secret-stdin", "read the client secret from standard input")
    .addOption(
      new Option("--shared-callback", "the client is registered with the plain callback address, not the vendor's own"),
    )
    .action(async (integration_type: string, flags: SetFlags) => {
      if (flags.clientSecretStdin !== true)
        throw new ApiError("usage", {
          message: `The client secret comes on standard input, where no process list shows it: printf %s "$SECRET" | holdfast clients set ${integration_type} --client-id ${flags.clientId} --client-secret-stdin`,
        });
      const client_secret = await readSecret();
      const client = await managementOf(flags).setClient({
        integration_type,
        client_id: flags.clientId,
        client_secret,
        shared_callback: flags.sharedCallback === true,
      });
      const uri =
        client.redirect_uri === null ? "" : `\nRegister this redirect URI with the provider: ${client.redirect_uri}`;
      createOutput(flags.json === true).result(client, `Set the OAuth client of ${integration_type}.${uri}`);
    });

  withTarget(clients.command("list"))
    .description("list the OAuth clients, without their secrets")
    .action(async (flags: Flags) => {
      const list = await managementOf(flags).listClients();
      createOutput(flags.json === true).result(
        { clients: list },
        table(
          ["service", "client id", "set"],
          list.map((client) => [client.integration_type, client.client_id, day(client.updated_at)]),
          "No OAuth client is set yet. holdfast providers list shows the services, holdfast clients set TYPE sets one.",
        ),
      );
    });

  withTarget(clients.command("remove <type>"))
    .description("remove the OAuth client of a service; its connections need a new consent afterwards")
    .action(async (integration_type: string, flags: Flags) => {
      await managementOf(flags).removeClient(integration_type);
      createOutput(flags.json === true).result(
        { status: "removed", integration_type },
        `Removed the OAuth client of ${integration_type}.`,
      );
    });
}
