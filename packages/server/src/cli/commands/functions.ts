/** `holdfast functions deploy|list|versions|rollback|delete|dev --app APP`: backend functions. */
import { Option, type Command } from "commander";
import { CodedError } from "../../core/errors.ts";
import { automationTable } from "../functions/automations.ts";
import type { AppFlags } from "../functions/open.ts";
import { withFunctions } from "../functions/open.ts";
import { withApp } from "../remote/target.ts";
import { day, printResult, table } from "../terminal/output.ts";
import { serveOptions, serveDirectory, type DevFlags } from "./serve.ts";

type RollbackFlags = AppFlags & { readonly to?: number };

export function functionCommands(program: Command): void {
  const functions = program
    .command("functions")
    .description("deploy, list, roll back and delete an app's backend functions, or run them from a directory");
  withApp(functions.command("deploy [directory]"))
    .description("deploy the functions of a directory, or of a project (default: base44/functions or functions)")
    .action(async (directory: string | undefined, flags: AppFlags) =>
      (await import("../functions/deploy.ts")).deploy(directory, flags),
    );
  withApp(functions.command("list")).description("list the functions of an app").action(list);
  withApp(functions.command("versions <name>")).description("list the kept versions of a function").action(versions);
  withApp(functions.command("rollback <name>"))
    .description("make an earlier version of a function live")
    .addOption(
      new Option("--to <version>", "the version's number (default: the previous version)").argParser(versionOf),
    )
    .action(rollback);
  withApp(functions.command("delete <name>")).description("delete a function with its versions").action(remove);
  serveOptions(functions.command("dev [directory]"))
    .description("run the server with the functions of a directory, and reload them after a change")
    .addOption(new Option("--app <app>", "the app's id or name").env("HOLDFAST_APP_ID").makeOptionMandatory())
    .option(
      "--env-file <path>",
      "file of secrets for these functions, which override stored secrets with the same names",
    )
    .action(dev);
}

function versionOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new CodedError("usage", { message: "--to takes the number of a version." });
  return Number(text);
}

async function list(flags: AppFlags): Promise<void> {
  const [functions, schedules] = await withFunctions(
    flags,
    async (api) => [await api.list(), await api.schedules()] as const,
  );
  const rows = functions.map(({ name, entry, files, automations, version }) => [
    name,
    entry,
    String(files.length),
    String(automations.length),
    version === null ? "-" : String(version),
  ]);
  const value = functions.map(({ files, ...rest }) => ({ ...rest, files: files.map(({ path }) => path) }));
  const empty = `The app has no functions. Deploy some: holdfast functions deploy DIRECTORY --app ${flags.app}`;
  const tables = [
    table(["name", "entry", "files", "automations", "live version"], rows, empty),
    automationTable(functions, schedules),
  ];
  printResult(flags, { functions: value, schedules }, tables.filter((text) => text !== "").join("\n\n"));
}

async function versions(name: string, flags: AppFlags): Promise<void> {
  const list_of_versions = await withFunctions(flags, (api) => api.versions(name));
  const rows = list_of_versions.map(({ number, is_live, created_at, created_by, built_with }) => [
    String(number),
    is_live ? "live" : "",
    day(created_at),
    created_by,
    built_with,
  ]);
  printResult(
    flags,
    { versions: list_of_versions },
    table(["version", "state", "deployed", "by", "with Holdfast"], rows),
  );
}

async function rollback(name: string, flags: RollbackFlags): Promise<void> {
  const version = await withFunctions(flags, (api) => api.rollback(name, flags.to ?? null));
  printResult(flags, { name, version }, `${name}: version ${version} is live.`);
}

async function remove(name: string, flags: AppFlags): Promise<void> {
  await withFunctions(flags, (api) => api.remove(name));
  printResult(flags, { status: "deleted", name }, `Deleted ${name}.`);
}

async function dev(directory: string | undefined, flags: DevFlags): Promise<void> {
  const { directoryOf } = await import("../functions/deploy.ts");
  await serveDirectory(directoryOf(directory), flags);
}
