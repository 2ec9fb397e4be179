/**
 * Supabase's management API. https://supabase.com/docs/guides/integrations/build-a-supabase-integration
 *
 * Peculiar: scopes are settings of the app, not parameters; there is no person behind a token, only organisations, as an
 * array. Unverified: all of it, since the vendor's page was not opened; revocation takes `token` or `refresh_token`.
 */
import { empty } from "../engine/answer.ts";
import { randomLetters, stableId } from "../engine/values.ts";
import { apiOf, capable, deniedBy, expiring, orgName, plainVendor, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://supabase.com/docs/guides/integrations/build-a-supabase-integration";
const HOSTS = ["api.supabase.com"];

const denied = deniedBy((problem) => ({ message: problem === "scope" ? "Forbidden" : "Unauthorized" }));
const api = apiOf({ hosts: HOSTS, denied });

const orgId = (org: string): string => stableId("supabase", org, 20).toLowerCase();

export const supabase = plainVendor({
  id: "supabase",
  name: "Supabase",
  capabilities: capable(DOCS),
  authorize: { hosts: HOSTS, path: "/v1/oauth/authorize", response_type_required: true, pkce: "supported" },
  token: {
    hosts: HOSTS,
    path: "/v1/oauth/token",
    client_auth: ["basic", "post"],
    life: expiring(86_400, { rotates: true }),
    mintAccess: () => `sbp_oauth_${randomLetters(40).toLowerCase()}`,
    mintRefresh: () => randomLetters(43),
    answer: (context) => tokenBody(context, null, "Bearer"),
  },
  routes: [
    revocation({
      hosts: HOSTS,
      path: "/v1/oauth/revoke",
      client_auth: ["basic", "post"],
      body: ["form", "json"],
      fields: ["token", "refresh_token"],
      reach: "grant",
      done: () => empty(204),
    }),
    api("GET", "identity", "/v1/organizations", ({ account }) => [
      { id: orgId(account.org), slug: orgId(account.org), name: orgName(account) },
    ]),
    api("GET", "resource", "/v1/projects", ({ account }) => [
      {
        id: stableId("supabase project", account.org, 20).toLowerCase(),
        organization_id: orgId(account.org),
        name: "app",
      },
    ]),
  ],
});
