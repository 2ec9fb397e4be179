/**
 * `holdfast clients set|list|remove|share|unshare`: OAuth clients registered with providers, for
 * the installation or for one workspace.
 */
import type { Command } from "commander";
import { CodedError } from "../../core/errors.ts";
import { withManagement } from "../remote/management.ts";
import { withTarget, type TargetFlags } from "../remote/target.ts";
import { readSecret } from "../terminal/input.ts";
import { createOutput, day, printResult, table } from "../terminal/output.ts";

type Flags = TargetFlags & { readonly json?: boolean; readonly workspace?: string };
type SetFlags = Flags & {
  readonly clientId: string;
  readonly clientSecretStdin?: boolean;
  readonly clientSecretFile?: string;
  readonly sharedCallback?: boolean;
};

const withOwner = (command: Command): Command =>
  withTarget(command).option("--workspace <id>", "the workspace that owns it (default: the installation)");

/** Returns text to follow a service's name. */
const inOwner = ({ workspace }: Flags): string => (workspace === undefined ? "" : ` in ${workspace}`);

export function clientCommands(program: Command): void {
  const clients = program
    .command("clients")
    .description("set, list, remove and share OAuth clients: the id and secret registered with a provider");
  withOwner(clients.command("set <type>"))
    .description("set the OAuth client of a service")
    .requiredOption("--client-id <id>", "the client id")
    .option("--client-secret-stdin", "read the client secret from standard input")
    .option("--client-secret-file <path>", "read the client secret from a file")
    .option("--shared-callback", "the client is registered with the plain callback address, not the vendor's own")
    .action(set);
  withOwner(clients.command("list")).description("list the OAuth clients, without their secrets").action(list);
  withOwner(clients.command("remove <type>"))
    .description("remove the OAuth client of a service, whose connections then need a new consent")
    .action(remove);
  withTarget(clients.command("share <workspace>"))
    .description("let a workspace of other owners use the installation's OAuth clients")
    .action(share);
  withTarget(clients.command("unshare <workspace>"))
    .description("stop sharing for new consents, and keep existing connections")
    .action(unshare);
}

async function set(integration_type: string, flags: SetFlags): Promise<void> {
  const { clientId: client_id, workspace, clientSecretFile: path = null, sharedCallback } = flags;
  const from_stdin = flags.clientSecretStdin === true;
  if (from_stdin === (path !== null)) {
    const owner = workspace === undefined ? "" : ` --workspace ${workspace}`;
    const example = `printf %s "$SECRET" | holdfast clients set ${integration_type}${owner} --client-id ${client_id} --client-secret-stdin`;
    const message = `Pass the client secret in a file (--client-secret-file PATH) or on standard input, where no process list shows it: ${example}`;
    throw new CodedError("usage", { message });
  }
  const client_secret = await readSecret(path);
  const shared_callback = sharedCallback === true;
  const client = await withManagement(flags, (api) =>
    api.setClient(workspace ?? null, { integration_type, client_id, client_secret, shared_callback }),
  );
  const { redirect_uri } = client;
  const advice = redirect_uri === null ? "" : `\nRegister this redirect URI with the provider: ${redirect_uri}`;
  printResult(flags, client, `Set the OAuth client of ${integration_type}${inOwner(flags)}.${advice}`);
}

async function list(flags: Flags): Promise<void> {
  const { workspace } = flags;
  const clients = await withManagement(flags, (api) => api.listClients(workspace ?? null));
  const rows = clients.map((client) => [client.integration_type, client.client_id, day(client.updated_at)]);
  const empty =
    workspace === undefined
      ? "There is no OAuth client yet. holdfast providers list shows the services, holdfast clients set TYPE sets a client."
      : `${workspace} has no OAuth client of its own. holdfast clients set TYPE --workspace ${workspace} sets one.`;
  printResult(flags, { clients }, table(["service", "client id", "set"], rows, empty));
}

async function remove(integration_type: string, flags: Flags): Promise<void> {
  await withManagement(flags, (api) => api.removeClient(flags.workspace ?? null, integration_type));
  const text = `Removed the OAuth client of ${integration_type}${inOwner(flags)}.`;
  printResult(flags, { status: "removed", integration_type }, text);
}

async function share(workspace_id: string, flags: Flags): Promise<void> {
  const risk = await withManagement(flags, (api) => api.shareClients(workspace_id, true));
  const output = createOutput(flags.json === true);
  const text = `The installation's OAuth clients now serve ${workspace_id}. To undo: holdfast clients unshare ${workspace_id}`;
  output.result({ status: "shared", workspace_id }, text);
  output.note(risk);
}

async function unshare(workspace_id: string, flags: Flags): Promise<void> {
  await withManagement(flags, (api) => api.shareClients(workspace_id, false));
  const text = `The installation's OAuth clients serve ${workspace_id} only while all of its owners also own the first workspace.`;
  printResult(flags, { status: "unshared", workspace_id }, text);
}
