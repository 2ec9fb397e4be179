/**
 * A backend function with the public `@base44/sdk` as published in the registry. The same program
 * runs in Node and, bundled, in Deno. Standard input:
 * `{ server_url, app_id, service_token, services, missing }`. Standard output: the SDK's results or
 * errors, as one JSON document.
 */
import { Base44Error, createClientFromRequest } from "@base44/sdk";

interface Input {
  readonly server_url: string;
  readonly app_id: string;
  readonly service_token: string;
  readonly services: readonly string[];
  readonly missing: string;
}

// The SDK prints each error that it maps, but standard output is for the result.
console.error = () => {};

let text = "";
for await (const chunk of process.stdin.setEncoding("utf8")) text += String(chunk);
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the calling test
const input = JSON.parse(text) as Input;

const headers = {
  "Base44-App-Id": input.app_id,
  "Base44-Api-Url": input.server_url,
  "Base44-Service-Authorization": `Bearer ${input.service_token}`,
};
const base44 = createClientFromRequest(new Request("http://function.example/", { headers }));
const { connectors } = base44.asServiceRole;

const connected = [];
for (const service of input.services) {
  connected.push({
    service,
    connection: await connectors.getConnection(service),
    access_token: await connectors.getAccessToken(service),
  });
}

const wrong_token = createClientFromRequest(
  new Request("http://function.example/", {
    headers: { ...headers, "Base44-Service-Authorization": `Bearer ${input.service_token.slice(0, -8)}00000000` },
  }),
);
const refusals = {
  not_connected: await errorOf(connectors.getConnection(input.missing)),
  unknown_service: await errorOf(connectors.getConnection("slakc")),
  wrong_token: await errorOf(wrong_token.asServiceRole.connectors.getConnection("slack")),
  path_in_name: await errorOf(connectors.getConnection("../../management/apps")),
  empty_name: await errorOf(connectors.getConnection("")),
};
console.log(JSON.stringify({ connected, refusals }));

async function errorOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return { returned: await call };
  } catch (error) {
    if (error instanceof Base44Error)
      return { kind: "Base44Error", status: error.status, code: error.code, message: error.message };
    return { kind: error instanceof Error ? "Error" : typeof error };
  }
}
