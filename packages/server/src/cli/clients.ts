/** `holdfast clients set|list|remove`: what was registered at the providers. */
import { Option, type Command } from "commander";
import { ApiError } from "../core/errors.ts";
import { readSecret } from "./input.ts";
import { DATA_DIR, withInstallation, type LocalFlags } from "./local.ts";
import { createOutput, day, table } from "./output.ts";

type Flags = LocalFlags & { json?: boolean };
type SetFlags = Flags & { clientId: string; clientSecretStdin?: boolean; sharedCallback?: boolean };

export function clientCommands(program: Command): void {
  const clients = program
    .command("clients")
    .description("set, list and remove OAuth clients: the id and secret registered at a provider");

  clients
    .command("set <type>")
    .description("set the OAuth client of a service")
    .requiredOption("--client-id <id>", "the client id")
    .option("--client-secret-stdin", "read the client secret from standard input")
    .addOption(
      new Option("--shared-callback", "the client is registered with the plain callback address, not the vendor's own"),
    )
    .option(...DATA_DIR)
    .action(async (integration_type: string, flags: SetFlags) => {
      if (flags.clientSecretStdin !== true)
        throw new ApiError("usage", {
          message: `The client secret comes on standard input, where no process list shows it: printf %s "$SECRET" | holdfast clients set ${integration_type} --client-id ${flags.clientId} --client-secret-stdin`,
        });
      const client_secret = await readSecret();
      const { client, redirect_uri } = await withInstallation(flags, async ({ clients: service, catalog, urls }) => {
        const set = await service.set({
          integration_type,
          client_id: flags.clientId,
          client_secret,
          shared_callback: flags.sharedCallback === true,
        });
        return {
          client: set,
          redirect_uri: urls.redirect(set.shared_callback ? null : (catalog.get(integration_type)?.vendor ?? null)),
        };
      });
      const text = `Set the OAuth client of ${integration_type}.\nRegister this redirect URI with the provider: ${redirect_uri}`;
      createOutput(flags.json === true).result({ ...client, redirect_uri }, text);
    });

  clients
    .command("list")
    .description("list the OAuth clients, without their secrets")
    .option(...DATA_DIR)
    .action(async (flags: Flags) => {
      const list = await withInstallation(flags, (installation) => installation.clients.list());
      createOutput(flags.json === true).result(
        { clients: list },
        table(
          ["service", "client id", "set"],
          list.map((client) => [client.integration_type, client.client_id, day(client.updated_at)]),
          "No OAuth client is set yet. holdfast providers list shows the services, holdfast clients set TYPE sets one.",
        ),
      );
    });

  clients
    .command("remove <type>")
    .description("remove the OAuth client of a service; its connections need a new consent afterwards")
    .option(...DATA_DIR)
    .action(async (integration_type: string, flags: Flags) => {
      await withInstallation(flags, (installation) => installation.clients.remove(integration_type));
      createOutput(flags.json === true).result(
        { status: "removed", integration_type },
        `Removed the OAuth client of ${integration_type}.`,
      );
    });
}
