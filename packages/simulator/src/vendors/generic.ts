/**
 * Any service of the operator: hosts that end in `.example.com` or `.example.test`, plain RFC 6749,
 * 7009 and 7636.
 *
 * `auth.acme.example.com` and `api.acme.example.com` are one service. `globex.example.com` is
 * another, and does not know their codes and tokens. Mode `rotate` makes it rotate.
 */
import { empty, json } from "../engine/reply.ts";
import type { Reply, TokenProblem } from "../engine/types.ts";
import { orgName, person, stableNumber } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, expiring, revocation } from "./kit.ts";

const RFC = "https://www.rfc-editor.org/rfc/rfc6749";
const HOST = /^(?:[a-z0-9-]+\.)+example\.(?:com|test)$/;
const HOSTS = [HOST];

function denied(problem: TokenProblem): Reply {
  if (problem === "missing") return empty(401, { "www-authenticate": "Bearer" });
  const error = problem === "scope" ? "insufficient_scope" : "invalid_token";
  const headers = { "www-authenticate": `Bearer error="${error}"` };
  return json(
    problem === "scope" ? 403 : 401,
    { error, error_description: `The access token is ${problem}.` },
    headers,
  );
}

const api = defineApi({ hosts: HOSTS, denied });

export const generic = defineVendor({
  id: "generic",
  name: "Example service",
  capabilities: capabilitiesOf(RFC, { revoke: "https://www.rfc-editor.org/rfc/rfc7009" }),
  realm: (host) => host.split(".").slice(-3).join("."),
  authorize: { hosts: HOSTS, path: "/oauth/authorize", response_type_required: true, pkce: "supported" },
  token: {
    hosts: HOSTS,
    path: "/oauth/token",
    client_auth: ["basic", "post"],
    life: expiring(3600),
  },
  routes: [
    revocation({ hosts: HOSTS, path: "/oauth/revoke", client_auth: ["basic", "post"], reach: "grant" }),
    api("GET", "identity", "/api/v1/me", ({ account }) => ({
      id: String(stableNumber("generic", account.email)),
      email: account.email,
      name: person(account).full,
      organization: orgName(account),
    })),
    api("GET", "resource", "/api/v1/data", ({ account, scopes }, { incoming }) => ({
      service: incoming.host,
      owner: account.email,
      scopes,
      items: [{ id: 1, title: "First" }],
    })),
  ],
});
