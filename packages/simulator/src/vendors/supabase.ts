/**
 * Supabase's management API.
 * https://supabase.com/docs/guides/integrations/build-a-supabase-integration
 *
 * Quirks: scopes are settings of the app, not parameters. A token belongs to no user, only to
 * organizations, which are an array. Revocation takes `token` or `refresh_token`. Unverified: all
 * of this. The vendor's page was not opened.
 */
import { empty } from "../engine/reply.ts";
import { orgName, randomLetters, stableId } from "../engine/values.ts";
import { capabilitiesOf, defineApi, defineVendor, denyWith, expiring, revocation, tokenBody } from "./kit.ts";

const DOCS = "https://supabase.com/docs/guides/integrations/build-a-supabase-integration";
const HOSTS = ["api.supabase.com"];

const denied = denyWith((problem) => ({ message: problem === "scope" ? "Forbidden" : "Unauthorized" }));
const api = defineApi({ hosts: HOSTS, denied });

const orgId = (org: string): string => stableId("supabase", org, 20).toLowerCase();

export const supabase = defineVendor({
  id: "supabase",
  name: "Supabase",
  capabilities: capabilitiesOf(DOCS),
  authorize: { hosts: HOSTS, path: "/v1/oauth/authorize", response_type_required: true, pkce: "supported" },
  token: {
    hosts: HOSTS,
    path: "/v1/oauth/token",
    client_auth: ["basic", "post"],
    life: expiring(86_400, { rotates: true }),
    newAccessToken: () => `sbp_oauth_${randomLetters(40).toLowerCase()}`,
    newRefreshToken: () => randomLetters(43),
    successBody: (context) => tokenBody(context, null, "Bearer"),
  },
  routes: [
    revocation({
      hosts: HOSTS,
      path: "/v1/oauth/revoke",
      client_auth: ["basic", "post"],
      body: ["form", "json"],
      fields: ["token", "refresh_token"],
      reach: "grant",
      success: () => empty(204),
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
