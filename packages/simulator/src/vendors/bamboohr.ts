/**
 * BambooHR. https://documentation.bamboohr.com/docs/getting-started
 *
 * Peculiar: each company has its host, which is its authorization server and its API; the endpoints are PHP files with
 * `request=` in the query; the answer names `companyDomain` and an id_token; a refresh token only with `offline_access`.
 * Unverified: lifetimes, rotation, and the shapes of errors, of which the vendor's page says nothing; no revocation
 * found.
 */
import { signIdToken } from "../engine/id-token.ts";
import type { IssueContext, JsonObject } from "../engine/types.ts";
import { randomLetters, stableNumber } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, no, person, plainVendor, tokenBody, withScope } from "./kit.ts";

const DOCS = "https://documentation.bamboohr.com/docs/getting-started";
const HOSTS = [/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.bamboohr\.com$/];

const denied = deniedBy((problem, status) => ({
  error: { code: status, message: problem === "scope" ? "Insufficient scope" : "Unauthorized" },
}));

const api = apiOf({ hosts: HOSTS, denied });

function answer(context: IssueContext): JsonObject {
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

export const bamboohr = plainVendor({
  id: "bamboohr",
  name: "BambooHR",
  capabilities: capable(DOCS, {
    identity: "https://documentation.bamboohr.com/reference/get-employee",
    health: "https://documentation.bamboohr.com/reference/get-employee",
    revoke: no(DOCS),
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
    mintAccess: () => randomLetters(40).toLowerCase(),
    mintRefresh: () => randomLetters(40).toLowerCase(),
    answer,
  },
  routes: [
    // Employee 0 is whoever asks.
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
