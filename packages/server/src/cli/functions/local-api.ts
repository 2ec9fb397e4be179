/**
 * An app's functions and secrets on the server's machine, over an installation that the command has
 * opened. The running server notices a change within a second.
 */
import { asAppId } from "../../core/ids.ts";
import type { Secret } from "../../core/secret.ts";
import type { AppId } from "../../core/types.ts";
import type { Installation } from "../../installation.ts";
import { record } from "../remote/local.ts";
import type { Deployed, Deployment, FunctionsApi, ListedFunction } from "./api.ts";

type Services = Pick<Installation, "apps" | "appSecrets" | "audit" | "functions">;

export function localFunctions(services: Services, app: string): FunctionsApi {
  const inApp = async <T>(action: (app_id: AppId) => Promise<T>): Promise<T> =>
    await action((await services.apps.get(asAppId(app))).id);
  return {
    deploy: (name, deployment) => inApp((app_id) => deploy(services, app_id, name, deployment)),
    list: () => inApp((app_id) => list(services, app_id)),
    schedules: () => inApp((app_id) => services.functions.schedules(app_id)),
    versions: (name) => inApp((app_id) => services.functions.versions(app_id, name)),
    rollback: (name, to) => inApp((app_id) => rollback(services, app_id, name, to)),
    remove: (name) => inApp((app_id) => remove(services, app_id, name)),
    setSecrets: (values) => inApp((app_id) => setSecrets(services, app_id, values)),
    listSecrets: () => inApp((app_id) => services.appSecrets.list(app_id)),
    removeSecret: (name) => inApp((app_id) => removeSecret(services, app_id, name)),
  };
}

async function deploy(
  services: Services,
  app_id: AppId,
  name: string,
  { automations, ...source }: Deployment,
): Promise<Deployed> {
  const { readAutomations } = await import("../../wire/automations.ts");
  const { COMMAND } = await import("../../service/access/principals.ts");
  const deployment = { ...source, automations: readAutomations(automations) };
  const { status, number, notes } = await services.functions.deploy(app_id, name, deployment, COMMAND.actor);
  if (status === "deployed") await record(services, { app_id, action: "function.deploy", target: name });
  return { status, version: number, notes: [...notes] };
}

async function list({ functions }: Services, app_id: AppId): Promise<readonly ListedFunction[]> {
  const listed: ListedFunction[] = [];
  for await (const { version_id: deployment_id, files, automations, ...rest } of functions.list(app_id))
    listed.push({ ...rest, deployment_id, files: [...files], automations: [...automations] });
  return listed;
}

async function rollback(services: Services, app_id: AppId, name: string, to: number | null): Promise<number> {
  const version = await services.functions.rollback(app_id, name, to);
  await record(services, { app_id, action: "function.rollback", target: name });
  return version;
}

async function remove(services: Services, app_id: AppId, name: string): Promise<void> {
  await services.functions.remove(app_id, name);
  await record(services, { app_id, action: "function.delete", target: name });
}

async function setSecrets(services: Services, app_id: AppId, values: Readonly<Record<string, Secret>>): Promise<void> {
  await services.appSecrets.set(app_id, values);
  for (const target of Object.keys(values)) await record(services, { app_id, action: "secret.set", target });
}

async function removeSecret(services: Services, app_id: AppId, target: string): Promise<boolean> {
  const is_removed = await services.appSecrets.remove(app_id, target);
  if (is_removed) await record(services, { app_id, action: "secret.delete", target });
  return is_removed;
}
