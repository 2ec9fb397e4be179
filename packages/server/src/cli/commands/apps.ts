/** `holdfast apps create|list|delete`, on the server's machine and from elsewhere. */
import type { Command } from "commander";
import { withManagement } from "../remote/management.ts";
import { createOutput, day, table } from "../terminal/output.ts";
import { withTarget, type TargetFlags } from "../remote/target.ts";

type Flags = TargetFlags & { json?: boolean };

export function appCommands(program: Command): void {
  const apps = program
    .command("apps")
    .description("create, list and delete apps, which functions and connections belong to");

  withTarget(apps.command("create <name>"))
    .description("create an app; prints its first service token and an API key, this once")
    .action(async (name: string, flags: Flags) => {
      const { app_id, service_token, api_key } = await withManagement(flags, (api) => api.createApp(name));
      const value = { app_id, service_token: service_token.expose(), api_key: api_key?.expose() ?? null };
      const text = `app_id         ${value.app_id}\nservice_token  ${value.service_token}\n${value.api_key === null ? "" : `api_key        ${value.api_key}\n`}${value.api_key === null ? "Store the token now: it is not shown again. There is no API key with it, since the workspace has as many as it may have." : "Store the token and the key now: they are not shown again."}
Next: holdfast clients set TYPE --client-id ID --client-secret-stdin, then holdfast connectors initiate TYPE --app ${value.app_id}`;
      createOutput(flags.json === true).result(value, text);
    });

  withTarget(apps.command("list"))
    .description("list the apps")
    .action(async (flags: Flags) => {
      const value = await withManagement(flags, (api) => api.listApps());
      createOutput(flags.json === true).result(
        { apps: value },
        table(
          ["app", "name", "created"],
          value.map((app) => [app.id, app.name, day(app.created_at)]),
          "There is no app yet. Create one: holdfast apps create NAME",
        ),
      );
    });

  withTarget(apps.command("delete <app>"))
    .description("delete an app with its connections; the running server revokes their tokens")
    .action(async (app: string, flags: Flags) => {
      await withManagement(flags, (api) => api.removeApp(app));
      createOutput(flags.json === true).result({ status: "deleted", app_id: app }, `Deleted ${app}.`);
    });
}
