/** An app's connectors on a server, over the contract's routes. */
import { ApiError } from "../../core/errors.ts";
import type { Remote } from "../remote/remote.ts";
import type { Fields } from "../remote/reply.ts";
import { declined, type ConnectorsApi, type ConsentStatus, type Declared, type ListedConnector } from "./api.ts";

export function remoteConnectors(remote: Remote, app: string): ConnectorsApi {
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

function readStatus(fields: Fields): ConsentStatus {
  const status = fields.text("status");
  if (status === "ACTIVE" || status === "PENDING" || status === "FAILED") return status;
  throw new ApiError("invalid_answer", { message: `The server answered an unknown status: ${status.slice(0, 32)}.` });
}
