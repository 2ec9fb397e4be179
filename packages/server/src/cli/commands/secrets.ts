/**
 * `holdfast secrets set|list|delete --app APP`: values that an app's functions read.
 *
 * Values come from standard input or a file, so that no process list or shell history shows them.
 * The public command line also takes `NAME=VALUE`, and so does this one, because scripts written
 * for it must work. A note then warns about process lists and history. No command prints a value.
 */
import type { Command } from "commander";
import { CodedError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { withFunctions, type AppFlags } from "../functions/open.ts";
import { withApp } from "../remote/target.ts";
import { readEnvFile, readValue } from "../terminal/input.ts";
import { createOutput, printResult, table } from "../terminal/output.ts";

type SetFlags = AppFlags & { readonly envFile?: string };

export function secretCommands(program: Command): void {
  const secrets = program
    .command("secrets")
    .description("set, list and delete an app's secrets, which functions read with Deno.env");
  withApp(secrets.command("set"))
    .argument("[entries...]", "a secret's name, or NAME=VALUE pairs, which process lists show")
    .description("set a secret from standard input, or several from a file")
    .option("--env-file <path>", "a file with lines NAME=VALUE")
    .action(set);
  withApp(secrets.command("list")).description("list the names of the secrets").action(list);
  withApp(secrets.command("delete <name>")).description("delete a secret").action(remove);
}

async function set(entries: readonly string[], flags: SetFlags): Promise<void> {
  const output = createOutput(flags.json === true);
  const values = await valuesOf(entries, flags);
  if (entries.some((entry) => entry.includes("=")))
    output.note(
      "Values in arguments appear in process lists and in the shell's history. Use --env-file or standard input.",
    );
  await withFunctions(flags, (api) => api.setSecrets(values));
  const names = Object.keys(values);
  output.result({ status: "set", names }, `Set ${names.join(", ")}. Functions see it within a second.`);
}

async function valuesOf(entries: readonly string[], { envFile }: SetFlags): Promise<Readonly<Record<string, Secret>>> {
  const [only] = entries;
  if ((envFile === undefined) === (only === undefined)) throw usage("Name a secret, or use --env-file.");
  if (envFile !== undefined) return readEnvFile(envFile);
  if (only !== undefined && entries.length === 1 && !only.includes("=")) return { [only]: await readValue() };
  return Object.fromEntries(entries.map(entryOf));
}

function entryOf(entry: string): readonly [string, Secret] {
  const end = entry.indexOf("=");
  if (end < 1) throw usage("Each entry needs a name and a value.");
  return [entry.slice(0, end), new Secret(entry.slice(end + 1))];
}

const usage = (what: string): CodedError =>
  new CodedError("usage", {
    message: `${what} Examples: printf %s "$KEY" | holdfast secrets set STRIPE_KEY --app APP, or holdfast secrets set --env-file .env --app APP`,
  });

async function list(flags: AppFlags): Promise<void> {
  const names = await withFunctions(flags, (api) => api.listSecrets());
  const rows = names.map((name) => [name]);
  printResult(flags, { secrets: names }, table(["name"], rows, "The app has no secrets."));
}

async function remove(name: string, flags: AppFlags): Promise<void> {
  const is_removed = await withFunctions(flags, (api) => api.removeSecret(name));
  if (!is_removed) throw new CodedError("not_found", { message: `The app has no secret ${name.slice(0, 128)}.` });
  printResult(flags, { status: "deleted", name }, `Deleted ${name}.`);
}
