/**
 * Steps that tests of connecting and of workspaces share: consents, lists, the trail, calls from
 * a page.
 */
import { approveConsent } from "@holdfast/simulator";
import { asList, type Json, type Reply } from "../support/http.ts";
import type { Browser } from "../support/browser.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

export const externalAuth = ({ app }: TestServer): string => `/api/apps/${app.app_id}/external-auth`;

/** Returns a server with an OAuth client for one service. */
export async function startWithClient(integration_type: string, modes: readonly string[] = []): Promise<TestServer> {
  const holdfast = await startTestServer();
  await holdfast.setClient(integration_type, modes);
  return holdfast;
}

/** Returns a server as `startWithClient` does, and a signed-in browser. */
export async function ready(
  integration_type = "googlecalendar",
  modes: readonly string[] = [],
): Promise<{ holdfast: TestServer; person: Browser }> {
  const holdfast = await startWithClient(integration_type, modes);
  return { holdfast, person: await holdfast.signedIn() };
}

/** Returns the link to a new consent. */
export async function linkOf(
  holdfast: TestServer,
  integration_type = "googlecalendar",
  body?: unknown,
): Promise<string> {
  const reply = await holdfast.initiate(integration_type, body);
  if (typeof reply.json["redirect_url"] !== "string")
    throw new Error(`PUT returned status ${reply.status}: ${reply.text}`);
  return reply.json["redirect_url"];
}

/** Approves a consent and returns the callback URL that the provider's page would open. */
export async function approved(
  holdfast: TestServer,
  person: Browser,
  integration_type = "googlecalendar",
  body?: unknown,
): Promise<string> {
  return approveConsent(await person.start(await linkOf(holdfast, integration_type, body)));
}

/** Starts a consent for further scopes. */
export const addScopes = (holdfast: TestServer, json: unknown): Promise<Reply> =>
  holdfast.manage("POST", `${externalAuth(holdfast)}/initiate`, { json });

/** Returns the app's connectors as the API lists them. */
export async function listed(holdfast: TestServer): Promise<readonly Json[]> {
  return asList((await holdfast.manage("GET", `${externalAuth(holdfast)}/list`)).json["integrations"]);
}

/** Returns the app's recorded actions that start with `prefix`, oldest first. */
export async function audited({ installation, app }: TestServer, prefix = ""): Promise<readonly string[]> {
  await installation.audit.flush();
  const events = await installation.store.listAudit(app.app_id, 100);
  return events.flatMap(({ action }) => (action.startsWith(prefix) ? [action] : [])).toReversed();
}

/** Returns a caller of the management API, with a browser's session, as from one of our pages. */
export function api(
  { request, config }: TestServer,
  person: Browser,
): (method: string, path: string, json?: unknown) => Promise<Reply> {
  return (method, path, json) => {
    const cookie = [...person.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { cookie, origin: config.public_url };
    return request(method, `/api/management${path}`, { headers, ...(json === undefined ? {} : { json }) });
  };
}

/** Reads with an API key, by default the app's list of connectors. */
export const withKey = (
  holdfast: TestServer,
  api_key: string,
  path = `${externalAuth(holdfast)}/list`,
): Promise<Reply> => holdfast.request("GET", path, { headers: { api_key } });
