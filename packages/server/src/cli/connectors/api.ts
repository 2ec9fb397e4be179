/**
 * What commands do with an app's connectors, wherever the server is: the same calls over HTTP (the contract's routes) and on
 * the data of this machine. Answers are in the wire's words.
 */
import { ApiError } from "../../core/errors.ts";
import { asAppId } from "../../core/ids.ts";
import type { ConnectionConfig } from "../../core/types.ts";
import type { Installation } from "../../installation.ts";
import { record, withInstallation, type LocalFlags } from "../remote/local.ts";
import { RemoteError } from "../remote/error.ts";
import type { Remote } from "../remote/remote.ts";
import type { Fields } from "../remote/reply.ts";
import { resolveTarget, type TargetFlags } from "../remote/target.ts";

export interface ListedConnector {
  readonly integration_type: string;
  readonly status: string;
  /** As declared; none means the catalog's defaults. */
  readonly scopes: readonly string[];
  readonly missing_scopes: readonly string[];
  readonly account_label: string | null;
  readonly user_email: string | null;
  readonly reason: string | null;
}

export interface AvailableService {
  readonly integration_type: string;
  readonly display_name: string;
  readonly description: string;
}

export interface Declaration {
  readonly scopes: readonly string[];
  /** Null: keep what the connection has. */
  readonly config: ConnectionConfig | null;
  /** A new consent in any case, also in place of another builder's account. The scopes are then added, not replaced. */
  readonly force_reconnect?: boolean;
}

/** `connection_id` names the consent until somebody gave it, and goes with `redirect_url`. */
export interface Declared {
  readonly redirect_url: string | null;
  readonly connection_id: string | null;
  readonly already_authorized: boolean;
}

export type ConsentStatus = "ACTIVE" | "PENDING" | "FAILED";

export interface ConnectorsApi {
  available(): Promise<readonly AvailableService[]>;
  list(): Promise<readonly ListedConnector[]>;
  /** Replaces the declared scopes. */
  declare(integration_type: string, declaration: Declaration): Promise<Declared>;
  status(integration_type: string, connection_id: string): Promise<ConsentStatus>;
  disconnect(integration_type: string): Promise<void>;
  remove(integration_type: string): Promise<void>;
}

export const AS = [
  "--as <email>",
  "on the server's machine: who is going to open the link (default: the workspace's first owner)",
] as const;

export interface AppFlags extends TargetFlags {
  readonly json?: boolean;
  readonly app: string;
  /** On the server's machine: the e-mail address of whoever is going to open the links. */
  readonly as?: string;
}

export function apiOf(flags: AppFlags): ConnectorsApi {
  const target = resolveTarget(flags);
  if (target.kind === "local") return localConnectors(target.flags, flags.app, flags.as);
  if (flags.as === undefined) return remoteConnectors(target.remote, flags.app);
  throw new ApiError("usage", {
    message: "--as is for the server's own machine. Elsewhere the link is for who is signed in.",
  });
}

function remoteConnectors(remote: Remote, app: string): ConnectorsApi {
  const base = `/api/apps/${encodeURIComponent(app)}/external-auth`;
  const of = (integration_type: string): string => `${base}/integrations/${encodeURIComponent(integration_type)}`;
  return {
    available: () =>
      remote.call({ method: "GET", path: `${base}/available-integrations` }, (fields) =>
        fields.list("integrations", (one) => ({
          integration_type: one.text("integration_type"),
          display_name: one.text("display_name"),
          description: one.text("description"),
        })),
      ),
    list: () =>
      remote.call({ method: "GET", path: `${base}/list` }, (fields) => fields.list("integrations", readListed)),
    declare: (integration_type, { scopes, config, force_reconnect = false }) => {
      const json = { scopes, ...(config === null ? {} : { connection_config: config }) };
      if (!force_reconnect) return remote.call({ method: "PUT", path: of(integration_type), json }, readDeclared);
      const forced = { ...json, integration_type, force_reconnect };
      return remote.call({ method: "POST", path: `${base}/initiate`, json: forced }, readDeclared);
    },
    status: (integration_type, connection_id) => {
      const query = new URLSearchParams({ integration_type, connection_id });
      return remote.call({ method: "GET", path: `${base}/status?${query.toString()}` }, readStatus);
    },
    disconnect: (integration_type) => remote.send({ method: "DELETE", path: of(integration_type) }),
    remove: (integration_type) => remote.send({ method: "DELETE", path: `${of(integration_type)}/remove` }),
  };
}

function readListed(one: Fields): ListedConnector {
  return {
    integration_type: one.text("integration_type"),
    status: one.text("status"),
    scopes: one.texts("scopes"),
    missing_scopes: one.texts("missing_scopes"),
    account_label: one.textOrNull("account_label"),
    user_email: one.textOrNull("user_email"),
    reason: one.textOrNull("reason"),
  };
}

function readDeclared(fields: Fields): Declared {
  const error = fields.textOrNull("error");
  if (error !== null) throw declined(error, fields.textOrNull("error_message"), fields.textOrNull("other_user_email"));
  return {
    redirect_url: fields.textOrNull("redirect_url"),
    connection_id: fields.textOrNull("connection_id"),
    already_authorized: fields.flag("already_authorized"),
  };
}

/** A refusal in a 200: the contract's way to say that somebody else holds the connection. */
function declined(code: string, message: string | null, other: string | null): Error {
  const by = other === null ? "" : ` It is ${other}.`;
  if (code === "different_user") return new ApiError(code, message === null ? {} : { message: `${message}${by}` });
  return new RemoteError({
    status: 400,
    code,
    message: message ?? `The server answered ${code}.`,
    who_must_act: null,
    retryable: false,
    errors: [],
    reconnect_url: null,
    request_id: null,
  });
}

function readStatus(fields: Fields): ConsentStatus {
  const status = fields.text("status");
  if (status === "ACTIVE" || status === "PENDING" || status === "FAILED") return status;
  throw new ApiError("invalid_answer", { message: `The server answered an unknown status: ${status.slice(0, 32)}.` });
}

/**
 * A link is for one person, who has to be signed in when opening it. On the server's machine nobody is signed in to the
 * command, so it is for the workspace's first owner unless another member is named.
 */
async function initiatorOf({ apps, workspaces }: Installation, app: string, as: string | undefined): Promise<string> {
  const { workspace_id } = await apps.get(asAppId(app));
  const members = await workspaces.members(workspace_id);
  const found = members.find((one) =>
    as === undefined ? one.role === "owner" : one.email === as.trim().toLowerCase(),
  );
  if (found !== undefined) return found.user_id;
  if (as === undefined) throw new ApiError("no_account");
  const message = `Nobody with the address ${as.slice(0, 100)} is in the app's workspace.`;
  throw new ApiError("not_found", { message });
}

function localConnectors(flags: LocalFlags, app: string, as: string | undefined): ConnectorsApi {
  return {
    available: () =>
      withInstallation(flags, async ({ catalog }) =>
        catalog.all().map(({ id, display_name, description }) => ({ integration_type: id, display_name, description })),
      ),
    list: () =>
      withInstallation(flags, async ({ apps, connections }) => {
        const list = await connections.list((await apps.get(asAppId(app))).id);
        return list.map((one) => ({
          integration_type: one.integration_type,
          status: one.status,
          scopes: one.scopes,
          missing_scopes: one.missing_scopes,
          account_label: one.account.label,
          user_email: one.account.email,
          reason: one.reason,
        }));
      }),
    declare: (integration_type, { scopes, config, force_reconnect = false }) =>
      withInstallation(flags, async (installation) => {
        const app_id = asAppId(app);
        const declared = await installation.connect.initiate({
          app_id,
          integration_type,
          scopes,
          config,
          initiator: await initiatorOf(installation, app, as),
          return_to: null,
          scope_change: force_reconnect ? "add" : "replace",
          force_reconnect,
        });
        record(installation, { app_id, action: "connector.initiate", target: integration_type });
        const { error, error_message, other_user_email, ...rest } = declared;
        if (error !== null) throw declined(error, error_message, other_user_email);
        return rest;
      }),
    status: (integration_type, connection_id) =>
      withInstallation(flags, async (installation) => {
        const initiator = await initiatorOf(installation, app, as);
        return (await installation.connect.status(asAppId(app), integration_type, connection_id, initiator)).status;
      }),
    disconnect: (integration_type) =>
      withInstallation(flags, async (installation) => {
        const { apps, connections } = installation;
        const { id: app_id } = await apps.get(asAppId(app));
        await connections.disconnect(app_id, integration_type);
        record(installation, { app_id, action: "connector.disconnect", target: integration_type });
      }),
    remove: (integration_type) =>
      withInstallation(flags, async (installation) => {
        const { apps, connections, catalog } = installation;
        catalog.require(integration_type);
        const { id: app_id } = await apps.get(asAppId(app));
        await connections.remove(app_id, integration_type);
        record(installation, { app_id, action: "connector.remove", target: integration_type });
      }),
  };
}
