/**
 * An app's connectors on the server's machine, over an installation that the command has opened.
 */
import { CodedError } from "../../core/errors.ts";
import { asAppId } from "../../core/ids.ts";
import type { AppId, UserId } from "../../core/types.ts";
import type { Installation } from "../../installation.ts";
import { record } from "../remote/local.ts";
import {
  declined,
  type AvailableService,
  type ConnectorsApi,
  type ConsentStatus,
  type Declaration,
  type Declared,
  type ListedConnector,
} from "./api.ts";

type Services = Pick<Installation, "apps" | "audit" | "catalog" | "connect" | "connections" | "workspaces">;

/** `as`: the email address of the member who will open the links. */
export function localConnectors(services: Services, app: string, as: string | undefined): ConnectorsApi {
  return {
    available: () => Promise.resolve(available(services)),
    list: () => list(services, app),
    declare: (integration_type, declaration) => declare(services, app, as, integration_type, declaration),
    status: (integration_type, connection_id) => status(services, app, as, integration_type, connection_id),
    disconnect: (integration_type) => disconnect(services, app, integration_type),
    remove: (integration_type) => remove(services, app, integration_type),
  };
}

function available({ catalog }: Services): readonly AvailableService[] {
  return catalog
    .all()
    .map(({ id, display_name, description }) => ({ integration_type: id, display_name, description }));
}

async function list({ apps, connections }: Services, app: string): Promise<readonly ListedConnector[]> {
  const found = await connections.list((await apps.get(asAppId(app))).id);
  return found.map(({ integration_type, status: state, scopes, missing_scopes, account, reason }) => ({
    integration_type,
    status: state,
    scopes,
    missing_scopes,
    account_label: account.label,
    user_email: account.email,
    reason,
  }));
}

async function declare(
  services: Services,
  app: string,
  as: string | undefined,
  integration_type: string,
  { scopes, config, force_reconnect = false }: Declaration,
): Promise<Declared> {
  const app_id = asAppId(app);
  const {
    error,
    error_message,
    other_user_email: _other,
    ...declared
  } = await services.connect.initiate({
    app_id,
    integration_type,
    scopes,
    config,
    initiator: await initiatorOf(services, app_id, as),
    return_to: null,
    scope_change: force_reconnect ? "add" : "replace",
    force_reconnect,
  });
  await record(services, { app_id, action: "connector.initiate", target: integration_type });
  if (error !== null) throw declined(error, error_message);
  return declared;
}

async function status(
  services: Services,
  app: string,
  as: string | undefined,
  integration_type: string,
  connection_id: string,
): Promise<ConsentStatus> {
  const app_id = asAppId(app);
  const initiator = await initiatorOf(services, app_id, as);
  const query = { app_id, integration_type, connection_id, principal: initiator };
  return (await services.connect.status(query)).status;
}

async function disconnect(services: Services, app: string, integration_type: string): Promise<void> {
  const { id: app_id } = await services.apps.get(asAppId(app));
  await services.connections.disconnect(app_id, integration_type);
  await record(services, { app_id, action: "connector.disconnect", target: integration_type });
}

async function remove(services: Services, app: string, integration_type: string): Promise<void> {
  services.catalog.require(integration_type);
  const { id: app_id } = await services.apps.get(asAppId(app));
  await services.connections.remove(app_id, integration_type);
  await record(services, { app_id, action: "connector.remove", target: integration_type });
}

/**
 * A link works for one user, who must be signed in to open it. A command on the server's machine
 * has no signed-in user, so the link is for the workspace's first owner unless `as` names another
 * member.
 */
async function initiatorOf({ apps, workspaces }: Services, app_id: AppId, as: string | undefined): Promise<UserId> {
  const { workspace_id } = await apps.get(app_id);
  const members = await workspaces.members(workspace_id);
  const found = members.find(({ role, email }) =>
    as === undefined ? role === "owner" : email === as.trim().toLowerCase(),
  );
  if (found !== undefined) return found.user_id;
  if (as === undefined) throw new CodedError("no_account");
  const message = `No member of the app's workspace has the address ${as.slice(0, 100)}.`;
  throw new CodedError("not_found", { message });
}
