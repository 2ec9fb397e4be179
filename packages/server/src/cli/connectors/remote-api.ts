/** An app's connectors on a server, over the contract's routes. */
import { CodedError } from "../../core/errors.ts";
import type { Remote } from "../remote/remote.ts";
import type { Reply } from "../remote/reply.ts";
import {
  declined,
  type ConnectorsApi,
  type ConsentStatus,
  type Declaration,
  type Declared,
  type ListedConnector,
} from "./api.ts";

export function remoteConnectors(remote: Remote, app: string): ConnectorsApi {
  const base = `/api/apps/${encodeURIComponent(app)}/external-auth`;
  const of = (integration_type: string): string => `${base}/integrations/${encodeURIComponent(integration_type)}`;
  return {
    available: async () =>
      (await remote.call({ method: "GET", path: `${base}/available-integrations` }, "available")).integrations,
    list: () => list(remote, `${base}/list`),
    declare: (integration_type, declaration) =>
      declaration.force_reconnect === true
        ? forceReconnect(remote, `${base}/initiate`, integration_type, declaration)
        : declare(remote, of(integration_type), declaration),
    status: (integration_type, connection_id) =>
      status(remote, `${base}/status?${new URLSearchParams({ integration_type, connection_id }).toString()}`),
    disconnect: (integration_type) => remote.send({ method: "DELETE", path: of(integration_type) }),
    remove: (integration_type) => remote.send({ method: "DELETE", path: `${of(integration_type)}/remove` }),
  };
}

async function list(remote: Remote, path: string): Promise<readonly ListedConnector[]> {
  const { integrations } = await remote.call({ method: "GET", path }, "connectors");
  return integrations.map(({ user_email = null, ...connector }) => ({ ...connector, user_email }));
}

async function declare(remote: Remote, path: string, declaration: Declaration): Promise<Declared> {
  return declaredOf(await remote.call({ method: "PUT", path, json: bodyOf(declaration) }, "initiated"));
}

async function forceReconnect(
  remote: Remote,
  path: string,
  integration_type: string,
  declaration: Declaration,
): Promise<Declared> {
  const json = { ...bodyOf(declaration), integration_type, force_reconnect: true };
  return declaredOf(await remote.call({ method: "POST", path, json }, "initiated"));
}

const bodyOf = ({ scopes, config }: Declaration) => ({
  scopes,
  ...(config === null ? {} : { connection_config: config }),
});

function declaredOf({ error, error_message, other_user_email: _other, ...declared }: Reply<"initiated">): Declared {
  if (error !== null) throw declined(error, error_message);
  return declared;
}

async function status(remote: Remote, path: string): Promise<ConsentStatus> {
  const { status: found } = await remote.call({ method: "GET", path }, "consent");
  if (found === "ACTIVE" || found === "PENDING" || found === "FAILED") return found;
  throw new CodedError("invalid_answer", { message: `The server returned an unknown status: ${found.slice(0, 32)}.` });
}
