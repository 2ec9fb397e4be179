/**
 * A push of pulled connectors changes nothing: PUT with the listed scopes finds everything
 * authorized, for every service of the catalog, every declaration, and full or partial grants.
 */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { providers } from "../../src/providers/index.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { configFor } from "../providers/subject.ts";
import type { Browser } from "../support/browser.ts";
import { asList, type Json } from "../support/http.ts";
import { openTestServer, type TestApp, type TestServer } from "../support/server.ts";

/** Some vendors require https. The tests' browser leads this address to the server on loopback. */
const PUBLIC_URL = "https://connect.example.com";

let holdfast: TestServer;
let person: Browser;
beforeAll(async () => {
  // An app with a key for each declaration. One user connects them all within the server's minute.
  const limits = { live_api_keys_per_workspace: 1_000, requests_per_minute: 100_000 };
  holdfast = await openTestServer({ public_url: PUBLIC_URL, limits });
  person = await holdfast.signedIn();
});
afterAll(() => holdfast.close());

async function listed(app: TestApp, integration_type: string): Promise<Json> {
  const reply = await holdfast.request("GET", `/api/apps/${app.app_id}/external-auth/list`, {
    headers: { api_key: app.api_key },
  });
  const found = asList(reply.json["integrations"]).find((one) => one["integration_type"] === integration_type);
  if (found === undefined) throw new Error(`The list returned status ${reply.status}: ${reply.text}`);
  return found;
}

/** An empty declaration, and others: in any order, with repetitions, with required scopes. */
function declarations({
  id,
  default_scopes,
  required_scopes,
  common_scopes,
}: Provider): readonly (readonly string[])[] {
  const known = [...new Set([...default_scopes, ...required_scopes, ...common_scopes.map(({ scope }) => scope)])];
  const seed = crc32(id) % 0x7fffffff;
  const some =
    known.length === 0 ? [] : fc.sample(fc.array(fc.constantFrom(...known), { maxLength: 6 }), { seed, numRuns: 2 });
  return [[], ...some];
}

describe.each([...providers.values()])("$id", (provider) => {
  it.each([
    ["granted in full", []],
    ["granted in part", ["partial-scopes"]],
  ])("is up to date after a pull, %s", async (_how, modes) => {
    const client_id = await holdfast.setClient(provider.id, [], "pull");
    holdfast.simulator.setModes({ client_id, modes });
    for (const [index, declared] of declarations(provider).entries()) {
      const app = await holdfast.createApp(`${provider.id} ${modes.length} ${index}`);
      const wanted = { scopes: declared, connection_config: configFor(provider) };
      const { redirect_url } = (await holdfast.initiate(provider.id, wanted, app)).json;
      await person.consent(String(redirect_url));
      const { scopes, status } = await listed(app, provider.id);
      expect([status, scopes]).toEqual(["active", [...new Set(declared)]]);
      const pushed = await holdfast.initiate(provider.id, { scopes }, app);
      expect([pushed.status, pushed.json]).toEqual([
        200,
        {
          redirect_url: null,
          connection_id: expect.stringMatching(/^con_/) as unknown,
          already_authorized: true,
          error: null,
          error_message: null,
          other_user_email: null,
        },
      ]);
      expect((await listed(app, provider.id))["scopes"]).toEqual(scopes);
    }
  });
});
