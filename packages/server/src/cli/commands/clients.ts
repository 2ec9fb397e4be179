/** `holdfast clients set|list|remove|share|unshare`: what was registered at the providers, and whom it serves. */
import { Option, type Command } from "commander";
import { ApiError } from "../../core/errors.ts";
import { readSecret } from "../terminal/input.ts";
import { withManagement } from "../remote/management.ts";
import { createOutput, day, table } from "../terminal/output.ts";
import { withTarget, type TargetFlags } from "../remote/target.ts";

type Flags = TargetFlags & { json?: boolean; workspace?: string };
type SetFlags = Flags & {
  clientId: string;
  clientSecretStdin?: boolean;
  clientSecretFile?: string;
  sharedCallback?: boolean;
};

/** Where it works: here and from elsewhere, for the installation or for one workspace. */
const withScope = (command: Command): Command =>
  withTarget(command).option("--workspace <id>", "the workspace that it belongs to (default: the whole installation)");

/** As it follows a service's name in what is printed. */
const ofWhom = ({ workspace }: Flags): string => (workspace === undefined ? "" : ` in ${workspace}`);

export function clientCommands(program: Command): void {
  const clients = program
    .command("clients")
    .description("set, list, remove and share OAuth clients: the id and secret registered at a provider");

  withScope(clients.command("set <type>"))
    .description("set the OAuth client of a service")
    .requiredOption("--client-id <id>", "the client id")
    .option("--client-secret-stdin", "read the client secret from standard input")
    .option("--client-secret-file <path>", "read the client secret from a file")
    .addOption(
      new Option("--shared-callback", "the client is registered with the plain callback address, not the vendor's own"),
    )
    .action(async (integration_type: string, flags: SetFlags) => {
      const { clientId: client_id, workspace, clientSecretFile: path = null } = flags;
      // One of them.
      if ((flags.clientSecretStdin === true) === (path !== null)) {
        const scope = workspace === undefined ? "" : ` --workspace ${workspace}`;
        throw new ApiError("usage", {
          message: `The client secret comes from a file (--client-secret-file PATH) or on standard input, where no process list shows it: printf %s "$SECRET" | holdfast clients set ${integration_type}${scope} --client-id ${client_id} --client-secret-stdin`,
        });
      }
      const client_secret = await readSecret(path);
      const client = await withManagement(flags, (api) =>
        api.setClient(workspace ?? null, {
          integration_type,
          client_id,
          client_secret,
          shared_callback: flags.sharedCallback === true,
        }),
      );
      const uri =
        client.redirect_uri === null ? "" : `\nRegister this redirect URI with the provider: ${client.redirect_uri}`;
      createOutput(flags.json === true).result(
        client,
        `Set the OAuth client of ${integration_type}${ofWhom(flags)}.${uri}`,
      );
    });

  withScope(clients.command("list"))
    .description("list the OAuth clients, without their secrets")
    .action(async (flags: Flags) => {
      const list = await withManagement(flags, (api) => api.listClients(flags.workspace ?? null));
      createOutput(flags.json === true).result(
        { clients: list },
        table(
          ["service", "client id", "set"],
          list.map((client) => [client.integration_type, client.client_id, day(client.updated_at)]),
          flags.workspace === undefined
            ? "No OAuth client is set yet. holdfast providers list shows the services, holdfast clients set TYPE sets one."
            : `No OAuth client of its own is set in ${flags.workspace}. holdfast clients set TYPE --workspace ${flags.workspace} sets one.`,
        ),
      );
    });

  withScope(clients.command("remove <type>"))
    .description("remove the OAuth client of a service; its connections need a new consent afterwards")
    .action(async (integration_type: string, flags: Flags) => {
      await withManagement(flags, (api) => api.removeClient(flags.workspace ?? null, integration_type));
      createOutput(flags.json === true).result(
        { status: "removed", integration_type },
        `Removed the OAuth client of ${integration_type}${ofWhom(flags)}.`,
      );
    });

  withTarget(clients.command("share <workspace>"))
    .description("let a workspace of other owners use the installation's OAuth clients")
    .action(async (workspace_id: string, flags: Flags) => {
      const risk = await withManagement(flags, (api) => api.shareClients(workspace_id, true));
      const output = createOutput(flags.json === true);
      output.result(
        { status: "shared", workspace_id },
        `The installation's OAuth clients serve ${workspace_id}. To take that back: holdfast clients unshare ${workspace_id}`,
      );
      output.note(risk);
    });

  withTarget(clients.command("unshare <workspace>"))
    .description("take that back, for new consents; connections that were made stay")
    .action(async (workspace_id: string, flags: Flags) => {
      await withManagement(flags, (api) => api.shareClients(workspace_id, false));
      createOutput(flags.json === true).result(
        { status: "unshared", workspace_id },
        `The installation's OAuth clients serve ${workspace_id} only while its owners all own the first workspace as well.`,
      );
    });
}
