/**
 * BambooHR. https://documentation.bamboohr.com/docs/getting-started
 *
 * Quirks: each company has its own host, which is its authorization server and its API. The
 * endpoints are PHP files with `request=` in the query. The reply has `companyDomain` and an
 * id_token. A refresh token requires `offline_access`. Unverified: lifetimes, rotation and error
 * shapes, which the vendor's page does not mention. No revocation found.
 */
import { signIdToken } from "../engine/oauth/id-token.ts";
import type { IssueContext, JsonObject } from "../engine/types.ts";
import { person, randomLetters, stableNumber } from "../engine/values.ts";
import {
  capabilitiesOf,
  defineApi,
  defineVendor,
  denyWith,
  expiring,
  tokenBody,
  unsupported,
  withScope,
} from "./kit.ts";

const DOCS = "https://documentation.bamboohr.com/docs/getting-started";
const HOSTS = [/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.bamboohr\.com$/];

const denied = denyWith((problem, status) => ({
  error: { code: status, message: problem === "scope" ? "Insufficient scope" : "Unauthorized" },
}));

const api = defineApi({ hosts: HOSTS, denied });

function successBody(context: IssueContext): JsonObject {
  const { account, client_id, consent_host, now, nonce } = context;
  const iat = Math.floor(now / 1000);
  const sub = String(stableNumber("bamboohr", account.email));
  const claims = { iss: `https://${consent_host}`, aud: client_id, sub, email: account.email, nonce };
  return {
    ...tokenBody(context, " ", "Bearer"),
    id_token: signIdToken({ ...claims, iat, exp: iat + 3600 }),
    companyDomain: consent_host.split(".")[0],
  };
}

export const bamboohr = defineVendor({
  id: "bamboohr",
  name: "BambooHR",
  capabilities: capabilitiesOf(DOCS, {
    identity: "https://documentation.bamboohr.com/reference/get-employee",
    health: "https://documentation.bamboohr.com/reference/get-employee",
    revoke: unsupported(DOCS),
  }),
  realm: (host) => host,
  authorize: {
    hosts: HOSTS,
    path: "/authorize.php",
    response_type_required: true,
    scope_required: true,
    offline: withScope("offline_access"),
  },
  token: {
    hosts: HOSTS,
    path: "/token.php",
    body: ["form", "json"],
    life: expiring(3600, { rotates: true }),
    newAccessToken: () => randomLetters(40).toLowerCase(),
    newRefreshToken: () => randomLetters(40).toLowerCase(),
    successBody,
  },
  routes: [
    // Employee 0 is the caller.
    api("GET", "identity", "/api/v1/employees/0", ({ account }) => ({
      id: String(stableNumber("bamboohr", account.email)),
      firstName: person(account).first,
      lastName: person(account).last,
      workEmail: account.email,
    })),
    api("GET", "resource", "/api/v1/employees/directory", ({ account }) => ({
      fields: [{ id: "displayName", type: "text", name: "Display name" }],
      employees: [
        {
          id: String(stableNumber("bamboohr", account.email)),
          displayName: person(account).full,
          workEmail: account.email,
        },
      ],
    })),
  ],
});
