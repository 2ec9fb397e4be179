/**
 * Creates a client from options. Owns the headers that authenticate the caller. The user half sends
 * the user's token. The service half sends the service token, and the user's token as
 * `on-behalf-of`.
 */
import { pathPart, requireText, serverBase, setHeader } from "./argument.ts";
import { createConnectors, createUserConnectors } from "./connectors.ts";
import { createSend } from "./transport.ts";
import type { ClientOptions, Fetch, HoldfastClient, UserConnectorsModule } from "./types.ts";

/**
 * Creates a client. Sends no request.
 *
 * @throws TypeError if an option is missing or cannot be sent. The message never quotes a token.
 */
export function createClient(options: ClientOptions): HoldfastClient {
  const { token, serviceToken } = options;
  const address = `${serverBase(options.serverUrl)}/api/apps/${pathPart(options.appId, "appId")}`;
  // Looked up at each call and called without an object: browsers reject a fetch called as another
  // object's method.
  const custom = options.fetch;
  const fetch: Fetch =
    custom === undefined ? (url, init) => globalThis.fetch(url, init) : (url, init) => custom(url, init);

  const userHeaders = commonHeaders(options);
  if (token) setHeader(userHeaders, "Authorization", bearerOf("token", token));
  const connectors = createUserConnectors(createSend({ address, headers: userHeaders, fetch }));
  if (!serviceToken) return withoutServiceRole(connectors);

  const serviceHeaders = commonHeaders(options);
  setHeader(serviceHeaders, "Authorization", bearerOf("serviceToken", serviceToken));
  if (token) setHeader(serviceHeaders, "on-behalf-of", bearerOf("token", token));
  const service = { connectors: createConnectors(createSend({ address, headers: serviceHeaders, fetch })) };
  return { connectors, asServiceRole: service };
}

const NO_SERVICE_TOKEN =
  "asServiceRole needs a service token: pass serviceToken to createClient, or, in a backend function, create the client with createClientFromRequest";

/**
 * Throws when the property is read, because that is the mistake. `undefined` would fail a line
 * later and explain less.
 */
function withoutServiceRole(connectors: UserConnectorsModule): HoldfastClient {
  return {
    connectors,
    get asServiceRole(): never {
      throw new Error(NO_SERVICE_TOKEN);
    },
  };
}

function bearerOf(option: string, token: unknown): string {
  return `Bearer ${requireText(token, option)}`;
}

/** Every request has Content-Type, even without a body: that is the wire format. */
function commonHeaders({ appId, headers = {} }: ClientOptions): Headers {
  const common = new Headers();
  for (const [name, value] of Object.entries(headers)) setHeader(common, name, value);
  setHeader(common, "X-App-Id", appId);
  common.set("Accept", "application/json");
  common.set("Content-Type", "application/json");
  return common;
}
