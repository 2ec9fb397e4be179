/**
 * The two sets of methods and their routes. Owns paths and the parsing of replies. Knows no header
 * but the one that reports a rejected token.
 */
import { pathPart, requireSeconds, requireText } from "./argument.ts";
import { callApi } from "./call-api.ts";
import { isRecord, isStringRecord, nonEmptyString } from "./json.ts";
import type { Send } from "./transport.ts";
import type {
  ConnectionOptions,
  ConnectorApiResponse,
  ConnectorConnectionResponse,
  ConnectorsModule,
  UserConnectorsModule,
} from "./types.ts";

export function createConnectors(send: Send): ConnectorsModule {
  async function connection(path: string, { rejected, minValidSeconds, signal }: ConnectionOptions = {}) {
    const headers: Record<string, string> = {};
    if (minValidSeconds !== undefined)
      path += `?min_valid_seconds=${requireSeconds(minValidSeconds, "Option minValidSeconds")}`;
    if (rejected !== undefined) headers["X-Holdfast-Rejected-Token-Hash"] = await sha256Hex(rejected);
    return send({ method: "GET", path, headers, signal }, readConnection);
  }

  return {
    getConnection: async (type, options) => connection(typeTokenPath(type), options),
    getAccessToken: async (type) => (await connection(typeTokenPath(type))).accessToken,
    getWorkspaceConnection: async (connectorId, options) =>
      connection(`external-auth/tokens/connectors/${connectorPart(connectorId)}`, options),
    getCurrentAppUserConnection: async (connectorId, options) =>
      connection(`${appUserPath(connectorId)}/token`, options),
    callApi: async <T>(...args: Parameters<ConnectorsModule["callApi"]>) =>
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- T is unchecked by design
      callApi(send, ...args) as Promise<ConnectorApiResponse<T>>,
  };
}

export function createUserConnectors(send: Send): UserConnectorsModule {
  return {
    connectAppUser: async (connectorId, options = {}) =>
      send({ method: "POST", path: `${appUserPath(connectorId)}/initiate`, signal: options.signal }, readRedirect),
    disconnectAppUser: async (connectorId, options = {}) => {
      await send({ method: "DELETE", path: appUserPath(connectorId), signal: options.signal }, () => true);
    },
  };
}

const connectorPart = (connectorId: string) => pathPart(connectorId, "Connector ID");
const appUserPath = (connectorId: string) => `app-user-auth/connectors/${connectorPart(connectorId)}`;
const typeTokenPath = (type: string) => `external-auth/tokens/${pathPart(type, "Integration type")}`;

function readConnection(body: unknown): ConnectorConnectionResponse | null {
  if (!isRecord(body)) return null;
  const accessToken = nonEmptyString(body["access_token"]);
  const connectionConfig = body["connection_config"] ?? null;
  if (accessToken === undefined || (connectionConfig !== null && !isStringRecord(connectionConfig))) return null;
  return { accessToken, connectionConfig };
}

/** Pages navigate to this address, and `javascript:` would run as a script of the page. */
function readRedirect(body: unknown): string | null {
  const url = isRecord(body) ? nonEmptyString(body["redirect_url"]) : undefined;
  return url !== undefined && /^https?:\/\//i.test(url) ? url : null;
}

async function sha256Hex(token: string): Promise<string> {
  const bytes = new TextEncoder().encode(requireText(token, "Option rejected"));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
