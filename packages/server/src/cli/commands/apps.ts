/** `holdfast apps create|list|delete`, on the server's machine and from another machine. */
import type { Command } from "commander";
import { withManagement } from "../remote/management.ts";
import { withTarget, type TargetFlags } from "../remote/target.ts";
import { day, printResult, table } from "../terminal/output.ts";

type Flags = TargetFlags & { readonly json?: boolean };

export function appCommands(program: Command): void {
  const apps = program
    .command("apps")
    .description("create, list and delete apps, which functions and connections belong to");
  withTarget(apps.command("create <name>"))
    .description("create an app, and print its first service token and an API key once")
    .action(create);
  withTarget(apps.command("list")).description("list the apps").action(list);
  withTarget(apps.command("delete <app>"))
    .description("delete an app with its connections, whose tokens the running server revokes")
    .action(remove);
}

async function create(name: string, flags: Flags): Promise<void> {
  const created = await withManagement(flags, (api) => api.createApp(name));
  const { app_id } = created;
  const service_token = created.service_token.expose();
  const api_key = created.api_key?.expose() ?? null;
  const advice =
    api_key === null
      ? "Store the token now: it is not shown again. No API key was created, because the workspace has reached its limit."
      : "Store the token and the key now: they are not shown again.";
  const lines = [
    `app_id         ${app_id}`,
    `service_token  ${service_token}`,
    ...(api_key === null ? [] : [`api_key        ${api_key}`]),
    advice,
    `Next: holdfast clients set TYPE --client-id ID --client-secret-stdin, then holdfast connectors initiate TYPE --app ${app_id}`,
  ];
  printResult(flags, { app_id, service_token, api_key }, lines.join("\n"));
}

async function list(flags: Flags): Promise<void> {
  const apps = await withManagement(flags, (api) => api.listApps());
  const rows = apps.map((app) => [app.id, app.name, day(app.created_at)]);
  const empty = "There is no app yet. Create one: holdfast apps create NAME";
  printResult(flags, { apps }, table(["app", "name", "created"], rows, empty));
}

async function remove(app: string, flags: Flags): Promise<void> {
  await withManagement(flags, (api) => api.removeApp(app));
  printResult(flags, { status: "deleted", app_id: app }, `Deleted ${app}.`);
}
